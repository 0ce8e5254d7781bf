// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/completion.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/detail/delivery.hpp>
#include <asio_aio/detail/on_failure.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// An asynchronous call in flight: the operation, its handler, and the outstanding work on both
/// executors.
/**
 * The handler's allocator provides the memory.
 *
 * @tparam Result The part that differs between kinds of calls; each operation has one as a member.
 *                `arguments(operation)` returns a tuple of the handler's arguments.
 *                `release(allocator)` frees what `Result` allocated.
 */
template <typename Handler, typename IoExecutor, typename Result>
class async_op final : public delivered_operation {
    using handler_allocator = net::associated_allocator_t<Handler, default_allocator>;
    using work_type = handler_work<Handler, IoExecutor>;
    using own_allocator =
        typename std::allocator_traits<handler_allocator>::template rebind_alloc<async_op>;

    struct deleter {
        void operator()(async_op* op) const noexcept { free(op); }
    };

public:
    using pointer = std::unique_ptr<async_op, deleter>;

    static pointer create(op_kind what, Handler& handler) {
        own_allocator memory(net::get_associated_allocator(handler, default_allocator()));
        async_op* const raw = memory.allocate(1);
        on_failure unused([&] { memory.deallocate(raw, 1); });
        new (raw) async_op(what, handler);
        unused.success();
        return pointer(raw);
    }

    /// Counts the operation as work of both executors.
    /**
     * Call it last in an initiation, because nothing may throw after it. If the count went back to
     * zero, a context without other work would stop.
     */
    void begin_work(const IoExecutor& executor) {
        work_.emplace(handler_, executor);
        runs_inline = work_->runs_inline();
    }

    Result& result_part() noexcept { return result_; }
    const Handler& handler() const noexcept { return handler_; }
    handler_allocator allocator() const noexcept {
        return net::get_associated_allocator(handler_, default_allocator());
    }

    /// Submits the handler of an operation that got its result inside its initiating function.
    static void post(pointer op) {
        operation* owner = op.release();
        on_failure undelivered([&] {
            if (owner)
                owner->discard();
        });
        submit_as(submission::fork, *owner, owner);
        undelivered.success();
    }

private:
    async_op(op_kind what, Handler& handler)
        : delivered_operation(what, its_steps), handler_(std::move(handler)) {}

    ~async_op() = default;

    /// Destroys the handler last, because the handler may own the memory.
    static void free(async_op* op) noexcept {
        [[maybe_unused]] const std::optional<work_type> work(std::move(op->work_));
        if (const std::optional<Handler> handler = take(op->handler_))
            destroy(op, net::get_associated_allocator(*handler, default_allocator()));
        else
            destroy(op, op->allocator());
    }

    /// Moves the handler. Returns nothing if its move constructor throws.
    static std::optional<Handler> take(Handler& handler) noexcept {
#if defined(__cpp_exceptions)
        try {
            return std::optional<Handler>(std::in_place, std::move(handler));
        } catch (...) {
            return std::nullopt;
        }
#else
        return std::optional<Handler>(std::in_place, std::move(handler));
#endif
    }

    /// `allocator` is a copy that outlives the handler of `op`.
    static void destroy(async_op* op, const handler_allocator& allocator) noexcept {
        op->result_.release(allocator);
        op->~async_op();
        own_allocator(allocator).deallocate(op, 1);
    }

    static void complete(operation& base, operation*& owner) {
        submit_as(submission::continuation, base, owner);
    }

    static void destroy_unused(operation& base) noexcept {
        free(&static_cast<async_op&>(base));
    }

    /// Submits to the executor. The operation lives until its handler is called, so nothing is lost
    /// if the executor throws.
    static void submit_as(submission how, operation& base, operation*& owner) {
        auto& self = static_cast<async_op&>(base);
        // The work ends here, before the handler is called: the handler may belong to a context
        // that runs later.
        work_type work(std::move(*self.work_));
        handing_over now(owner);
        on_failure thrown([&] {
            if (now.failed())
                self.work_.emplace(std::move(work));
        });
        if constexpr (work_type::is_usual)
            work.submit(how, self.runs_inline, delivery(self));
        else
            work.submit(
                how, self.runs_inline,
                delivery_by_allocator<handler_allocator>(self, self.allocator()));
        thrown.success();
        now.done();
    }

    /// Free, then call. The handler may start the next operation, which then reuses this memory.
    /// Also, the handler may own the memory.
    static void call(delivered_operation& base) {
        pointer self(&static_cast<async_op&>(base));
        auto arguments = Result::arguments(*self);
        Handler handler(std::move(self->handler_));
        destroy(self.release(), net::get_associated_allocator(handler, default_allocator()));
        std::apply(std::move(handler), std::move(arguments));
    }

    static constexpr steps its_steps{
        {&async_op::complete, &async_op::destroy_unused}, &async_op::call};

    Handler handler_;
    std::optional<work_type> work_;
    Result result_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
