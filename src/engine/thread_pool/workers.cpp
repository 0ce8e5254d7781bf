// SPDX-License-Identifier: BSL-1.0
// The workers of the pool: what each one does, and how many there are.
#include "engine/thread_pool/engine.hpp"

#include "engine/thread_pool/judge.hpp"

#include <poll.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace asio_aio::detail {

// --- The work of one worker ---

void* thread_pool_engine::worker_main(void* self) noexcept {
    static_cast<thread_pool_engine*>(self)->work();
    return nullptr;
}

void thread_pool_engine::work() noexcept {
    lock held(mutex_);
    --starting_;
    seat& place = take_seat();
    stranded_since_ = {};
    bool unannounced = false;
    for (;;) {
        operation* op = take(place);
        if (!op && unannounced) {
            held.unlock();
            finished_.raise();
            unannounced = false;
            held.lock();
        } else if (op) {
            const op_kind kind = op->kind; // an open may be abandoned while it is performed
            const help wanted = plan_help();
            held.unlock();
            if (unannounced)
                finished_.raise();
            give(wanted);
            const bool finished = perform(place);
            held.lock();
            put_away(place, kind, finished);
            unannounced = finished;
        } else if (!wait_for_work(held)) {
            break;
        }
    }
    place.taken = false;
    leave(held);
}

/// Finds a free seat. There are as many seats as there may be workers.
thread_pool_engine::seat& thread_pool_engine::take_seat() noexcept {
    const auto free =
        std::find_if(seats_.begin(), seats_.end(), [](const seat& each) { return !each.taken; });
    free->taken = true;
    return *free;
}

operation* thread_pool_engine::take(seat& place) noexcept {
    const bool slow_may_run = !slow_.empty() && slow_running_ < max_slow_;
    if (fast_.empty() && !slow_may_run)
        return nullptr;
    // Alternates if both kinds wait, so that neither starves the other.
    const bool slow = slow_may_run && (fast_.empty() || slow_next_);
    slow_next_ = !slow;
    operation* op = (slow ? slow_ : fast_).pop();
    slow_running_ += slow;
    place.op = op;
    if (op->kind == op_kind::open && !op->is_cancelled())
        place.opening = op->file;
    ++calls_;
    return op;
}

/// Performs the operation of this worker. Returns false if it has to be repeated.
bool thread_pool_engine::perform(seat& place) noexcept {
    if (place.opening) {
        perform_open(place);
        return true;
    }
    operation& op = *place.op;
    if (op.state() == op_state::to_close) {
        place.closer = op.close_file();
        return true;
    }
    if (op.is_cancelled()) { // between two queues `cancel` could not find it
        place.closer = op.take_result_and_close(-ECANCELED);
        return true;
    }
    const int result = settings_.perform(op);
    if (op.passed == pass_reason::refused && result >= 0 && op.file)
        op.file->refuse(); // the operation was valid, so the engine cannot serve the file
    const judgement found = judge_call(op, result);
    if (found.what == verdict::retry) {
        constexpr int pause_ms = 1;
        ::poll(nullptr, 0, pause_ms); // otherwise this would be a busy loop
        return false;
    }
    // on this thread and not on the loop's, because close(2) may block
    place.closer = op.take_result_and_close(found.result);
    return true;
}

namespace {

/// Stands for an open while it is performed, because the operation itself may be abandoned.
struct open_in_progress final : operation {
    explicit open_in_progress(const file_ref& opening) : operation(op_kind::open, no_fates) {
        file = opening;
    }

    static constexpr fates no_fates{
        [](operation&, operation*& owner) { owner = nullptr; }, [](operation&) noexcept {}};
};

} // namespace

void thread_pool_engine::perform_open(seat& place) noexcept {
    int result = 0;
    {
        open_in_progress opening(place.opening);
        result = settings_.perform(opening);
    }
    file_ref file;
    operation* op = nullptr;
    {
        const lock held(mutex_);
        file = std::move(place.opening); // from now on the operation is not abandoned
        op = place.op;
    }
    if (!op)
        return file->close_unused();
    file.reset(); // now the operation is the only user beside the file object
    place.closer = op->take_result_and_close(result);
}

/// Puts the operation of a worker away: as finished, or behind the others to be repeated.
void thread_pool_engine::put_away(seat& place, op_kind kind, bool finished) noexcept {
    if (std::exchange(place.is_extra, false))
        --extra_;
    else
        slow_running_ -= is_slow(kind);
    operation* op = std::exchange(place.op, nullptr);
    if (finished) {
        done_.push_if(op); // none if it was an open that was abandoned
        done_.push_if(std::exchange(place.closer, nullptr));
        return;
    }
    ++repeated_;
    if (ending_) // otherwise this worker would never end
        postponed_.push(op);
    else
        queue(op);
}

bool thread_pool_engine::has_work() const noexcept {
    return !fast_.empty() || (!slow_.empty() && slow_running_ < max_slow_);
}

/// Waits for work. Returns false if the worker has to end, because it was idle or the engine ends
/// its workers.
bool thread_pool_engine::wait_for_work(lock& held) noexcept {
    if (ending_)
        return false;
    const auto is_called = [this] { return has_work() || ending_; };
    ++idle_;
    bool woken = work_available_.wait_for(held, settings_.idle_time, is_called);
    if (!woken &&
        workers_ - starting_ - extra_ == 1) { // another one might not start when it is needed
        work_available_.wait(held, is_called);
        woken = true;
    }
    --idle_;
    return woken;
}

// --- The number of workers ---

/// Decides how to get one more worker. Each worker that was woken wakes the next one, so the loop
/// pays for one wake-up for each batch.
thread_pool_engine::help thread_pool_engine::plan_help() noexcept {
    if (!has_work())
        return help::none;
    if (idle_ > 0)
        return help::idle_worker;
    // more if opens that were cancelled have returned
    if (workers_ - extra_ >= settings_.max_threads)
        return help::none;
    ++workers_;
    ++starting_;
    return help::new_worker;
}

/// Wakes or starts a worker. Returns false if a worker could not be started.
bool thread_pool_engine::give(help wanted) noexcept {
    if (wanted == help::idle_worker)
        work_available_.notify_one();
    if (wanted != help::new_worker)
        return true;
    pthread_t thread;
    if (settings_.start(thread, &worker_main, this) == 0)
        return true;
    manage_without();
    return false;
}

/// Handles a thread that could not be started. The other workers continue. If there are none, the
/// operations wait, and fail after `thread_patience`.
void thread_pool_engine::manage_without() noexcept {
    using clock = std::chrono::steady_clock;
    op_queue failed;
    {
        const lock held(mutex_);
        --starting_;
        if (--workers_ == 0)
            all_ended_.notify_all();
        if (workers_ != extra_)
            return;
        const clock::time_point now = clock::now();
        if (stranded_since_ == clock::time_point())
            stranded_since_ = now;
        if (now - stranded_since_ >= settings_.thread_patience) {
            fast_.move_to(failed);
            slow_.move_to(failed);
        }
    }
    op_queue closers;
    failed.for_each([&](operation& op) {
        const bool has_result = op.state() == op_state::to_close;
        // the cause of EAGAIN from pthread_create
        if (has_result)
            return closers.push_if(op.close_file());
        // a close is never lost: this thread performs it
        const int result = op.kind == op_kind::close ? op.file.reset() : -ENOMEM;
        closers.push_if(op.take_result_and_close(result));
    });
    {
        const lock held(mutex_);
        done_.splice(failed);
        done_.splice(closers);
    }
    finished_.raise(); // always: the loop calls `reap`, which tries again
}

/// True if operations wait and there is no worker.
bool thread_pool_engine::is_stranded() const noexcept {
    return workers_ == extra_ && has_work();
}

/// Tries again to start the first worker. Returns false if this failed.
bool thread_pool_engine::find_worker() noexcept {
    help wanted = help::none;
    {
        const lock held(mutex_);
        if (is_stranded())
            wanted = plan_help();
    }
    return give(wanted);
}

/// The last step of a worker. Each worker joins the one that ended before it, and `end_workers`
/// joins the last one.
void thread_pool_engine::leave(lock& held) noexcept {
    const pthread_t before = std::exchange(last_ended_, pthread_self());
    const bool join_before = std::exchange(any_ended_, true);
    if (--workers_ == 0)
        all_ended_.notify_all();
    held.unlock();
    if (join_before)
        pthread_join(before, nullptr);
}

void thread_pool_engine::end_workers(lock& held) noexcept {
    ending_ = true;
    work_available_.notify_all();
    all_ended_.wait(held, [this] { return workers_ == 0; });
    ending_ = false;
    while (operation* op = postponed_.pop())
        queue(op);
    if (!fast_.empty() || !slow_.empty())
        finished_.raise(); // for `reap`, which starts a worker again
    if (!std::exchange(any_ended_, false))
        return;
    const pthread_t last = last_ended_;
    held.unlock();
    pthread_join(last, nullptr);
    held.lock();
}

} // namespace asio_aio::detail
