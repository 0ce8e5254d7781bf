// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/scheduler.hpp>

#include "core/router.hpp"
#include "selection/choice.hpp"

#include <asio_aio/detail/core/posix_file.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

namespace asio_aio::detail {

scheduler::scheduler() : router_(std::make_unique<router>()) {}
scheduler::~scheduler() = default;

std::int64_t scheduler::now() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

// --- Before the first file ---

int scheduler::configure(const options& opts) {
    const lock held(opening_mutex_);
    if (has_engines())
        return failure::configured_too_late;
    if (!find_fault(opts).empty())
        return -EINVAL;
    options_ = opts;
    inline_read_limit_.store(opts.inline_read_limit, std::memory_order_relaxed);
    finds_memory_.store(opts.inline_reads_without_nowait, std::memory_order_relaxed);
    return 0;
}

void scheduler::use_engines(engine_factory make) {
    const lock held(opening_mutex_);
    injected_ = std::move(make);
}

void scheduler::begin_to_post() noexcept {
    const lock held(mutex_);
    posts_ = true;
}

// --- Files ---

int scheduler::make_engines() {
    if (has_engines())
        return 0;
    const lock held(opening_mutex_);
    if (has_engines())
        return 0;
    engine_factory make = injected_;
    if (!make)
        if (const int result = choose(make))
            return result;
    if (const int error = router_->open_event())
        return error;
    router_->add_engines(make(options_, router_->finished()));
    has_engines_.store(true, std::memory_order_release);
    return 0;
}

int scheduler::choose(engine_factory& make) {
    const choice wanted = find_choice(options_.choice);
    selection selected = select_engine(wanted, options_);
    description_ = std::move(selected.what);
    if (!wanted.error.empty())
        return failure::invalid_choice;
    if (!selected.factory)
        return failure::engine_unavailable;
    make = std::move(selected.factory);
    return 0;
}

int scheduler::open(const char* path, int flags, mode_t permissions, file_ref& file) {
    const int descriptor = posix_file::open(path, flags, permissions);
    if (descriptor < 0)
        return descriptor;
    try {
        assign(descriptor, file);
    } catch (...) {
        posix_file::close(descriptor);
        throw;
    }
    return 0;
}

void scheduler::assign(int descriptor, file_ref& file) {
    file = file_ref::adopt(descriptor, finds_memory_.load(std::memory_order_relaxed));
}

backend scheduler::backend_of(const file_handle& file) const noexcept {
    return router_->backend_of(file);
}

// --- Operations ---

bool scheduler::start(operation& op, actions& todo) noexcept {
    const lock held(mutex_);
    if (stopped_)
        return false;
    op.number = ++started_;
    peak_in_flight_ = std::max(peak_in_flight_, ++in_flight_);
    // One reading of the clock for a batch: later operations of the batch are at most a turn of the
    // loop younger.
    if (pending_.empty())
        pending_since_ = now();
    op.started_at = pending_since_;
    pending_.push(&op);
    if (request_ != round_request::none)
        return true;
    todo.run_round_here = is_lone_operation();
    if (todo.run_round_here)
        request_ = round_request::posted;
    else
        request_round(todo);
    return true;
}

bool scheduler::start_finished(operation& op, actions& todo) noexcept {
    const lock held(mutex_);
    if (stopped_)
        return false;
    ++in_flight_;
    finished_.push(&op);
    request_round(todo);
    return true;
}

/// True if there is no other work: no other operation would join this one in a posted round.
/** After a batch of several operations more of them are likely to follow. */
bool scheduler::is_lone_operation() const noexcept {
    return posts_ && last_batch_ <= 1 && pending_.size() == 1 && finished_.empty() &&
        with_engines_ == 0;
}

/// Asks for a round that submits, unless one was asked for.
void scheduler::request_round(actions& todo) noexcept {
    if (request_ != round_request::none || stopped_)
        return;
    if (posts_) {
        request_ = round_request::posted;
        todo.post_round = true;
        return;
    }
    // The owner does not know how to post to its context: the round comes through the event, as if
    // an engine raised it.
    request_ = round_request::by_event;
    arm_wait(todo);
    router_->wake();
}

void scheduler::arm_wait(actions& todo) noexcept {
    todo.arm_wait = todo.arm_wait || !std::exchange(wait_armed_, true);
}

void scheduler::cancel(file_handle& file) noexcept {
    {
        const lock held(mutex_);
        if (stopped_)
            return;
        file.cancel_before(started_ + 1);
    }
    // An engine completes pending operations as cancelled, when a round gives them to it.
    router_->cancel(file);
}

void scheduler::cancel(operation& op) noexcept {
    op.cancel_asked.store(true, std::memory_order_relaxed);
    {
        const lock held(mutex_);
        if (stopped_ || !has_engines())
            return;
    }
    router_->cancel(op);
}

// --- Rounds ---

bool scheduler::begin(round& now) noexcept {
    const bool woken = now.why == turn::woken;
    if (woken)
        router_->clear_wake_up();
    const lock held(mutex_);
    if (stopped_)
        return false;
    ++rounds_;
    if (woken)
        wait_armed_ = false;
    now.submits = !woken || request_ == round_request::by_event;
    if (!now.submits)
        return true;
    request_ = round_request::running;
    now.batch.splice(pending_);
    now.done.splice(finished_);
    last_batch_ = now.batch.size();
    with_engines_ += last_batch_;
    return true;
}

void scheduler::exchange(round& now) noexcept {
    op_queue reaped;
    router_->submit(now.batch);
    router_->reap(reaped);
    now.reaped = reaped.size();
    now.done.splice(reaped);
}

void scheduler::settle(round& now) noexcept {
    const lock held(mutex_);
    if (now.submits)
        request_ = round_request::none;
    with_engines_ -= now.reaped;
    if (now.why == turn::lone_operation)
        finished_.splice(now.done); // the caller is an initiating function: another turn delivers
    in_flight_ -= now.done.size();
    if (stopped_)
        return;
    if (with_engines_ != 0)
        arm_wait(now.todo);
    else if (wait_armed_)
        router_->wake(); // nothing else ends the wait, which keeps `run` from returning
    if (!pending_.empty() || !finished_.empty())
        request_round(now.todo);
}

actions scheduler::take_back(round& now) noexcept {
    actions todo;
    const lock held(mutex_);
    in_flight_ += now.done.size();
    finished_.splice(now.done);
    request_round(todo);
    return todo;
}

void scheduler::end() noexcept {
    const lock held(mutex_);
    if (--rounds_ == 0 && stopped_)
        no_round_.notify_all();
}

/// After an empty batch the handlers seem to start nothing. After a batch of one the next operation
/// may be a lone one.
actions scheduler::follow_handlers() noexcept {
    actions todo;
    const lock held(mutex_);
    if (last_batch_ > 1 && posts_)
        request_round(todo);
    todo.defer_round = std::exchange(todo.post_round, false);
    return todo;
}

// --- End and fork ---

void scheduler::stop(op_queue& abandoned) {
    {
        lock held(mutex_);
        stopped_ = true;
        // A context of an unknown type is run by a thread of Asio, which ends after this service.
        no_round_.wait(held, [this] { return rounds_ == 0; });
        abandoned.splice(pending_);
        abandoned.splice(finished_);
    }
    router_->stop(abandoned);
}

/// Pending operations complete before the fork: afterwards both processes would perform them. Their
/// handlers run in both processes, as posted handlers do.
actions scheduler::prepare_fork() {
    actions todo;
    if (!has_engines())
        return todo;
    op_queue batch, done;
    {
        const lock held(mutex_);
        with_engines_ += pending_.size();
        batch.splice(pending_);
    }
    router_->prepare_fork(batch, done); // waits
    const lock held(mutex_);
    with_engines_ -= done.size();
    finished_.splice(done);
    if (!finished_.empty())
        request_round(todo);
    return todo;
}

int scheduler::become_child() {
    return has_engines() ? router_->become_child() : 0;
}

// --- Reports ---

int scheduler::event_descriptor() const noexcept {
    return router_->finished().descriptor();
}

description scheduler::describe() const {
    const lock held(opening_mutex_);
    description what = description_;
    if (const refusal refused = has_engines() ? router_->failure() : refusal())
        what.failure = std::string(refused.call) + ": " + std::strerror(refused.error);
    return what;
}

context_statistics scheduler::count() const {
    context_statistics sum;
    counts_.add_to(sum);
    {
        const lock held(mutex_);
        sum.started += started_;
        sum.in_flight = in_flight_;
        sum.peak_in_flight = peak_in_flight_;
    }
    if (has_engines())
        router_->add_to(sum);
    return sum;
}

} // namespace asio_aio::detail
