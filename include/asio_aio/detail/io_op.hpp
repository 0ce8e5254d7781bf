// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/completion.hpp>
#include <asio_aio/detail/delivery.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/iovecs.hpp>
#include <asio_aio/detail/core/operation.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace asio_aio::detail {

/// A read or write in flight: the operation, its handler, and the work that keeps both executors' contexts running.
/**
 * Made and freed with the handler's allocator. `Room` iovecs are part of it; more come from the same allocator.
 */
template <typename Handler, typename IoExecutor, std::size_t Room>
class io_op final : public operation {
    using handler_allocator = boost::asio::associated_allocator_t<Handler, default_allocator>;
    using work_type = handler_work<Handler, IoExecutor>;

    template <typename T>
    using rebound = typename std::allocator_traits<handler_allocator>::template rebind_alloc<T>;

    struct deleter {
        void operator()(io_op* op) const noexcept { free(op); }
    };

public:
    using pointer = std::unique_ptr<io_op, deleter>;
    using delivery_type = delivery<io_op, handler_allocator, work_type::is_usual>;

    /// `in_place` are the iovecs of `buffers`, as many as there is room for.
    template <typename BufferSequence>
    static pointer create(
        op_kind what, Handler& handler, const small_iovecs<Room>& in_place, const BufferSequence& buffers) {
        rebound<io_op> memory(boost::asio::get_associated_allocator(handler, default_allocator()));
        io_op* raw = memory.allocate(1);
        try {
            new (raw) io_op(what, handler);
        } catch (...) {
            memory.deallocate(raw, 1);
            throw;
        }
        pointer op(raw);
        op->assign_iovecs(in_place, buffers);
        return op;
    }

    /// Counts the operation as work of both executors. The last step of an initiation that may throw: a count that is
    /// taken back would stop a context that has nothing else to do yet.
    void begin_work(const IoExecutor& executor) {
        work_.emplace(handler_, executor);
        runs_inline = work_->runs_inline();
    }

    const Handler& handler() const noexcept { return handler_; }
    handler_allocator allocator() const noexcept {
        return boost::asio::get_associated_allocator(handler_, default_allocator());
    }

    /// The operation's turn on the executor. Free, then call: the handler may start the next operation, which finds this
    /// memory in its allocator again; and the handler may be what owns that memory.
    void call_handler() {
        pointer self(this);
        transfer_result answer = to_transfer(*this);
        Handler handler(std::move(handler_));
        destroy(self.release(), boost::asio::get_associated_allocator(handler, default_allocator()));
        std::move(handler)(std::move(answer.error), std::move(answer.bytes));
    }

private:
    io_op(op_kind what, Handler& handler) : operation(what, ends), handler_(std::move(handler)) {}

    ~io_op() = default;

    template <typename BufferSequence>
    void assign_iovecs(const small_iovecs<Room>& in_place, const BufferSequence& buffers) {
        iovecs = in_place_;
        iovec_count = unsigned(in_place.buffers());
        if (in_place.fits()) {
            std::copy_n(in_place.data(), in_place.buffers(), in_place_);
            return;
        }
        iovecs = rebound<iovec>(allocator()).allocate(in_place.buffers());
        in_place_[0] = {iovecs, in_place.buffers()}; // what is to be freed; the place has no other use now
        has_own_iovecs = true;
        for_each_iovec(buffers, in_place.bytes(), [next = iovecs](const iovec& one) mutable { *next++ = one; });
    }

    /// Destroys the handler last: it may be what owns the memory.
    static void free(io_op* op) noexcept {
        [[maybe_unused]] const std::optional<work_type> work(std::move(op->work_));
        try {
            Handler handler(std::move(op->handler_));
            destroy(op, boost::asio::get_associated_allocator(handler, default_allocator()));
        } catch (...) { // it refuses to be moved
            destroy(op, op->allocator());
        }
    }

    /// `allocator` is a copy that outlives the handler of `op`.
    static void destroy(io_op* op, const handler_allocator& allocator) noexcept {
        if (op->has_own_iovecs)
            rebound<iovec>(allocator).deallocate(static_cast<iovec*>(op->in_place_->iov_base), op->in_place_->iov_len);
        op->~io_op();
        rebound<io_op>(allocator).deallocate(op, 1);
    }

    /// Submits to the executor. The operation lives until its handler is called there, so an exception loses nothing.
    static void submit(operation& base, operation*& owner) {
        auto& self = static_cast<io_op&>(base);
        // The work ends with the submission and not with the handler, which may belong to a context that runs later.
        work_type work(std::move(*self.work_));
        handing_over now(owner);
        try {
            work.submit(delivery_type(self));
        } catch (...) {
            if (now.failed())
                self.work_.emplace(std::move(work));
            throw;
        }
        now.done();
    }

    static void destroy_unused(operation& base) noexcept { free(&static_cast<io_op&>(base)); }

    static constexpr operation::fates ends{&io_op::submit, &io_op::destroy_unused};

    Handler handler_;
    std::optional<work_type> work_;
    iovec in_place_[Room];
};

} // namespace asio_aio::detail
