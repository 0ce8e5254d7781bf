// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>

#include <type_traits>
#include <utility>

/// How a function is submitted to an executor.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

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
    namespace execution = net::execution;
    const auto never = net::require(executor, execution::blocking.never);
    const execution::allocator_t<typename Function::allocator_type> with_allocator =
        execution::allocator(function.get_allocator());
    using forked = std::decay_t<decltype(net::prefer(never, execution::relationship.fork))>;
    using continued =
        std::decay_t<decltype(net::prefer(never, execution::relationship.continuation))>;
    if constexpr (std::is_same_v<forked, continued>) {
        const forked related = how == submission::fork
            ? net::prefer(never, execution::relationship.fork)
            : net::prefer(never, execution::relationship.continuation);
        net::prefer(related, with_allocator).execute(std::move(function));
    } else if (how == submission::fork) {
        net::prefer(never, execution::relationship.fork, with_allocator)
            .execute(std::move(function));
    } else {
        net::prefer(never, execution::relationship.continuation, with_allocator)
            .execute(std::move(function));
    }
}

/// Submits to the known executor inside a type-erased one, or else to the type-erased one.
/**
 * The type-erased executor would allocate for each required property, and for each submitted
 * function after the second one.
 */
template <typename Function>
void submit_to_any(const net::any_io_executor& executor, submission how, Function&& function) {
    if (const auto* one = executor.target<net::io_context::executor_type>())
        return submit_to_concrete(*one, how, std::move(function));
    if (const auto* one = executor.target<net::strand<net::io_context::executor_type>>())
        return submit_to_concrete(*one, how, std::move(function));
    if (const auto* one = executor.target<net::strand<net::any_io_executor>>())
        return submit_to_concrete(*one, how, std::move(function));
    if (const auto* one = executor.target<net::strand<net::thread_pool::executor_type>>())
        return submit_to_concrete(*one, how, std::move(function));
    submit_to_concrete(executor, how, std::move(function));
}

/// Submits `function`, which has an allocator and no associated executor. If the executor can
/// promise so, the function does not run inside this call.
template <typename Executor, typename Function>
void submit_to(const Executor& executor, submission how, Function&& function) {
    if constexpr (std::is_base_of_v<net::any_io_executor, Executor>)
        submit_to_any(executor, how, std::move(function));
    else if constexpr (net::execution::is_executor<Executor>::value)
        submit_to_concrete(executor, how, std::move(function));
    else if (how == submission::fork) // an executor of the Networking TS, as io_context::strand
        net::post(executor, std::move(function));
    else
        net::defer(executor, std::move(function));
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
