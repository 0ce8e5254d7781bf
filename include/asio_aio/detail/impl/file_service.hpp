// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/file_service.hpp>

namespace asio_aio::detail {

/// One flush at a time is scheduled or running; its memory is the service's.
struct file_service::flush_handler {
    using allocator_type = handler_memory_allocator<void>;

    allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
    void operator()() const { self->drive(turn::flush); }

    file_service* self;
    handler_memory* memory; // may outlive the service, as this handler may
};

struct file_service::wait_handler {
    using allocator_type = handler_memory_allocator<void>;
    using immediate_executor_type = context_executor; // never used: the event is always a valid descriptor

    allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
    immediate_executor_type get_immediate_executor() const noexcept { return context_executor(self->context()); }
    void operator()(const error_code&) const {
        self->drive(turn::woken); // also when the wait was cancelled: by a fork
    }

    file_service* self;
    handler_memory* memory; // may outlive the service, as this handler may
};

/// A thread's stay in `drive`, for which the context's end waits.
class file_service::driver {
public:
    /// The mutex is held; the count was raised under it.
    driver(file_service& service, op_queue& in_hand) noexcept : service_(service), in_hand_(in_hand) {}
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;

    ~driver() {
        lock held(service_.mutex_);
        if (!in_hand_.empty()) { // an exception: the next flush delivers them
            service_.in_flight_ += in_hand_.size();
            service_.finished_.splice(in_hand_);
            service_.flush_soon(held);
        }
        if (--service_.drivers_ == 0 && service_.stopped_)
            service_.no_driver_.notify_all();
    }

private:
    file_service& service_;
    op_queue& in_hand_;
};

/// The operation that is being delivered: after an exception of its executor the next flush tries again.
struct file_service::undelivered {
    explicit undelivered(op_queue& from) noexcept : queue(from), op(from.pop()) {}
    undelivered(const undelivered&) = delete;
    undelivered& operator=(const undelivered&) = delete;
    ~undelivered() {
        if (op)
            queue.push(op); // behind the others: its executor may throw for ever
    }

    op_queue& queue;
    mutable operation* op;
};

inline error_code file_service::configure(const options& opts) {
    const lock held(mutex_);
    if (engines_.started())
        return boost::asio::error::already_open;
    if (!find_fault(opts).empty())
        return boost::asio::error::invalid_argument;
    options_ = opts;
    inline_read_limit_.store(opts.inline_read_limit, std::memory_order_relaxed);
    finds_memory_.store(opts.inline_reads_without_nowait, std::memory_order_relaxed);
    return {};
}

inline description file_service::describe() const {
    description what;
    bool started = false;
    {
        const lock held(mutex_);
        what = description_;
        started = engines_.started();
    }
    // Outside the mutex: an engine that is just entering the kernel is waited for.
    if (const refusal failure = started ? engines_.failure() : refusal())
        what.failure = std::string(failure.call) + ": " + std::strerror(failure.error);
    return what;
}

inline context_statistics file_service::count() const {
    context_statistics sum;
    counts_.add_to(sum);
    {
        const lock held(mutex_);
        sum.started += started_;
        sum.in_flight = in_flight_;
        sum.peak_in_flight = peak_in_flight_;
        if (!engines_.started())
            return sum;
    }
    const engine_counters engines = engines_.counters();
    sum.retried += engines.resubmitted;
    sum.kernel_entries = engines.kernel_entries + sum.inline_hits + sum.inline_misses;
    sum.threads = engines.threads;
    sum.batches = engines_.batches();
    sum.largest_batch = engines_.largest_batch();
    sum.wake_ups = engines_.wake_ups();
    sum.passed_unsupported = engines_.passed(pass_reason::unsupported);
    sum.passed_refused = engines_.passed(pass_reason::refused);
    sum.passed_buffered = engines_.passed(pass_reason::buffered);
    sum.passed_would_wait = engines_.passed(pass_reason::would_wait);
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
        selection selected = select_engine(wanted, options_);
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
        file = file_ref::adopt(descriptor, finds_memory());
    } catch (...) {
        posix_file::close(descriptor);
        throw;
    }
    return {};
}

inline error_code file_service::assign(int descriptor, file_ref& file) {
    if (const error_code ec = make_engines())
        return ec;
    file = file_ref::adopt(descriptor, finds_memory());
    return {};
}

inline void file_service::start(operation* op) noexcept {
    lock held(mutex_);
    if (stopped_) {
        held.unlock();
        return op->discard(); // a handler that is destroyed with the context started it
    }
    op->number = ++started_;
    ++in_flight_;
    peak_in_flight_ = std::max(peak_in_flight_, in_flight_);
    // What joins others is a turn of the loop younger than the first of them at most: one look at the clock for a batch.
    if (pending_.empty())
        pending_since_ = now();
    op->started_at = pending_since_;
    pending_.push(op);
    if (flush_ != flush_state::idle)
        return;
    if (is_lone_operation()) {
        flush_ = flush_state::running; // one at a time: what others start meanwhile is seen to by `settle`
        held.unlock();
        return drive(turn::lone_operation);
    }
    schedule_flush(held);
}

inline void file_service::start_finished(operation* op) noexcept {
    lock held(mutex_);
    if (stopped_) {
        held.unlock();
        return op->discard();
    }
    ++in_flight_;
    finished_.push(op);
    flush_soon(held);
}

/// Whether nothing but the operation that has just been started is to do, on a thread of the context: nothing would join
/// it in a flush of its own.
/** After a batch of several, others are likely to follow. */
inline bool file_service::is_lone_operation() const noexcept {
    return last_batch_ <= 1 && pending_.size() == 1 && finished_.empty() && with_engines_ == 0 &&
        knows_executor_.load(std::memory_order_relaxed) && runs_in_this_thread(native_);
}

/// Has `drive` called on a thread that runs the context, after the work that it is doing now.
inline void file_service::schedule_flush(lock&) {
    if (knows_executor_.load(std::memory_order_relaxed)) {
        flush_ = flush_state::posted;
        visit_native([this](const auto& executor) {
            boost::asio::post(executor, flush_handler{this, flush_memory_.get()});
        });
        return;
    }
    // A context of an unknown type: through its reactor, as if an engine had woken it.
    flush_ = flush_state::awaiting_event;
    if (!wait_armed_) {
        wait_armed_ = true;
        wait_.async_wait(boost::asio::posix::descriptor_base::wait_read, wait_handler{this, wait_memory_.get()});
    }
    engines_.wake();
}

/// Has a flush follow the handlers that were just delivered: what they start is handed over without an empty turn of the
/// loop first.
/**
 * Where the last flush found nothing, handlers seem to start nothing, and the first that does schedules one; where it
 * found one operation, the next may be a lone one.
 */
inline void file_service::flush_behind_handlers() {
    const lock held(mutex_);
    if (last_batch_ <= 1 || flush_ != flush_state::idle || stopped_ || !knows_executor_.load(std::memory_order_relaxed))
        return;
    flush_ = flush_state::posted;
    visit_native([this](const auto& executor) {
        boost::asio::defer(executor, flush_handler{this, flush_memory_.get()});
    });
}

/// One round of the engines: hands over what is pending, unless this round is for a wake-up only, and delivers what is
/// finished; or leaves that to a flush, in the turn of a lone operation, since that is inside its initiating function.
inline void file_service::drive(turn why) {
    if (why == turn::woken)
        engines_.clear_wake_up();
    op_queue batch;
    op_queue done;
    bool flushes = why != turn::woken;
    {
        const lock held(mutex_);
        if (stopped_)
            return;
        ++drivers_;
        if (why == turn::woken) {
            wait_armed_ = false;
            flushes = flush_ == flush_state::awaiting_event;
        }
        if (flushes) {
            flush_ = flush_state::running;
            batch.splice(pending_);
            done.splice(finished_);
            with_engines_ += last_batch_ = batch.size();
        }
    }
    const driver counted(*this, done);
    if (flushes)
        engines_.submit(batch);
    op_queue fresh;
    engines_.reap(fresh);
    const std::size_t reaped = fresh.size();
    op_queue retries;
    take_retries(fresh, retries);
    done.splice(fresh);
    {
        lock held(mutex_);
        if (flushes)
            flush_ = flush_state::idle;
        with_engines_ -= reaped;
        if (why == turn::lone_operation)
            finished_.splice(done);
        in_flight_ -= done.size();
        settle(retries, held);
    }
    const bool delivers = !done.empty();
    deliver(done);
    if (why == turn::woken && delivers)
        flush_behind_handlers();
}

/// Sees to it that whatever is left will be driven.
inline void file_service::settle(op_queue& retries, lock& held) {
    while (operation* op = retries.pop()) {
        if (op->is_cancelled())
            abort(op);
        else
            pending_.push(op);
    }
    if (stopped_)
        return;
    if (with_engines_ != 0 && !wait_armed_) {
        wait_armed_ = true;
        wait_.async_wait(boost::asio::posix::descriptor_base::wait_read, wait_handler{this, wait_memory_.get()});
    } else if (with_engines_ == 0 && wait_armed_) {
        engines_.wake(); // nothing will: the wait would keep `run` from returning
    }
    if (!(pending_.empty() && finished_.empty()))
        flush_soon(held);
}

/// Ends an operation that no engine has. Where it is the last user of its file, the pool closes that first.
inline void file_service::abort(operation* op) noexcept {
    op->take_result(-ECANCELED);
    if (op->passed == pass_reason::to_close)
        pending_.push(op);
    else
        finished_.push(op);
}

/// Has a flush follow, unless one will anyway.
inline void file_service::flush_soon(lock& held) {
    if (flush_ == flush_state::idle && !stopped_)
        schedule_flush(held);
}

/// Separates the operations that are to be submitted once more, unless somebody cancels them first.
inline void file_service::take_retries(op_queue& done, op_queue& retries) noexcept {
    done.extract_if([](const operation& op) { return is_to_be_repeated(op.kind, op.result); }, retries);
    retries.for_each([this](const operation&) { counts_.retried(); });
}

/// Leaves in `done` what is to be delivered in another turn; after an exception also the operation that it came from.
inline void file_service::deliver(op_queue& done) {
    if (done.empty())
        return;
    const std::int64_t time = now();
    bool goes_on = true;
    while (goes_on && !done.empty()) {
        const undelivered one(done);
        if (!std::exchange(one.op->counted, true))
            counts_.completed(*one.op, time);
        if (one.op->cancel_index != operation::not_registered)
            gate_->remove(*one.op);
        goes_on = !one.op->runs_inline; // one handler a turn of the loop
        one.op->complete(one.op);
    }
}

inline void file_service::cancel(const file_ref& file) noexcept {
    {
        const lock held(mutex_);
        if (stopped_)
            return;
        file->cancel_before(started_ + 1);
    }
    // An engine finds what is pending, or in a driver's hand, cancelled when it takes that over.
    engines_.cancel(*file.operator->()); // they are there: the file is open
}

inline void file_service::cancel(operation& op) noexcept {
    op.cancel_asked.store(true, std::memory_order_relaxed);
    {
        const lock held(mutex_);
        if (stopped_ || !engines_.started())
            return;
    }
    engines_.cancel(op);
}

/// The context is being destroyed: the kernel and the pool let go first, then handlers are destroyed, outside the
/// mutex.
inline void file_service::shutdown() {
    gate_->close();
    op_queue abandoned;
    {
        lock held(mutex_);
        stopped_ = true;
        // A context of an unknown type is driven by a thread of Asio's own, which ends after us.
        no_driver_.wait(held, [this] { return drivers_ == 0; });
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
        engines_.prepare_fork(batch);
    } else if (event == execution_context::fork_child) {
        const lock held(mutex_);
        wait_.release(); // cancels a wait, whose handler then arms it again on the new event
        if (const int error = engines_.become_child())
            throw_if(to_error(error), "notify_fork");
        wait_.assign(engines_.event_descriptor());
    }
}

} // namespace asio_aio::detail
