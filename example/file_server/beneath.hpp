// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

namespace file_server {

/// A folder that nothing outside can be opened through.
struct folder {
    int descriptor = -1;
    /// Absolute and free of symbolic links: what an absolute link is compared with.
    std::string canonical_path;
};

/// Opens `relative` beneath `root` for reading, without waiting for the other end of a FIFO. A
/// descriptor, or -errno.
/**
 * Symbolic links are followed as long as they stay in the folder; -EXDEV when one leaves it. No
 * rename or link that is made at the same time can make it leave.
 */
int open_beneath(const folder& root, const std::string& relative);

} // namespace file_server
