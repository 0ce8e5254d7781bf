// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/engine.hpp"

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <new>
#include <thread>
#include <utility>

namespace asio_aio::detail {

thread_pool_engine::thread_pool_engine(const thread_pool_settings& settings, event& finished)
    : settings_(settings),
      max_slow_(std::max(1u, settings.max_threads / 2)),
      processors_(
          settings.processors != 0 ? settings.processors
                                   : std::max(1u, std::thread::hardware_concurrency())),
      finished_(finished),
      process_(::getpid()),
      fast_(waiting_at::pool, settings.slow_from.count()),
      slow_(waiting_at::pool_slow, settings.slow_from.count()),
      lanes_(
          {std::max(2u, processors_), max_slow_, (settings.max_threads + 1) / 2},
          settings.slow_from.count()),
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
        if (waiting() == 0)
            stranded_since_ = 0;
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
    if (!lanes_.push(*op))
        (is_slow(*op) ? slow_ : fast_).waiting.push(op);
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
        unannounced_ = false;
        stranded = is_stranded();
    }
    constexpr int pause_ms = 1;
    if (stranded && !find_worker()) // otherwise this would be a busy loop
        ::poll(nullptr, 0, pause_ms);
}

void thread_pool_engine::reap_before_fork(op_queue& done) noexcept {
    const lock held(mutex_);
    done.splice(done_);
    unannounced_ = false;
}

void thread_pool_engine::cancel(file_handle& file) noexcept {
    bool aborted = false;
    help wanted;
    {
        const lock held(mutex_);
        op_queue cancelled;
        fast_.waiting.extract_cancelled(file, cancelled);
        slow_.waiting.extract_cancelled(file, cancelled);
        lanes_.extract_cancelled(file, cancelled);
        while (operation* op = cancelled.pop())
            aborted |= abort(op);
        if (file.is_opening())
            aborted |= abandon_opens([&](const operation& op) {
                return op.file.operator->() == &file && op.is_cancelled();
            });
        wanted = plan_help(); // also for a file that a worker has to close
    }
    if (aborted)
        finished_.raise();
    give(wanted);
}

/// Ends `op` if it waits, or if it is an open. Other running system calls are not stopped, but they
/// are not repeated.
void thread_pool_engine::cancel(operation& op) noexcept {
    help wanted;
    bool aborted = false;
    {
        const lock held(mutex_);
        if (write_lanes::holds(op)) {
            lanes_.remove(op);
            aborted = abort(&op);
        } else if (backlog* const where = find(op)) {
            where->remove(op);
            aborted = abort(&op);
        } else if (op.kind == op_kind::open) {
            aborted = abandon_opens([&](const operation& each) { return &each == &op; });
        }
        wanted = plan_help(); // also for a file that a worker has to close
    }
    if (aborted)
        finished_.raise();
    give(wanted);
}

/// Finds the backlog where an operation without a result waits, other than a lane; or null.
backlog* thread_pool_engine::find(const operation& op) noexcept {
    if (fast_.waiting.holds(op))
        return op.state() == op_state::to_close ? nullptr : &fast_.waiting;
    return slow_.waiting.holds(op) ? &slow_.waiting : nullptr;
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
            hold_up(place);
        }
        found = true;
    }
    return found;
}

void thread_pool_engine::stop(op_queue& abandoned) noexcept {
    if (process_ != ::getpid())
        forget_workers(abandoned);
    lock held(mutex_);
    take_waiting(abandoned);
    end_workers(held);
    take_waiting(abandoned); // operations that the workers put back
    abandoned.splice(done_);
}

void thread_pool_engine::take_waiting(op_queue& all) noexcept {
    fast_.waiting.move_to(all);
    slow_.waiting.move_to(all);
    lanes_.extract_if([](const operation&) { return true; }, all);
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
    // A read does no harm.
    const auto is_repeat = [](const operation& op) { return op.kind != op_kind::read; };
    op_queue twice;
    fast_.waiting.extract_if(is_repeat, twice);
    slow_.waiting.extract_if(is_repeat, twice);
    lanes_.extract_if(is_repeat, twice);
    cancel_repeats(twice);
}

/// In a child process: cancels what is still to be repeated, which the parent repeats, too. A write
/// would be performed twice.
void thread_pool_engine::cancel_repeats(op_queue& twice) noexcept {
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
    new (&tick_) std::condition_variable;
    new (&all_ended_) std::condition_variable;
    for (seat& place : seats_) {
        if (place.from)
            end_work(place);
        new (&place.call) std::condition_variable;
        place.is_called = false;
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
    workers_ = starting_ = working_ = extra_ = slow_running_ = waking_ = 0;
    sleepers_ = nullptr;
    next_start_ = 0;
    any_ended_ = ending_ = watching_ = spinning_ = false;
}

engine_counters thread_pool_engine::counters() const noexcept {
    const lock held(mutex_);
    return {calls_, workers_, repeated_};
}

} // namespace asio_aio::detail
