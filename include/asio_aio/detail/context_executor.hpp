// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>

#include <type_traits>
#include <utility>
#include <variant>

/// Executors on which the service runs its own work, whatever executors the user's files have.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// An executor of any execution context that calls a function in place. The service's I/O objects
/// use it.
/**
 * Asio's reactor completes their operations on a thread that runs the context already.
 */
class context_executor {
public:
    explicit context_executor(net::execution_context& context) noexcept : context_(&context) {}

    net::execution_context& query(net::execution::context_t) const noexcept { return *context_; }

    template <typename Function>
    void execute(Function&& function) const {
        std::decay_t<Function> owned(std::forward<Function>(function));
        owned();
    }

    friend bool operator==(const context_executor& a, const context_executor& b) noexcept {
        return a.context_ == b.context_;
    }
    friend bool operator!=(const context_executor& a, const context_executor& b) noexcept {
        return !(a == b);
    }

private:
    net::execution_context* context_;
};

/// The executor of the context itself; empty if the type of the context is unknown.
using native_executor = std::variant<
    std::monostate, net::io_context::executor_type, net::thread_pool::executor_type,
    net::system_executor>;

/// True if the caller is on a thread that runs the context; false if this is unknown.
inline bool runs_in_this_thread(const native_executor& executor) noexcept {
    if (const auto* one = std::get_if<net::io_context::executor_type>(&executor))
        return one->running_in_this_thread();
    if (const auto* one = std::get_if<net::thread_pool::executor_type>(&executor))
        return one->running_in_this_thread();
    return false;
}

template <typename Inner>
Inner behind_strand(const net::strand<Inner>& executor) {
    return executor.get_inner_executor();
}

/// True for strands and for classes derived from a strand, which `as_default_on` creates.
template <typename Executor, typename = void>
struct is_strand : std::false_type {};
template <typename Executor>
struct is_strand<Executor, std::void_t<decltype(behind_strand(std::declval<const Executor&>()))>>
    : std::true_type {};

template <typename Strand>
using behind_strand_t = decltype(behind_strand(std::declval<const Strand&>()));

/// Finds the executor of the context behind type erasure, and behind a strand in it.
inline native_executor find_native_target(const net::any_io_executor& executor) {
    if (const auto* io = executor.target<net::io_context::executor_type>())
        return *io;
    if (const auto* strand = executor.target<net::strand<net::io_context::executor_type>>())
        return strand->get_inner_executor();
    if (const auto* strand = executor.target<net::strand<net::any_io_executor>>())
        return find_native_target(strand->get_inner_executor());
    if (const auto* pool = executor.target<net::thread_pool::executor_type>())
        return *pool;
    if (const auto* strand = executor.target<net::strand<net::thread_pool::executor_type>>())
        return strand->get_inner_executor();
    if (const auto* system = executor.target<net::system_executor>())
        return *system;
    if (const auto* strand = executor.target<net::strand<net::system_executor>>())
        return strand->get_inner_executor();
    return {};
}

/// Finds the executor of the context itself, behind strands and behind type erasure. A strand may
/// be busy when its context is not.
template <typename Executor>
native_executor find_native_executor(const Executor& executor) {
    if constexpr (std::is_constructible_v<native_executor, const Executor&>)
        return executor;
    else if constexpr (is_strand<Executor>::value)
        return find_native_executor(behind_strand(executor));
    else if constexpr (std::is_base_of_v<net::any_io_executor, Executor>)
        return find_native_target(executor);
    else
        return {};
}

/// Calls `visit` with the executor; returns false if it is empty.
template <typename Visitor>
bool visit_native(const native_executor& executor, Visitor visit) {
    if (const auto* io = std::get_if<net::io_context::executor_type>(&executor))
        visit(*io);
    else if (const auto* pool = std::get_if<net::thread_pool::executor_type>(&executor))
        visit(*pool);
    else if (const auto* system = std::get_if<net::system_executor>(&executor))
        visit(*system);
    else
        return false;
    return true;
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
