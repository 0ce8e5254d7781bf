// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/initiation.hpp>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

/// Calls on a file that move no bytes: sync, size, resize, allocate.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

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
    if (const int fault = !file.is_open() ? -EBADF : wanted.is_valid() ? 0 : -EINVAL) {
        service.scheduler().count_ended_at_start(true);
        return std::apply(
            [&](const auto&... args) {
                end_at_start<op_type>(service, executor, wanted.kind, handler, fault, args...);
            },
            Outcome::arguments_of(fault));
    }
    if constexpr (std::is_same_v<Outcome, size_outcome>) {
        std::uint64_t bytes = 0;
        if (service.scheduler().find_size_inline(*file.operator->(), bytes)) {
            service.scheduler().count_ended_at_start(false);
            return end_at_start<op_type>(
                service, executor, wanted.kind, handler, {0, bytes}, error_code(), bytes);
        }
    }
    auto op = op_type::create(wanted.kind, handler);
    op->file = file;
    if (may_extend(wanted.kind) && file->in_memory() != memory_test::no_wait)
        op->file.mark_as_writer();
    op->offset = wanted.offset;
    op->length = wanted.length;
    op->flags = wanted.flags;
    launch(service, executor, std::move(op));
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
