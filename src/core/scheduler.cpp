// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/scheduler.hpp>

#include "core/router.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace asio_aio::detail {

std::int64_t scheduler::now() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

// --- Operations ---

bool scheduler::start(operation& op, actions& todo) noexcept {
    const lock held(mutex_);
    if (stopped_)
        return false;
    op.number = ++started_;
    peak_in_flight_ = std::max(peak_in_flight_, ++in_flight_);
    // The clock is read once for a batch. Later operations of the batch are younger by at most one
    // turn of the loop.
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
    peak_in_flight_ = std::max(peak_in_flight_, ++in_flight_);
    finished_.push(&op);
    request_round(todo);
    return true;
}

/// True if there is no other work, so no other operation would join this one in a posted round.
/** After a batch of several operations, more of them are likely to follow. */
bool scheduler::is_lone_operation() const noexcept {
    return posts_ && last_batch_ <= 1 && pending_.size() == 1 && finished_.empty() &&
        with_engines_ == 0;
}

/// Requests a round that submits, unless one was requested.
void scheduler::request_round(actions& todo) noexcept {
    if (request_ != round_request::none || stopped_)
        return;
    if (posts_) {
        request_ = round_request::posted;
        todo.post_round = true;
        return;
    }
    // The owner does not know how to post to its context. The event starts the round instead, as if
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
    // A later round submits pending operations to an engine, which completes them as cancelled.
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
        finished_.splice(now.done); // in an initiating function: another turn delivers
    in_flight_ -= now.done.size();
    if (stopped_)
        return;
    if (with_engines_ != 0)
        arm_wait(now.todo);
    else if (wait_armed_)
        router_->wake(); // ends the wait, which keeps `run` from returning
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

/// Requests no round after a batch of at most one operation. After an empty batch the handlers seem
/// to start nothing. After a batch of one, the next operation may be a lone one.
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
        // If the type of the context is unknown, a thread of Asio runs rounds. It ends after this
        // service.
        no_round_.wait(held, [this] { return rounds_ == 0; });
        abandoned.splice(pending_);
        abandoned.splice(finished_);
    }
    router_->stop(abandoned);
}

/// Completes pending operations before the fork, because afterwards both processes would perform
/// them. Their handlers run in both processes, as posted handlers do.
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

} // namespace asio_aio::detail
