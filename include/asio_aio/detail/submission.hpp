// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/execution/allocator.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution/relationship.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <type_traits>
#include <utility>

/// How a function is submitted to an executor.
namespace asio_aio::detail {

/// Asio's property `relationship`, in which `post` and `defer` differ.
enum class submission : unsigned char {
    /// From an initiating function: every thread that runs the context sees the function at once.
    fork,
    /// From the service's own work, which ends soon: the context may hold the function back until
    /// then, without locking.
    continuation
};

/// As `asio::post` or `asio::defer`, chosen at run time. The compiler then makes one copy of the
/// executor's code, not two.
template <typename Executor, typename Function>
void submit_to_concrete(const Executor& executor, submission how, Function&& function) {
    namespace asio = boost::asio;
    namespace execution = boost::asio::execution;
    const auto never = asio::require(executor, execution::blocking.never);
    const execution::allocator_t<typename Function::allocator_type> with_allocator =
        execution::allocator(function.get_allocator());
    using forked = std::decay_t<decltype(asio::prefer(never, execution::relationship.fork))>;
    using continued =
        std::decay_t<decltype(asio::prefer(never, execution::relationship.continuation))>;
    if constexpr (std::is_same_v<forked, continued>) {
        const forked related = how == submission::fork
            ? asio::prefer(never, execution::relationship.fork)
            : asio::prefer(never, execution::relationship.continuation);
        asio::prefer(related, with_allocator).execute(std::move(function));
    } else if (how == submission::fork) {
        asio::prefer(never, execution::relationship.fork, with_allocator)
            .execute(std::move(function));
    } else {
        asio::prefer(never, execution::relationship.continuation, with_allocator)
            .execute(std::move(function));
    }
}

/// Submits to the known executor inside a type-erased one, or else to the type-erased one.
/**
 * The type-erased executor would allocate for each required property, and for each submitted
 * function after the second one.
 */
template <typename Function>
void submit_to_any(
    const boost::asio::any_io_executor& executor, submission how, Function&& function) {
    namespace asio = boost::asio;
    if (const auto* one = executor.target<asio::io_context::executor_type>())
        return submit_to_concrete(*one, how, std::move(function));
    if (const auto* one = executor.target<asio::strand<asio::io_context::executor_type>>())
        return submit_to_concrete(*one, how, std::move(function));
    if (const auto* one = executor.target<asio::strand<asio::any_io_executor>>())
        return submit_to_concrete(*one, how, std::move(function));
    if (const auto* one = executor.target<asio::strand<asio::thread_pool::executor_type>>())
        return submit_to_concrete(*one, how, std::move(function));
    submit_to_concrete(executor, how, std::move(function));
}

/// Submits `function`, which has an allocator and no associated executor. If the executor can
/// promise so, the function does not run inside this call.
template <typename Executor, typename Function>
void submit_to(const Executor& executor, submission how, Function&& function) {
    if constexpr (std::is_base_of_v<boost::asio::any_io_executor, Executor>)
        submit_to_any(executor, how, std::move(function));
    else if constexpr (boost::asio::execution::is_executor<Executor>::value)
        submit_to_concrete(executor, how, std::move(function));
    else if (how == submission::fork) // an executor of the Networking TS, as io_context::strand
        boost::asio::post(executor, std::move(function));
    else
        boost::asio::defer(executor, std::move(function));
}

} // namespace asio_aio::detail
