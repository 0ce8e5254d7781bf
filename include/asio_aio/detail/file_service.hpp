// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/context_executor.hpp>
#include <asio_aio/detail/core/cancel_gate.hpp>
#include <asio_aio/detail/core/scheduler.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/handler_memory.hpp>
#include <asio_aio/detail/submission.hpp>

#include <sys/uio.h>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// The service of one execution context. It performs the actions of its scheduler with Asio.
/**
 * The scheduler decides when a round runs and when to wait for the engines' event. The service
 * posts the round, waits for the event, and submits the handlers of finished operations.
 */
class file_service final : public net::execution_context::service {
public:
    using key_type = file_service;
    static inline net::execution_context::id id;

    explicit file_service(net::execution_context& context)
        : service(context),
          gate_(std::make_shared<cancel_gate>(scheduler_)),
          wait_(context_executor(context)) {
        read_config(context);
    }

    detail::scheduler& scheduler() noexcept { return scheduler_; }

    /// Connects cancellation slots to operations.
    const std::shared_ptr<cancel_gate>& gate() const noexcept { return gate_; }

    /// Learns from the executor of a file how to post to the context. Uses the first executor that
    /// shows this.
    template <typename Executor>
    void learn_executor(const Executor& executor) {
        if (knows_executor_.load(std::memory_order_acquire))
            return;
        const native_executor found = find_native_executor(executor);
        if (std::holds_alternative<std::monostate>(found))
            return;
        const std::lock_guard<std::mutex> held(mutex_);
        if (knows_executor_.load(std::memory_order_relaxed))
            return;
        native_ = found;
        knows_executor_.store(true, std::memory_order_release);
        scheduler_.begin_to_post();
    }

    /// Makes the engines' event and prepares the wait for it, unless both exist. Never blocks.
    /// Returns 0 or -errno.
    /**
     * Does nothing after `shutdown`. A handler that is destroyed with the context may still open a
     * file and use it synchronously.
     */
    int prepare();

    /// Opens a file. Chooses and makes the engines if this is the first file.
    error_code open(const char* path, int flags, mode_t permissions, file_ref& file) {
        if (const error_code ec = make_engines())
            return ec;
        return to_error(scheduler_.open(path, flags, permissions, file));
    }

    /// Takes over a descriptor. On failure it stays the caller's.
    error_code assign(int descriptor, file_ref& file) {
        if (const error_code ec = make_engines())
            return ec;
        scheduler_.assign(descriptor, file);
        return {};
    }

    /// Registers memory with the engine of the context. Makes the engines if there are none. Throws
    /// std::bad_alloc.
    error_code register_memory(
        const iovec* memory, std::size_t count, registered_memory& registration) {
        if (const error_code ec = make_engines())
            return ec;
        registration = scheduler_.register_memory(memory, count);
        return {};
    }

    /// Takes over an operation. Its handler is submitted to its executor later, never inside this
    /// call. `prepare` was called before.
    void start(operation* op) noexcept {
        actions todo;
        if (scheduler_.start(*op, todo))
            perform(todo);
        else // after `stop`: a handler that was destroyed with the context started it
            op->discard();
    }

    /// Takes over an operation that closes a file, and the last use of the file object.
    void start_close(operation* op, file_ref& last_use) noexcept {
        actions todo;
        if (scheduler_.start_close(*op, last_use, todo))
            perform(todo);
        else
            op->discard();
    }

    /// Ends a turn that an initiating function took.
    void give_turn_back(file_handle& file) noexcept {
        actions todo;
        scheduler_.give_turn_back(file, todo);
        perform(todo);
    }

    /// Takes over an operation that has its result already. `prepare` was called before.
    void start_finished(operation* op) noexcept {
        actions todo;
        if (scheduler_.start_finished(*op, todo))
            perform(todo);
        else
            op->discard();
    }

private:
    struct round_handler;
    struct wait_handler;
    class round_in_progress;
    struct undelivered;

    void read_config(net::execution_context& context);

    // Declared inline, so that a program that only includes this header contains no code of them.
    inline void shutdown() override;
    inline void notify_fork(net::execution_context::fork_event event) override;
    error_code make_engines();
    void perform(const actions& todo);
    void arm_wait();
    void run_round(turn why);
    void deliver(round& now);
    void submit_round(submission how);

    detail::scheduler scheduler_;
    const std::shared_ptr<cancel_gate> gate_;
    std::atomic<bool> knows_executor_{false};
    native_executor native_; ///< Written once, before `knows_executor_`.
    const handler_memory_ptr round_memory_{new handler_memory};
    const handler_memory_ptr wait_memory_{new handler_memory};

    std::mutex mutex_; ///< Guards `wait_`, `shut_down_` and the learning of the executor.
    bool shut_down_ = false;
    net::posix::basic_stream_descriptor<context_executor>
        wait_; ///< The engines' event; the router closes it.
};

/// A posted round. The scheduler requests one at a time, so the service's memory is free for it.
struct file_service::round_handler {
    using allocator_type = handler_memory_allocator<void>;

    allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
    void operator()() const { self->run_round(turn::posted); }

    file_service* self;
    handler_memory* memory; // may outlive the service, as this handler may
};

struct file_service::wait_handler {
    using allocator_type = handler_memory_allocator<void>;
    // Asio requires it, but never uses it: the event is always a valid descriptor.
    using immediate_executor_type = context_executor;

    allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
    immediate_executor_type get_immediate_executor() const noexcept {
        return context_executor(self->context());
    }
    void operator()(const error_code&) const {
        self->run_round(turn::woken); // also after a fork cancelled the wait
    }

    file_service* self;
    handler_memory* memory; // may outlive the service, as this handler may
};

/// A round that has begun. The destructor gives operations that were not delivered back to the
/// scheduler.
class file_service::round_in_progress {
public:
    round_in_progress(file_service& service, turn why) : service_(service) {
        now.why = why;
        began = service.scheduler_.begin(now);
    }
    round_in_progress(const round_in_progress&) = delete;
    round_in_progress& operator=(const round_in_progress&) = delete;

    ~round_in_progress() {
        if (!began)
            return;
        if (!now.done.empty())
            service_.perform(service_.scheduler_.take_back(now));
        service_.scheduler_.end(); // last use of the service: its context may end now
    }

    round now;
    bool began;

private:
    file_service& service_;
};

/// The operation that is being delivered. If its executor throws, a later round delivers it again.
struct file_service::undelivered {
    explicit undelivered(op_queue& from) noexcept : queue(from), op(from.pop()) {}
    undelivered(const undelivered&) = delete;
    undelivered& operator=(const undelivered&) = delete;
    ~undelivered() {
        if (op)
            queue.push(op); // behind the others, because its executor may always throw
    }

    op_queue& queue;
    operation* op;
};

/// Reads asio_aio.engines and asio_aio.queue_depth, which Asio has from Boost 1.88 on.
inline void file_service::read_config([[maybe_unused]] net::execution_context& context) {
#if ASIO_AIO_ASIO_VERSION >= 103300
    constexpr std::size_t size = 256;
    char engines[size], depth[size];
    const auto& config = net::use_service<net::config_service>(context);
    scheduler_.set_config(
        config.get_value("asio_aio", "engines", engines, size),
        config.get_value("asio_aio", "queue_depth", depth, size));
#endif
}

inline int file_service::prepare() {
    const std::lock_guard<std::mutex> held(mutex_);
    if (shut_down_ || wait_.is_open())
        return 0;
    if (const int failed = scheduler_.open_event())
        return failed;
    error_code ec;
    wait_.assign(scheduler_.event_descriptor(), ec);
    return -ec.value();
}

/// Chooses and makes the engines if there are none. Does nothing after `shutdown`.
inline error_code file_service::make_engines() {
    if (const int failed = prepare())
        return to_error(failed);
    {
        const std::lock_guard<std::mutex> held(mutex_);
        if (shut_down_)
            return {};
    }
    return to_error(scheduler_.make_engines());
}

inline void file_service::perform(const actions& todo) {
    if (todo.arm_wait)
        arm_wait();
    if (todo.set_up)
        scheduler_.set_up_elsewhere();
    if (todo.run_round_here && runs_in_this_thread(native_))
        run_round(turn::lone_operation);
    else if (todo.run_round_here || todo.post_round)
        submit_round(submission::fork);
    else if (todo.defer_round)
        submit_round(submission::continuation);
}

inline void file_service::arm_wait() {
    const std::lock_guard<std::mutex> held(mutex_);
    wait_.async_wait(
        net::posix::descriptor_base::wait_read, wait_handler{this, wait_memory_.get()});
}

inline void file_service::submit_round(submission how) {
    visit_native(native_, [&](const auto& executor) {
        submit_to(executor, how, round_handler{this, round_memory_.get()});
    });
}

/// Runs one round of the scheduler and delivers the operations that it finished.
inline void file_service::run_round(turn why) {
    round_in_progress round(*this, why);
    if (!round.began)
        return;
    scheduler_.exchange(round.now);
    scheduler_.settle(round.now);
    perform(round.now.todo);
    const bool delivers = !round.now.done.empty();
    deliver(round.now);
    if (why == turn::woken && delivers)
        perform(scheduler_.follow_handlers());
}

/// Submits handlers to their executors. What is left in `now.done`, another round delivers.
/**
 * An inline executor calls the handler here, and the handler may run for long. Before that, this
 * round gives back all other operations, so that another thread or a nested `run` delivers them.
 * For the same reason such a handler gets a round in which no other handler was deferred.
 */
inline void file_service::deliver(round& now) {
    if (now.done.empty())
        return;
    const std::int64_t time = std::chrono::steady_clock::now().time_since_epoch().count();
    for (bool is_first = true; !now.done.empty(); is_first = false) {
        if (now.done.front()->runs_inline && !is_first)
            return;
        undelivered one(now.done);
        if (!std::exchange(one.op->counted, true))
            scheduler_.count_completed(*one.op, time);
        if (one.op->cancel_index != operation::not_registered)
            gate_->remove(*one.op);
        if (one.op->runs_inline && !now.done.empty())
            perform(scheduler_.take_back(now));
        one.op->complete(one.op);
    }
}

/// The context is being destroyed. The kernel and the pool let go before any handler is destroyed.
inline void file_service::shutdown() {
    gate_->close();
    op_queue abandoned; // discarded at the end of this function, outside every mutex
    scheduler_.stop(abandoned);
    const std::lock_guard<std::mutex> held(mutex_);
    shut_down_ = true;
    if (wait_.is_open())
        wait_.release();
}

inline void file_service::notify_fork(net::execution_context::fork_event event) {
    using net::execution_context;
    if (!wait_.is_open())
        return;
    if (event == execution_context::fork_prepare) {
        perform(scheduler_.prepare_fork());
    } else if (event == execution_context::fork_child) {
        // cancels a wait; its handler runs a round, which arms the wait for the new event
        wait_.release();
        throw_if(to_error(scheduler_.become_child()), "notify_fork");
        wait_.assign(scheduler_.event_descriptor());
    }
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
