// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/call_modes.hpp>
#include <asio_aio/detail/core/transfer_flags.hpp>
#include <asio_aio/transfer_options.hpp>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <cstdint>

/// The kernel's numbers for the modes of calls and the options of transfers.
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

/// The number of ioprio_set(2).
constexpr std::uint16_t to_number(const io_priority& priority) noexcept {
    constexpr unsigned last_level = 7;
    const unsigned io_class = unsigned(priority.io_class);
    switch (priority.io_class) {
    case io_priority_class::unspecified: return 0;
    case io_priority_class::real_time:
    case io_priority_class::best_effort:
        if (priority.level > last_level)
            break;
        return std::uint16_t(io_class << priority_class_shift | priority.level);
    case io_priority_class::idle: return std::uint16_t(io_class << priority_class_shift);
    }
    return invalid_priority;
}

/// The flags of a read. The options that concern only writes are left out.
constexpr transfer_flags to_read_flags(const transfer_options& wanted) noexcept {
    return {wanted.uncached ? rwf_uncached : 0, to_number(wanted.priority)};
}

constexpr transfer_flags to_write_flags(const transfer_options& wanted) noexcept {
    transfer_flags flags = to_read_flags(wanted);
    flags.rw |= (wanted.sync_data ? RWF_DSYNC : 0) | (wanted.atomic ? rwf_atomic : 0) |
        (wanted.no_append ? rwf_no_append : 0);
    return flags;
}

} // namespace asio_aio::detail
