// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/context_executor.hpp>
#include <asio_aio/detail/outstanding_work.hpp>
#include <asio_aio/detail/submission.hpp>

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

/// How a handler is submitted to its executor.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// Provides the memory of an operation and its submission if the handler brings no allocator.
using default_allocator = net::recycling_allocator<void>;

/// A handler with its arguments. It has an allocator, but no associated executor, so an executor
/// calls it directly.
template <typename Handler, typename... Args>
class bound_handler {
public:
    using allocator_type = net::associated_allocator_t<Handler, default_allocator>;

    explicit bound_handler(Handler&& handler, Args... args)
        : handler_(std::move(handler)), args_(std::move(args)...) {}

    allocator_type get_allocator() const noexcept {
        return net::get_associated_allocator(handler_, default_allocator());
    }

    void operator()() { std::apply(std::move(handler_), std::move(args_)); }

private:
    Handler handler_;
    std::tuple<Args...> args_;
};

#if ASIO_AIO_ASIO_VERSION >= 102800
/// True if the handler brings its own immediate executor.
template <typename Handler>
inline constexpr bool has_immediate_executor = !std::is_same_v<
    net::associated_immediate_executor_t<Handler, net::system_executor>,
    net::associated_immediate_executor_t<void (*)(), net::system_executor>>;
#else
template <typename Handler>
inline constexpr bool has_immediate_executor = false;
#endif

template <typename Executor, typename IoExecutor>
bool is_same_executor(
    [[maybe_unused]] const Executor& executor,
    [[maybe_unused]] const IoExecutor& io_executor) noexcept {
    if constexpr (std::is_same_v<Executor, IoExecutor>)
        return executor == io_executor;
    else
        return false;
}

/// True for executor types of a context that the program itself runs.
template <typename Executor>
inline constexpr bool is_native_executor =
    std::is_constructible_v<native_executor, const Executor&> &&
    !std::is_base_of_v<net::system_executor, Executor>;

/// True for executor types of Asio that free the memory of a function before they call it.
template <typename Executor>
inline constexpr bool is_usual_executor = is_native_executor<Executor> ||
    is_strand<Executor>::value || std::is_base_of_v<net::any_io_executor, Executor>;

/// True if the type of the executor promises that a submitted function is not called inside the
/// submission. The executors of the Networking TS are among them.
template <typename Executor>
inline constexpr bool can_be_posted_to = !net::execution::is_executor<Executor>::value ||
    net::can_require_v<Executor, net::execution::blocking_t::never_t>;

/// True for executors that only call a function in place. A round of the service calls the handlers
/// of such an executor.
template <typename Executor>
inline constexpr bool is_inline_executor =
    !is_usual_executor<Executor> && !can_be_posted_to<Executor>;

/// True if the executor belongs to the system context, as the executor of `use_future` does.
/**
 * A function that is posted there runs on a thread of the system context, and `run` may return
 * before. Asio's own operations dispatch the function on a thread of the file's context instead.
 */
template <typename Executor>
bool is_of_system_context([[maybe_unused]] const Executor& executor) noexcept {
    if constexpr (is_native_executor<Executor>) {
        return false;
    } else if constexpr (std::is_base_of_v<net::system_executor, Executor>) {
        return true;
    } else if constexpr (is_strand<Executor>::value) {
        return is_of_system_context(behind_strand(executor));
    } else if constexpr (std::is_base_of_v<net::any_io_executor, Executor>) {
        return std::holds_alternative<net::system_executor>(find_native_target(executor));
    } else if constexpr (net::can_query_v<Executor, net::execution::context_t>) {
        const net::execution_context& context = net::query(executor, net::execution::context);
        // The first query of a system executor starts the threads of the system context. Only the
        // executor of `use_future` and executors of users' own types get here, unless they are the
        // file's.
        return &context == &net::query(net::system_executor(), net::execution::context);
    } else {
        return false;
    }
}

/// True if the executor belongs to the system context and is not the file's executor.
template <typename Executor, typename IoExecutor>
bool is_of_system_context_alone(const Executor& executor, const IoExecutor& io_executor) noexcept {
    if constexpr (std::is_base_of_v<net::any_io_executor, Executor>)
        if (executor.template target<net::io_context::executor_type>())
            return false; // the most frequent case needs no comparison
    return !is_same_executor(executor, io_executor) && is_of_system_context(executor);
}

/// A function that is dispatched to its executor from the file's context, as Asio's own operations
/// do it.
template <typename Executor, typename Function>
class dispatched {
public:
    using allocator_type = typename Function::allocator_type;

    dispatched(const Executor& executor, Function&& function)
        : executor_(executor), work_(executor), function_(std::move(function)) {}

    allocator_type get_allocator() const noexcept { return function_.get_allocator(); }

    void operator()() { net::dispatch(executor_, std::move(function_)); }

private:
    Executor executor_;
    outstanding_work<Executor> work_; // until the function is dispatched
    Function function_;
};

/// Submits the function to its executor, or to the file's context, which dispatches it to that
/// executor. If the file's executor is an inline one, the function may be called here.
template <typename Executor, typename IoExecutor, typename Function>
void route(
    const Executor& executor, [[maybe_unused]] const IoExecutor& io_executor, submission how,
    Function&& function) {
    if constexpr (can_be_posted_to<Executor>)
        if (!is_of_system_context_alone(executor, io_executor))
            return submit_to(executor, how, std::move(function));
    using carrier = dispatched<Executor, Function>;
    // To the context itself, since the file's executor may be a strand that is busy.
    const bool is_known = visit_native(find_native_executor(io_executor), [&](const auto& native) {
        submit_to(native, how, carrier(executor, std::move(function)));
    });
    if (is_known)
        return;
    if constexpr (is_inline_executor<IoExecutor>)
        net::dispatch(executor, std::move(function));
    else
        submit_to(io_executor, how, carrier(executor, std::move(function)));
}

/// The executor of a handler, and the outstanding work of its operation on that executor and on the
/// file's.
template <typename Handler, typename IoExecutor>
class handler_work {
public:
    handler_work(const Handler& handler, const IoExecutor& io_executor)
        : executor_(net::get_associated_executor(handler, io_executor)),
          io_executor_(io_executor),
          io_work_(io_executor) {
        if (!is_same_executor(executor_, io_executor_))
            work_.emplace(executor_);
    }

    /// True if `submit` gives the function directly to a usual executor.
    static constexpr bool is_usual =
        is_usual_executor<net::associated_executor_t<Handler, IoExecutor>>;

    /// True if `submit` may call the function.
    bool runs_inline() const noexcept { return runs_inline(executor_, io_executor_); }

    /// The same for a handler with this executor.
    static bool runs_inline(
        [[maybe_unused]] const net::associated_executor_t<Handler, IoExecutor>& executor,
        [[maybe_unused]] const IoExecutor& io_executor) noexcept {
        if constexpr (is_usual)
            return is_of_system_context_alone(executor, io_executor);
        else
            return is_inline_executor<IoExecutor>;
    }

    /// @param calls_here What `runs_inline` returned before.
    template <typename Function>
    void submit(submission how, [[maybe_unused]] bool calls_here, Function&& function) const {
        if constexpr (!is_usual)
            route(executor_, io_executor_, how, std::move(function));
        else if (calls_here)
            executor_.execute(std::move(function));
        else
            submit_to(executor_, how, std::move(function));
    }

private:
    using executor_type = net::associated_executor_t<Handler, IoExecutor>;

    executor_type executor_;
    IoExecutor io_executor_;
    outstanding_work<IoExecutor> io_work_;
    /// Set if the handler's executor is not the file's.
    std::optional<outstanding_work<executor_type>> work_;
};

/// Submits a handler without an operation, if its executor is the context's own or not a usual one.
/// Otherwise returns false and leaves the handler alone.
template <typename Executor, typename IoExecutor, typename Handler, typename... Args>
bool submit_without_operation(
    const Executor& executor, [[maybe_unused]] const IoExecutor& io_executor, Handler& handler,
    const Args&... args) {
    using io_context_executor = net::io_context::executor_type;
    using function = bound_handler<Handler, Args...>;
    if constexpr (is_native_executor<Executor>) {
        submit_to(executor, submission::fork, function(std::move(handler), args...));
        return true;
    } else if constexpr (std::is_base_of_v<net::any_io_executor, Executor>) {
        if (const auto* io = executor.template target<io_context_executor>()) {
            submit_to(*io, submission::fork, function(std::move(handler), args...));
            return true;
        }
    } else if constexpr (!is_usual_executor<Executor> && !is_inline_executor<IoExecutor>) {
        route(executor, io_executor, submission::fork, function(std::move(handler), args...));
        return true;
    }
    return false;
}

/// Submits a handler through its immediate executor; returns false if it has none.
template <typename Handler, typename IoExecutor, typename... Args>
bool submit_immediately(
    [[maybe_unused]] Handler& handler, [[maybe_unused]] const IoExecutor& io_executor,
    [[maybe_unused]] const Args&... args) {
#if ASIO_AIO_ASIO_VERSION >= 102800
    if constexpr (has_immediate_executor<Handler>) {
        const auto immediate = net::get_associated_immediate_executor(handler, io_executor);
        net::dispatch(immediate, bound_handler<Handler, Args...>(std::move(handler), args...));
        return true;
    }
#endif
    return false;
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
