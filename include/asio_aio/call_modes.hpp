// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace asio_aio {

/// What `async_sync_range` does (sync_file_range(2)).
enum class sync_range_mode : unsigned char {
    start,   ///< Starts to write the range to the device and waits for nothing.
    complete ///< Writes the range to the device and waits until it is there.
};

/// What `async_allocate` does (fallocate(2)).
enum class allocate_mode : unsigned char {
    /// Reserves blocks. A file that ends before the range grows; what is added reads as zeros.
    extend,
    keep_size,           ///< Reserves blocks and leaves the size of the file alone.
    punch_hole,          ///< Gives blocks back. The range reads as zeros; the size stays.
    zero_range,          ///< The range reads as zeros. The file grows if it ends before the range.
    zero_range_keep_size ///< The range reads as zeros; the size stays.
};

/// What a program expects to do with a range of a file (posix_fadvise(2)).
enum class file_advice : unsigned char {
    normal,     ///< The kernel's default read-ahead.
    sequential, ///< Linux doubles the read-ahead of the whole file.
    random,     ///< Linux reads nothing ahead in the whole file. Then fewer reads are inline.
    will_need,  ///< Linux starts to read the range into memory.
    dont_need,  ///< Linux drops clean pages of the range from memory.
    no_reuse    ///< The range is used once; without effect before Linux 6.3.
};

} // namespace asio_aio
