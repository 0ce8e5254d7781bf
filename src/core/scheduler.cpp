// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/scheduler.hpp>

#include "core/group_commit.hpp"
#include "core/router.hpp"
#include "engine/backlog.hpp"
#include "engine/thread_pool/worker_thread.hpp"

#include <algorithm>
#include <cerrno>
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
    count_start(op);
    if (op.turn && !(*op.turn).take_turn())
        in_order_->push(&op); // the end of the earlier one starts it
    else if (!is_flush(op.kind) || syncs_->start(op))
        queue(op, todo);
    return true;
}

void scheduler::count_start(operation& op) noexcept {
    op.number = ++started_;
    peak_in_flight_ = std::max(peak_in_flight_, ++in_flight_);
    // The clock is read once for a batch. Later operations of the batch are younger by at most one
    // turn of the loop.
    if (pending_.empty())
        pending_since_ = now();
    op.started_at = pending_since_;
}

void scheduler::queue(operation& op, actions& todo) noexcept {
    pending_.push(&op);
    todo.set_up = !has_engines() && !std::exchange(sets_up_, true);
    if (request_ != round_request::none)
        return;
    todo.run_round_here = is_lone_operation();
    if (todo.run_round_here)
        request_ = round_request::posted;
    else
        request_round(todo);
}

bool scheduler::start_close(operation& op, file_ref& last_use, actions& todo) noexcept {
    const lock held(mutex_);
    if (stopped_)
        return false;
    count_start(op);
    if (last_use.reset_with_closer(op)) {
        // The pool finishes it, after it has closed the file. A round or a wait will follow anyway,
        // because another operation uses the file.
        ++with_engines_;
    } else {
        op.file = std::move(last_use);
        queue(op, todo);
    }
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

/// True if there is no other work, so that no other operation would join this one in a posted
/// round.
/** After a batch of several operations, more of them are likely to follow. */
bool scheduler::is_lone_operation() const noexcept {
    return posts_ && has_engines() && last_batch_ <= 1 && pending_.size() == 1 && !has_finished() &&
        with_engines_ == 0;
}

/// Requests a round that submits, unless one was requested.
void scheduler::request_round(actions& todo) noexcept {
    if (request_ != round_request::none || stopped_)
        return;
    if (posts_ && has_engines()) {
        request_ = round_request::posted;
        todo.post_round = true;
        return;
    }
    // The owner does not know how to post to its context. The event starts the round instead, as if
    // an engine raised it. Without engines the end of `set_up` raises it, or a cancellation.
    request_ = round_request::by_event;
    arm_wait(todo);
    if (has_engines() || has_finished())
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
        if (!has_engines())
            return end_cancelled();
        op_queue cancelled;
        in_order_->extract_cancelled(file, cancelled);
        syncs_->extract_cancelled(file, cancelled);
        end_waiting(cancelled);
    }
    // A later round submits pending operations to an engine, which completes them as cancelled.
    router_->cancel(file);
}

void scheduler::cancel(operation& op) noexcept {
    op.cancel_asked.store(true, std::memory_order_relaxed);
    {
        const lock held(mutex_);
        if (stopped_)
            return;
        if (!has_engines())
            return end_cancelled();
        const bool waits = in_order_->holds(op), waits_for_flush = syncs_->holds(op);
        if (waits || waits_for_flush) {
            op_queue cancelled;
            waits ? in_order_->remove(op) : syncs_->remove(op);
            cancelled.push(&op);
            return end_waiting(cancelled);
        }
    }
    router_->cancel(op);
}

/// Ends the cancelled operations that wait for engines. Engines do this for those that they have.
void scheduler::end_cancelled() noexcept {
    op_queue cancelled;
    pending_.extract_if([](const operation& op) { return op.is_cancelled(); }, cancelled);
    while (operation* op = cancelled.pop()) {
        op->take_result(-ECANCELED);
        finished_.push(op);
    }
    if (!finished_.empty())
        router_->wake();
}

/// Has the next round give cancelled operations to an engine, which ends them. They do not wait for
/// their turn.
void scheduler::end_waiting(op_queue& cancelled) noexcept {
    if (cancelled.empty())
        return;
    cancelled.for_each([](operation& op) { op.turn.reset(); });
    if (pending_.empty())
        pending_since_ = now();
    pending_.splice(cancelled);
    // An earlier operation of the file is in flight. If no round was requested and none is in
    // progress, the wait is armed for it.
    if (request_ == round_request::none && wait_armed_) {
        request_ = round_request::by_event;
        router_->wake();
    }
}

/// Ends a turn. Returns the operation that waited for it and now has it, or null.
operation* scheduler::next_in_turn(file_handle& file) noexcept {
    operation* next = file.chain(waiting_at::scheduler);
    if (!next) {
        file.end_turn();
        return nullptr;
    }
    in_order_->remove(*next);
    return next;
}

/// Starts the operations that waited for those that have finished. Adds the syncs that share a
/// flush with them.
void scheduler::take_turns(op_queue& finished) noexcept {
    op_queue served;
    finished.for_each([&](operation& op) {
        if (!op.turn)
            return;
        if (operation* next = is_flush(op.kind) ? syncs_->end(op, served) : next_in_turn(*op.turn))
            add_pending(*next);
        op.turn.reset();
    });
    while (operation* op = served.pop()) {
        if (op->state() == op_state::finished)
            finished.push(op);
        else
            add_pending(*op); // the pool closes its file
    }
}

void scheduler::add_pending(operation& op) noexcept {
    if (pending_.empty())
        pending_since_ = now();
    pending_.push(&op);
}

/// Takes what is pending, for the engines.
void scheduler::take_pending(op_queue& batch) noexcept {
    syncs_->begin(pending_, started_);
    with_engines_ += pending_.size();
    batch.splice(pending_);
}

void scheduler::give_turn_back(file_handle& file, actions& todo) noexcept {
    const lock held(mutex_);
    operation* const next = next_in_turn(file);
    if (!next)
        return;
    if (pending_.empty())
        pending_since_ = now();
    queue(*next, todo);
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
    if (has_engines())
        take_pending(now.batch);
    now.done.splice(finished_);
    now.handed_back.splice(handed_back_);
    last_batch_ = now.batch.size();
    return true;
}

void scheduler::exchange(round& now) noexcept {
    if (!has_engines())
        return;
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
    if (now.why == turn::lone_operation) { // in an initiating function: another turn delivers
        finished_.splice(now.done);
        handed_back_.splice(now.handed_back);
    }
    take_turns(now.done);
    now.handed_back.splice(now.done);
    now.done.splice(now.handed_back);
    in_flight_ -= now.done.size();
    if (stopped_)
        return;
    if (with_engines_ != 0)
        arm_wait(now.todo);
    else if (wait_armed_)
        router_->wake(); // ends the wait, which keeps `run` from returning
    if (!pending_.empty() || has_finished())
        request_round(now.todo);
}

actions scheduler::take_back(round& now) noexcept {
    actions todo;
    const lock held(mutex_);
    in_flight_ += now.done.size();
    handed_back_.splice(now.done);
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
    memory_gate_->close();
    {
        lock held(mutex_);
        stopped_ = true;
        // If the type of the context is unknown, a thread of Asio runs rounds. It ends after this
        // service.
        no_round_.wait(held, [this] { return rounds_ == 0; });
        abandoned.splice(pending_);
        abandoned.splice(finished_);
        abandoned.splice(handed_back_);
        in_order_->move_to(abandoned);
        syncs_->move_to(abandoned);
    }
    set_up_thread_->join(); // a trial ends after its deadline
    router_->stop(abandoned);
}

/// Completes pending operations before the fork, because afterwards both processes would perform
/// them. Their handlers run in both processes, as posted handlers do.
actions scheduler::prepare_fork() {
    actions todo;
    set_up_thread_->join(); // a trial ends after its deadline
    if (!has_engines())
        return todo;
    lock held(mutex_);
    take_turns(finished_); // a lone operation keeps its turn until it is delivered
    do {                   // each turn starts operations that waited for the last ones
        op_queue batch, done;
        take_pending(batch);
        held.unlock();
        router_->prepare_fork(batch, done); // waits
        held.lock();
        with_engines_ -= done.size();
        take_turns(done);
        finished_.splice(done);
    } while (!pending_.empty());
    if (has_finished())
        request_round(todo);
    return todo;
}

int scheduler::become_child() {
    return router_->become_child();
}

} // namespace asio_aio::detail
