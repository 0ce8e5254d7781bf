// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/call_modes.hpp>

#include <fcntl.h>
#include <linux/falloc.h>

/// The kernel's numbers for the modes of calls.
namespace asio_aio::detail {

/// The flags of sync_file_range(2).
constexpr int to_flags(sync_range_mode mode) noexcept {
    return mode == sync_range_mode::start
        ? SYNC_FILE_RANGE_WRITE
        : SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
}

/// The mode of fallocate(2).
constexpr int to_flags(allocate_mode mode) noexcept {
    switch (mode) {
    case allocate_mode::extend: return 0;
    case allocate_mode::keep_size: return FALLOC_FL_KEEP_SIZE;
    case allocate_mode::punch_hole: return FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    case allocate_mode::zero_range: return FALLOC_FL_ZERO_RANGE;
    case allocate_mode::zero_range_keep_size: return FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    }
    return -1;
}

/// The advice of posix_fadvise(2).
constexpr int to_flags(file_advice advice) noexcept {
    switch (advice) {
    case file_advice::normal: return POSIX_FADV_NORMAL;
    case file_advice::sequential: return POSIX_FADV_SEQUENTIAL;
    case file_advice::random: return POSIX_FADV_RANDOM;
    case file_advice::will_need: return POSIX_FADV_WILLNEED;
    case file_advice::dont_need: return POSIX_FADV_DONTNEED;
    case file_advice::no_reuse: return POSIX_FADV_NOREUSE;
    }
    return -1;
}

} // namespace asio_aio::detail
