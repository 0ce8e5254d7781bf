// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

namespace file_server {

/// A folder; `open_beneath` opens no file outside of it.
struct folder {
    int descriptor = -1;
    /// The absolute path without symbolic links, to which absolute links are compared.
    std::string canonical_path;
};

/// Opens `relative` beneath `root` for reading. Returns a descriptor or -errno.
/**
 * Follows symbolic links that stay in the folder, and fails with EXDEV if a link leaves the folder.
 * This holds while other processes rename files or make links. Does not wait for a FIFO's writer.
 */
int open_beneath(const folder& root, const std::string& relative);

} // namespace file_server
