// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/async_op.hpp>
#include <asio_aio/detail/cancel_by_name.hpp>
#include <asio_aio/detail/completion.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/file_service.hpp>

#include <cstdint>
#include <utility>

/// The last steps of every initiating function.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// The result of an operation that no engine got.
struct found_result {
    found_result(int value, std::uint64_t size = 0) noexcept : result(value), length(size) {}

    int result;           ///< As `operation::result`.
    std::uint64_t length; ///< As `operation::length`.
};

/// Ends an operation of type `Op` inside its initiating function, without calling the handler
/// there.
/**
 * @param found What an engine would give to the operation.
 * @param args  The arguments of the handler.
 */
template <typename Op, typename Executor, typename Handler, typename... Args>
void end_at_start(
    file_service& service, const Executor& executor, op_kind kind, Handler& handler,
    const found_result& found, const Args&... args) {
    if (submit_immediately(handler, executor, args...))
        return;
    if (submit_without_operation(
            net::get_associated_executor(handler, executor), executor, handler, args...))
        return;
    using work_type = handler_work<Handler, Executor>;
    if (work_type::runs_inline(net::get_associated_executor(handler, executor), executor)) {
        [[maybe_unused]] const int failed = service.prepare();
        if constexpr (is_inline_executor<Executor>)
            throw_if(to_error(failed), "eventfd (needed because the executor calls in place)");
    }
    auto op = Op::create(kind, handler);
    op->length = found.length;
    op->take_result(found.result);
    op->counted = true;
    op->begin_work(executor);
    if (op->runs_inline) // nothing can be posted to this executor: a round delivers it
        service.start_finished(op.release());
    else
        Op::post(std::move(op));
}

/// Starts an operation that needs nothing but its cancellation slot.
template <typename Pointer, typename Executor>
void launch(file_service& service, const Executor& executor, Pointer op) {
    auto slot = net::get_associated_cancellation_slot(op->handler());
    if (slot.is_connected()) {
        cancel_registration registration(*service.gate(), *op);
        slot.template emplace<cancel_by_name>(service.gate(), registration.name());
        op->begin_work(executor);
        registration.keep();
    } else {
        op->begin_work(executor);
    }
    service.start(op.release());
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
