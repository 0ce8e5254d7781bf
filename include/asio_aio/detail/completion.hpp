// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/context_executor.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 102800 // Boost 1.82
# include <boost/asio/associated_immediate_executor.hpp>
#endif

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

/// How a result reaches its handler: by one submission to one executor.
namespace asio_aio::detail {

/// The memory of an operation and of its submission, where the handler brings no allocator of its
/// own.
using default_allocator = boost::asio::recycling_allocator<void>;

/// A handler with its arguments. It has an allocator, and no executor of its own: it is submitted
/// where it belongs.
template <typename Handler, typename... Args>
class bound_handler {
public:
    using allocator_type = boost::asio::associated_allocator_t<Handler, default_allocator>;

    explicit bound_handler(Handler&& handler, Args... args)
        : handler_(std::move(handler)), args_(std::move(args)...) {}

    allocator_type get_allocator() const noexcept {
        return boost::asio::get_associated_allocator(handler_, default_allocator());
    }

    void operator()() { std::apply(std::move(handler_), std::move(args_)); }

private:
    Handler handler_;
    std::tuple<Args...> args_;
};

/// Calls `visit` with `executor`, or with the usual executor that a type-erased one holds: that
/// saves an allocation for each property that is asked of it.
template <typename Executor, typename Visitor>
void with_concrete_executor(const Executor& executor, Visitor visit) {
    if constexpr (std::is_base_of_v<boost::asio::any_io_executor, Executor>) {
        // The type-erased executor allocates for each function beyond the second that is submitted
        // to it.
        using boost::asio::strand;
        if (const auto* concrete =
                executor.template target<boost::asio::io_context::executor_type>())
            return visit(*concrete);
        if (const auto* concrete =
                executor.template target<strand<boost::asio::io_context::executor_type>>())
            return visit(*concrete);
        if (const auto* concrete = executor.template target<strand<boost::asio::any_io_executor>>())
            return visit(*concrete);
        if (const auto* concrete =
                executor.template target<strand<boost::asio::thread_pool::executor_type>>())
            return visit(*concrete);
    }
    visit(executor);
}

/// Submits from inside an initiating function: at once visible to every thread that runs the
/// context.
template <typename Executor, typename Function>
void post_to(const Executor& executor, Function&& function) {
    with_concrete_executor(executor, [&](const auto& concrete) {
        boost::asio::post(concrete, std::forward<Function>(function));
    });
}

/// Submits from the service's own work, which ends right after: the context may hold it back until
/// then, without locking.
template <typename Executor, typename Function>
void defer_to(const Executor& executor, Function&& function) {
    with_concrete_executor(executor, [&](const auto& concrete) {
        boost::asio::defer(concrete, std::forward<Function>(function));
    });
}

#if BOOST_ASIO_VERSION >= 102800
/// Whether the handler brings an immediate executor, and not only the default one.
template <typename Handler>
inline constexpr bool has_immediate_executor = !std::is_same_v<
    boost::asio::associated_immediate_executor_t<Handler, boost::asio::system_executor>,
    boost::asio::associated_immediate_executor_t<void (*)(), boost::asio::system_executor>>;
#else
template <typename Handler>
inline constexpr bool has_immediate_executor = false;
#endif

template <typename Executor>
auto track_work(const Executor& executor) {
    if constexpr (boost::asio::execution::is_executor<Executor>::value)
        return boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
    else // an executor of the Networking TS, as io_context::strand
        return boost::asio::executor_work_guard<Executor>(executor);
}

template <typename Executor>
using tracked_work = decltype(track_work(std::declval<const Executor&>()));

/// Outstanding work on an executor's context.
template <typename Executor, typename = void>
class outstanding_work {
public:
    explicit outstanding_work(const Executor& executor) : work_(track_work(executor)) {}

private:
    tracked_work<Executor> work_;
};

/// The same for type-erased executors and strands: asked of them, it could allocate, so it is asked
/// of the context's own executor where that is known.
template <typename Executor>
class outstanding_work<
    Executor,
    std::enable_if_t<
        is_strand<Executor>::value || std::is_base_of_v<boost::asio::any_io_executor, Executor>>> {
    using io_context_executor = boost::asio::io_context::executor_type;
    using thread_pool_executor = boost::asio::thread_pool::executor_type;

public:
    explicit outstanding_work(const Executor& executor) {
        const native_executor native = find_native_executor(executor);
        if (const auto* io = std::get_if<io_context_executor>(&native))
            work_.template emplace<1>(track_work(*io));
        else if (const auto* pool = std::get_if<thread_pool_executor>(&native))
            work_.template emplace<2>(track_work(*pool));
        else
            work_.template emplace<3>(track_work(executor));
    }

private:
    std::variant<
        std::monostate, tracked_work<io_context_executor>, tracked_work<thread_pool_executor>,
        tracked_work<Executor>>
        work_;
};

template <typename Executor, typename IoExecutor>
bool is_same_executor(
    [[maybe_unused]] const Executor& executor,
    [[maybe_unused]] const IoExecutor& io_executor) noexcept {
    if constexpr (std::is_same_v<Executor, IoExecutor>)
        return executor == io_executor;
    else
        return false;
}

/// Executors that need no look at what they are: a function that is posted to them runs on their
/// context.
template <typename Executor>
inline constexpr bool is_usual_executor =
    std::is_constructible_v<native_executor, const Executor&> || is_strand<Executor>::value ||
    std::is_base_of_v<boost::asio::any_io_executor, Executor>;

/// Executors by type to which a function can be submitted so that it never runs inside the
/// submission.
template <typename Executor>
// Networking TS
inline constexpr bool can_be_posted_to = !boost::asio::execution::is_executor<Executor>::value ||
    boost::asio::can_require_v<Executor, boost::asio::execution::blocking_t::never_t>;

/// Executors that call a function where they are given it, and nothing else. An operation on such
/// an executor ends in a round of the service.
template <typename Executor>
inline constexpr bool is_inline_executor =
    !is_usual_executor<Executor> && !can_be_posted_to<Executor>;

/// Whether the executor is of the system context: `use_future`'s is, and runs a function where it
/// is dispatched; posting to it would take a thread of the system's, and `run` would return before
/// the future is ready.
template <typename Executor>
bool is_of_system_context(const Executor& executor) noexcept {
    namespace asio = boost::asio;
    if constexpr (asio::can_query_v<Executor, asio::execution::context_t>) {
        const asio::execution_context& context = asio::query(executor, asio::execution::context);
        return &context == &asio::query(asio::system_executor(), asio::execution::context);
    } else {
        return false;
    }
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

    void operator()() { boost::asio::dispatch(executor_, std::move(function_)); }

private:
    Executor executor_;
    outstanding_work<Executor> work_; // until it is there
    Function function_;
};

/// Has the function dispatched to its executor from the file's context, which `native` is an
/// executor of where it is known.
template <
    typename Native, typename Executor, typename IoExecutor, typename Function, typename Submit>
void route_through(
    [[maybe_unused]] const Native& native, const Executor& executor,
    [[maybe_unused]] const IoExecutor& io_executor, Function&& function,
    [[maybe_unused]] Submit submit) {
    constexpr bool is_unknown = std::is_same_v<Native, std::monostate>;
    if constexpr (is_unknown && is_inline_executor<IoExecutor>)
        boost::asio::dispatch(executor, std::move(function));
    else if constexpr (is_unknown)
        submit(io_executor, dispatched<Executor, Function>(executor, std::move(function)));
    else
        submit(native, dispatched<Executor, Function>(executor, std::move(function)));
}

/// Calls `submit(executor, function)` with where the function goes first: its executor, or the
/// file's context. Where the file's executor is an inline one, the function may be called here
/// instead.
template <typename Executor, typename IoExecutor, typename Function, typename Submit>
void route(
    const Executor& executor, [[maybe_unused]] const IoExecutor& io_executor, Function&& function,
    Submit submit) {
    if constexpr (is_usual_executor<Executor>) {
        submit(executor, std::move(function));
    } else {
        if constexpr (can_be_posted_to<Executor>)
            if (is_same_executor(executor, io_executor) || !is_of_system_context(executor))
                return submit(executor, std::move(function));
        // To the context itself, since the file's executor may be a strand that is busy.
        const auto choose = [&](const auto& native) {
            route_through(native, executor, io_executor, std::move(function), submit);
        };
        std::visit(choose, find_native_executor(io_executor));
    }
}

/// Ends an operation inside its initiating function, by the handler's immediate executor where it
/// has one, else by posting.
template <typename Handler, typename IoExecutor, typename... Args>
void complete_at_start(Handler& handler, const IoExecutor& io_executor, Args... args) {
    using function = bound_handler<Handler, Args...>;
#if BOOST_ASIO_VERSION >= 102800
    if constexpr (has_immediate_executor<Handler>) {
        const auto immediate = boost::asio::get_associated_immediate_executor(handler, io_executor);
        return boost::asio::dispatch(immediate, function(std::move(handler), std::move(args)...));
    }
#endif
    const auto executor = boost::asio::get_associated_executor(handler, io_executor);
    route(
        executor, io_executor, function(std::move(handler), std::move(args)...),
        [](const auto& to, auto&& unit) { post_to(to, std::move(unit)); });
}

/// The executor that a handler is submitted to, and the outstanding work of its operation there and
/// on the file's.
template <typename Handler, typename IoExecutor>
class handler_work {
public:
    handler_work(const Handler& handler, const IoExecutor& io_executor)
        : executor_(boost::asio::get_associated_executor(handler, io_executor)),
          io_executor_(io_executor),
          io_work_(io_executor) {
        if (!is_same_executor(executor_, io_executor_))
            work_.emplace(executor_);
    }

    /// Whether functions that are submitted are submitted first to a usual executor.
    static constexpr bool is_usual =
        is_usual_executor<boost::asio::associated_executor_t<Handler, IoExecutor>>;

    /// Whether `submit` may call the function.
    static constexpr bool runs_inline() noexcept {
        return is_inline_executor<IoExecutor> && !is_usual;
    }

    template <typename Function>
    void submit(Function&& function) const {
        route(executor_, io_executor_, std::move(function), [](const auto& to, auto&& unit) {
            defer_to(to, std::move(unit));
        });
    }

private:
    using executor_type = boost::asio::associated_executor_t<Handler, IoExecutor>;

    executor_type executor_;
    IoExecutor io_executor_;
    outstanding_work<IoExecutor> io_work_;
    /// Where the handler's executor is not the file's.
    std::optional<outstanding_work<executor_type>> work_;
};

} // namespace asio_aio::detail
