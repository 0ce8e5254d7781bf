// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace asio_aio {

/// The alignment that direct I/O on a file needs, in bytes; zeros if the file does not support
/// direct I/O.
struct direct_alignment {
    std::size_t memory = 0; ///< Alignment of the buffers' addresses.
    std::size_t offset = 0; ///< Alignment of offsets in the file, and of the buffers' lengths.
};

} // namespace asio_aio
