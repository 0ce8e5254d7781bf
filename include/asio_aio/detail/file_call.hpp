// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/call_modes.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/initiation.hpp>

#include <fcntl.h>
#include <linux/falloc.h>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

/// Calls on a file that move no bytes: sync, size, resize, allocate.
namespace asio_aio::detail {

/// The handler of such a call gets an error and nothing else.
struct status_outcome {
    using signature = void(error_code);

    static std::tuple<error_code> arguments(const operation& op) { return to_error(op.result); }

    /// The arguments after a call that no engine got.
    static std::tuple<error_code> arguments_of(int error) { return to_error(error); }

    template <typename Allocator>
    void release(const Allocator&) noexcept {}
};

/// The handler gets an error and a size in bytes. The size is 0 after an error.
struct size_outcome {
    using signature = void(error_code, std::uint64_t);

    static std::tuple<error_code, std::uint64_t> arguments(const operation& op) {
        return {to_error(op.result), op.result < 0 ? 0 : op.length};
    }

    static std::tuple<error_code, std::uint64_t> arguments_of(int error) {
        return {to_error(error), 0};
    }

    template <typename Allocator>
    void release(const Allocator&) noexcept {}
};

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

/// What a call asks of the kernel.
struct file_call {
    op_kind kind;
    std::uint64_t offset = 0; ///< In bytes.
    std::uint64_t length = 0; ///< In bytes.
    int flags = 0;            ///< Of fallocate(2) or sync_file_range(2).

    /// True if the kernel, which takes signed numbers, can take both numbers.
    bool is_valid() const noexcept {
        constexpr auto max = std::uint64_t(std::numeric_limits<std::int64_t>::max());
        return offset <= max && length <= max - offset;
    }
};

template <typename Outcome, typename Executor, typename Handler>
void start_call(
    file_service& service, const file_ref& file, const Executor& executor, const file_call& wanted,
    Handler& handler) {
    using op_type = async_op<Handler, Executor, Outcome>;
    if (const int fault = !file ? -EBADF : wanted.is_valid() ? 0 : -EINVAL) {
        service.scheduler().count_ended_at_start(true);
        return std::apply(
            [&](const auto&... args) {
                end_at_start<op_type>(service, executor, wanted.kind, handler, fault, args...);
            },
            Outcome::arguments_of(fault));
    }
    auto op = op_type::create(wanted.kind, handler);
    op->file = file;
    op->offset = wanted.offset;
    op->length = wanted.length;
    op->flags = wanted.flags;
    launch(service, executor, std::move(op));
}

} // namespace asio_aio::detail
