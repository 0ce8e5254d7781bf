// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/file_service.hpp>

namespace asio_aio::detail {

/// One flush at a time is scheduled or running; its memory is the service's.
struct file_service::flush_handler {
    using allocator_type = handler_memory_allocator<void>;

    allocator_type get_allocator() const noexcept { return allocator_type(self->flush_memory_); }
    void operator()() const { self->flush(); }

    file_service* self;
};

struct file_service::wait_handler {
    using allocator_type = handler_memory_allocator<void>;
    using immediate_executor_type = context_executor; // never used: the event is always a valid descriptor

    allocator_type get_allocator() const noexcept { return allocator_type(self->wait_memory_); }
    immediate_executor_type get_immediate_executor() const noexcept { return context_executor(self->context()); }
    void operator()(const error_code&) const { self->on_event(); } // also when the wait was cancelled: by a fork

    file_service* self;
};

/// Keeps operations that an exception left undelivered: they are delivered by the next flush.
class file_service::undelivered {
public:
    undelivered(file_service& service, op_queue& rest) noexcept : service_(service), rest_(rest) {}
    undelivered(const undelivered&) = delete;
    undelivered& operator=(const undelivered&) = delete;

    ~undelivered() {
        if (rest_.empty())
            return;
        lock held(service_.mutex_);
        service_.in_flight_ += rest_.size();
        service_.finished_.splice(rest_);
        if (service_.flush_ == flush_state::idle)
            service_.schedule_flush(held);
    }

private:
    file_service& service_;
    op_queue& rest_;
};

inline error_code file_service::configure(const options& opts) {
    const lock held(mutex_);
    if (engines_.started())
        return boost::asio::error::already_open;
    if (opts.max_threads == 0 || opts.queue_depth == 0)
        return boost::asio::error::invalid_argument;
    options_ = opts;
    inline_read_limit_.store(opts.inline_read_limit, std::memory_order_relaxed);
    return {};
}

inline description file_service::describe() const {
    const lock held(mutex_);
    return description_;
}

inline context_statistics file_service::count() const {
    context_statistics sum;
    counts_.add_to(sum);
    const lock held(mutex_);
    sum.started += started_;
    sum.in_flight = in_flight_;
    sum.peak_in_flight = peak_in_flight_;
    if (!engines_.started())
        return sum;
    const engine_counters engines = engines_.counters();
    sum.kernel_entries = engines.kernel_entries + sum.inline_hits + sum.inline_misses;
    sum.threads = engines.threads;
    sum.batches = engines_.batches();
    sum.largest_batch = engines_.largest_batch();
    sum.wake_ups = engines_.wake_ups();
    return sum;
}

/// Makes the engines of the choice, the first time.
inline error_code file_service::make_engines() {
    const lock held(mutex_);
    if (engines_.started())
        return {};
    engine_factory make = injected_;
    if (!make) {
        const choice wanted = find_choice(options_.choice);
        selection selected = select_engine(wanted);
        description_ = std::move(selected.what);
        if (!wanted.error.empty())
            return errc::invalid_choice;
        if (!selected.factory)
            return errc::engine_unavailable;
        make = std::move(selected.factory);
    }
    if (!wait_.is_open()) {
        if (const int error = engines_.open_event())
            return to_error(error);
        error_code ec;
        wait_.assign(engines_.event_descriptor(), ec);
        if (ec)
            return ec;
    }
    engines_.start(options_, make);
    return {};
}

inline error_code file_service::open(const char* path, int flags, mode_t permissions, file_ref& file) {
    if (const error_code ec = make_engines())
        return ec;
    const int descriptor = posix_file::open(path, flags, permissions);
    if (descriptor < 0)
        return to_error(descriptor);
    try {
        file = file_ref::adopt(descriptor, make_key());
    } catch (...) {
        posix_file::close(descriptor);
        throw;
    }
    return {};
}

inline error_code file_service::assign(int descriptor, file_ref& file) {
    if (const error_code ec = make_engines())
        return ec;
    file = file_ref::adopt(descriptor, make_key());
    return {};
}

inline void file_service::start(operation* op) noexcept {
    op->started_at = now();
    lock held(mutex_);
    if (stopped_) {
        held.unlock();
        return op->discard(); // a handler that is destroyed with the context started it
    }
    ++started_;
    ++in_flight_;
    peak_in_flight_ = std::max(peak_in_flight_, in_flight_);
    pending_.push(op);
    if (flush_ == flush_state::idle)
        schedule_flush(held);
}

/// Has `flush` called on a thread that runs the context, after the work that it is doing now.
inline void file_service::schedule_flush(lock&) {
    if (knows_executor_.load(std::memory_order_relaxed)) {
        flush_ = flush_state::posted;
        std::visit(
            [this](const auto& executor) {
                if constexpr (!std::is_same_v<decltype(executor), const std::monostate&>)
                    boost::asio::post(executor, flush_handler{this});
            },
            native_);
        return;
    }
    // A context of an unknown type: through its reactor, as if an engine had woken it.
    flush_ = flush_state::awaiting_event;
    if (!wait_armed_) {
        wait_armed_ = true;
        wait_.async_wait(boost::asio::posix::descriptor_base::wait_read, wait_handler{this});
    }
    engines_.wake();
}

inline void file_service::flush() {
    op_queue batch;
    op_queue done;
    {
        const lock held(mutex_);
        flush_ = flush_state::running;
        batch.splice(pending_);
        done.splice(finished_);
        with_engines_ += batch.size();
    }
    const std::size_t without_engine = done.size();
    engines_.submit(batch);
    engines_.reap(done);
    {
        lock held(mutex_);
        flush_ = flush_state::idle;
        for (const cancellation& which : late_cancels_)
            engines_.cancel(which);
        late_cancels_.clear();
        settle(done, done.size() - without_engine, held);
    }
    deliver(done);
}

inline void file_service::on_event() {
    engines_.clear_wake_up();
    bool flush_waits = false;
    {
        const lock held(mutex_);
        wait_armed_ = false;
        flush_waits = flush_ == flush_state::awaiting_event;
    }
    if (flush_waits)
        return flush(); // which reaps as well
    op_queue done;
    engines_.reap(done);
    {
        lock held(mutex_);
        settle(done, done.size(), held);
    }
    deliver(done);
}

/// Accounts for what was reaped, and sees to it that whatever is left will be driven.
inline void file_service::settle(op_queue& done, std::size_t reaped, lock& held) {
    with_engines_ -= reaped;
    take_back_retries(done);
    in_flight_ -= done.size();
    if (stopped_)
        return;
    if (with_engines_ != 0 && !wait_armed_) {
        wait_armed_ = true;
        wait_.async_wait(boost::asio::posix::descriptor_base::wait_read, wait_handler{this});
    } else if (with_engines_ == 0 && wait_armed_) {
        engines_.wake(); // nothing will: the wait would keep `run` from returning
    }
    if (!(pending_.empty() && finished_.empty()) && flush_ == flush_state::idle)
        schedule_flush(held);
}

/// Operations that the kernel asks to try again, or that it ended although nobody cancelled them, go back to the
/// pending ones.
inline void file_service::take_back_retries(op_queue& done) {
    op_queue all;
    all.splice(done);
    while (operation* op = all.pop()) {
        const bool again = is_transient(op->result) || op->result == -ECANCELED;
        if (again && !op->cancel_asked) {
            counts_.retried();
            pending_.push(op);
            continue;
        }
        if (again)
            op->result = -ECANCELED;
        done.push(op);
    }
}

inline void file_service::deliver(op_queue& done) {
    if (done.empty())
        return;
    const undelivered rest(*this, done);
    const std::int64_t time = now();
    while (operation* op = done.pop()) {
        counts_.completed(*op, time);
        op->complete();
    }
}

inline void file_service::remember_late(const cancellation& which) noexcept {
    try {
        late_cancels_.push_back(which);
    } catch (const std::bad_alloc&) {
        // The operation ends with its real result, as if the request had come too late.
    }
}

inline void file_service::cancel(const cancellation& which) noexcept {
    lock held(mutex_);
    if (stopped_)
        return;
    op_queue cancelled;
    pending_.extract_if([&](const operation& op) { return which.covers(op); }, cancelled);
    while (operation* op = cancelled.pop()) {
        op->abort();
        finished_.push(op); // a flush is scheduled: something was pending
    }
    if (flush_ == flush_state::running)
        remember_late(which); // it may have the operation in hand
    held.unlock();
    if (engines_.started())
        engines_.cancel(which);
}

/// The context is being destroyed: the kernel and the pool let go first, then handlers are destroyed, outside the
/// mutex.
inline void file_service::shutdown() {
    gate_->close();
    op_queue abandoned;
    {
        const lock held(mutex_);
        stopped_ = true;
        abandoned.splice(pending_);
        abandoned.splice(finished_);
    }
    engines_.stop(abandoned);
    if (wait_.is_open())
        wait_.release();
}

inline void file_service::notify_fork(boost::asio::execution_context::fork_event event) {
    using boost::asio::execution_context;
    if (!engines_.started())
        return;
    if (event == execution_context::fork_prepare) {
        // Nothing may be done twice: what is pending is done before the fork, and its handlers then run in both
        // processes, as posted ones do.
        op_queue batch;
        {
            const lock held(mutex_);
            batch.splice(pending_);
            with_engines_ += batch.size();
        }
        engines_.submit(batch);
        engines_.prepare_fork();
    } else if (event == execution_context::fork_child) {
        const lock held(mutex_);
        wait_.release(); // cancels a wait, whose handler then arms it again on the new event
        if (const int error = engines_.become_child())
            throw_if(to_error(error), "notify_fork");
        wait_.assign(engines_.event_descriptor());
    }
}

} // namespace asio_aio::detail
