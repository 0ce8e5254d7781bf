// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/engine.hpp"

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace asio_aio::detail {

thread_pool_engine::thread_pool_engine(const thread_pool_settings& settings, event& finished)
    : settings_(settings),
      max_slow_(std::max(1u, settings.max_threads / 2)),
      finished_(finished),
      process_(::getpid()),
      seats_(2 * std::size_t(settings.max_threads)) {}

thread_pool_engine::~thread_pool_engine() {
    op_queue abandoned; // discarded at the end of this function
    stop(abandoned);
}

void thread_pool_engine::submit(op_queue& batch) noexcept {
    help wanted;
    {
        const lock held(mutex_);
        bool aborted = false;
        if (fast_.empty() && slow_.empty())
            stranded_since_ = {};
        while (operation* op = batch.pop()) {
            if (op->state() == op_state::pending)
                op->become(op_state::with_engine);
            if (op->state() == op_state::with_engine && op->is_cancelled())
                aborted |= abort(op);
            else
                queue(op);
        }
        if (aborted)
            finished_.raise();
        wanted = plan_help();
    }
    give(wanted);
}

void thread_pool_engine::queue(operation* op) noexcept {
    (is_slow(op->kind) ? slow_ : fast_).push(op);
}

/// Ends an operation that no worker had. Returns false if a worker has to close its file first.
bool thread_pool_engine::abort(operation* op) noexcept {
    op->take_result(-ECANCELED);
    if (op->state() == op_state::to_close) {
        queue(op);
        return false;
    }
    done_.push(op);
    return true;
}

void thread_pool_engine::reap(op_queue& done) noexcept {
    bool stranded = false;
    {
        const lock held(mutex_);
        done.splice(done_);
        stranded = is_stranded();
    }
    constexpr int pause_ms = 1;
    if (stranded && !find_worker()) // otherwise this would be a busy loop
        ::poll(nullptr, 0, pause_ms);
}

void thread_pool_engine::reap_before_fork(op_queue& done) noexcept {
    const lock held(mutex_);
    done.splice(done_);
}

void thread_pool_engine::cancel(file_handle& file) noexcept {
    bool aborted = false;
    help wanted = help::none;
    {
        const lock held(mutex_);
        op_queue cancelled;
        fast_.extract_cancelled(file, cancelled);
        slow_.extract_cancelled(file, cancelled);
        while (operation* op = cancelled.pop())
            aborted |= abort(op);
        if (file.is_opening())
            aborted |= abandon_opens([&](const operation& op) {
                return op.file.operator->() == &file && op.is_cancelled();
            });
        if (aborted)
            wanted = plan_help();
    }
    if (aborted)
        finished_.raise();
    give(wanted);
}

/// Ends `op` if it waits, or if it is an open. Other running system calls are not stopped, but they
/// are not repeated.
void thread_pool_engine::cancel(operation& op) noexcept {
    help wanted = help::none;
    {
        const lock held(mutex_);
        backlog& waiting = is_slow(op.kind) ? slow_ : fast_;
        bool aborted = false;
        if (op.kind == op_kind::open && !waiting.holds(op)) {
            aborted = abandon_opens([&](const operation& each) { return &each == &op; });
        } else if (waiting.holds(op) && op.state() != op_state::to_close) { // has no result yet
            waiting.remove(op);
            aborted = abort(&op);
        }
        if (!aborted)
            return;
        wanted = plan_help();
    }
    finished_.raise();
    give(wanted);
}

/// Ends the opens that workers are performing and for which `wanted` is true. open(2) may never
/// return, so the operation does not wait for it. The worker closes the descriptor that it may get.
template <typename Predicate>
bool thread_pool_engine::abandon_opens(Predicate wanted) noexcept {
    bool found = false;
    for (seat& place : seats_) {
        if (!place.op || !place.opening || !wanted(*place.op))
            continue;
        operation* op = std::exchange(place.op, nullptr);
        op->take_result(-ECANCELED);
        done_.push(op);
        if (extra_ < settings_.max_threads) { // another worker takes its place
            ++extra_;
            --slow_running_;
            place.is_extra = true;
        }
        found = true;
    }
    return found;
}

void thread_pool_engine::stop(op_queue& abandoned) noexcept {
    if (process_ != ::getpid())
        forget_workers(abandoned);
    lock held(mutex_);
    fast_.move_to(abandoned);
    slow_.move_to(abandoned);
    end_workers(held);
    fast_.move_to(abandoned); // operations that the workers put back
    slow_.move_to(abandoned);
    abandoned.splice(done_);
}

void thread_pool_engine::prepare_fork() noexcept {
    lock held(mutex_);
    while (is_stranded()) {
        held.unlock();
        constexpr int pause_ms = 1;
        if (!find_worker())
            ::poll(nullptr, 0, pause_ms);
        held.lock();
    }
    end_workers(held);
}

void thread_pool_engine::become_child() noexcept {
    forget_workers(done_); // there are none after `prepare_fork`
    process_ = ::getpid();
    cancel_repeats(fast_);
    cancel_repeats(slow_);
}

/// In a child process: cancels what is still to be repeated, which the parent repeats, too. A write
/// would be performed twice; a read does no harm.
void thread_pool_engine::cancel_repeats(backlog& from) noexcept {
    op_queue twice;
    from.extract_if([](const operation& op) { return op.kind != op_kind::read; }, twice);
    while (operation* op = twice.pop()) {
        operation* closer = op->take_result_and_close(-ECANCELED);
        done_.push(op);
        done_.push_if(closer);
    }
}

/// For a child process, which has only the calling thread. Ends the operations that the workers
/// had.
void thread_pool_engine::forget_workers(op_queue& abandoned) noexcept {
    // A worker may have held the mutex or waited for a condition at the fork. It does not exist
    // here, so the destructor of a condition would wait for it for ever.
    new (&mutex_) std::mutex;
    new (&work_available_) std::condition_variable;
    new (&all_ended_) std::condition_variable;
    for (seat& place : seats_) {
        place.taken = place.is_extra = false;
        place.opening.reset();
        operation* closer = std::exchange(place.closer, nullptr);
        // A worker may have finished the operation just before the fork.
        if (operation* op = std::exchange(place.op, nullptr)) {
            if (op->state() == op_state::with_engine)
                closer = op->take_result_and_close(-ECANCELED);
            else if (op->state() == op_state::to_close)
                closer = op->close_file();
            abandoned.push(op);
        }
        abandoned.push_if(closer);
    }
    workers_ = starting_ = extra_ = idle_ = slow_running_ = 0;
    any_ended_ = ending_ = false;
}

engine_counters thread_pool_engine::counters() const noexcept {
    const lock held(mutex_);
    return {calls_, workers_, repeated_};
}

} // namespace asio_aio::detail
