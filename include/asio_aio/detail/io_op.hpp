// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/completion.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/iovecs.hpp>
#include <asio_aio/detail/operation.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

namespace asio_aio::detail {

/// A read or write in flight: the operation, its handler, and the work that keeps both executors' contexts running.
/**
 * Made and freed with the handler's allocator. `Room` iovecs are part of it; more come from the same allocator.
 */
template <typename Handler, typename IoExecutor, std::size_t Room>
class io_op final : public operation {
    using handler_allocator = boost::asio::associated_allocator_t<Handler, default_allocator>;

    template <typename T>
    using rebound = typename std::allocator_traits<handler_allocator>::template rebind_alloc<T>;

    struct deleter {
        void operator()(io_op* op) const noexcept { destroy(op, op->allocator()); }
    };

public:
    using pointer = std::unique_ptr<io_op, deleter>;

    /// `in_place` are the iovecs of `buffers`, as many as there is room for.
    template <typename BufferSequence>
    static pointer create(
        op_kind what, Handler& handler, const IoExecutor& executor, const small_iovecs<Room>& in_place,
        const BufferSequence& buffers) {
        rebound<io_op> memory(boost::asio::get_associated_allocator(handler, default_allocator()));
        io_op* raw = memory.allocate(1);
        try {
            new (raw) io_op(what, handler, executor);
        } catch (...) {
            memory.deallocate(raw, 1);
            throw;
        }
        pointer op(raw);
        op->assign_iovecs(in_place, buffers);
        return op;
    }

    const Handler& handler() const noexcept { return handler_; }

private:
    io_op(op_kind what, Handler& handler, const IoExecutor& executor)
        : operation(what, &io_op::end), work_(handler, executor), handler_(std::move(handler)) {}

    ~io_op() = default;

    handler_allocator allocator() const noexcept {
        return boost::asio::get_associated_allocator(handler_, default_allocator());
    }

    template <typename BufferSequence>
    void assign_iovecs(const small_iovecs<Room>& in_place, const BufferSequence& buffers) {
        if (in_place.fits()) {
            std::copy_n(in_place.data(), in_place.buffers(), in_place_);
        } else {
            rebound<iovec> memory(allocator());
            all_iovecs_ = memory.allocate(in_place.buffers());
            allocated_ = in_place.buffers();
            for_each_iovec(
                buffers, in_place.bytes(), [next = all_iovecs_](const iovec& one) mutable { *next++ = one; });
        }
        iovecs = all_iovecs_;
        iovec_count = unsigned(in_place.buffers());
    }

    /// `allocator` is a copy that outlives the handler of `op`.
    static void destroy(io_op* op, const handler_allocator& allocator) noexcept {
        if (op->allocated_ != 0)
            rebound<iovec>(allocator).deallocate(op->all_iovecs_, op->allocated_);
        op->~io_op();
        rebound<io_op>(allocator).deallocate(op, 1);
    }

    static void end(operation* base, fate how) {
        io_op* op = static_cast<io_op*>(base);
        const transfer_result result = to_transfer(*op);
        // Free, then call: the handler may start the next operation, which finds this memory in its allocator again;
        // and the handler may be what owns that memory, so it is moved out first and outlives the operation here.
        const handler_work<Handler, IoExecutor> work(std::move(op->work_));
        Handler handler(std::move(op->handler_));
        destroy(op, boost::asio::get_associated_allocator(handler, default_allocator()));
        if (how == fate::complete)
            work.submit(
                bound_handler<Handler, error_code, std::size_t>(std::move(handler), result.error, result.bytes));
    }

    handler_work<Handler, IoExecutor> work_;
    Handler handler_;
    iovec* all_iovecs_ = in_place_;
    std::size_t allocated_ = 0;
    iovec in_place_[Room];
};

} // namespace asio_aio::detail
