// SPDX-License-Identifier: BSL-1.0
// The number of workers of the pool: when one is woken, started or ended.
#include "engine/thread_pool/engine.hpp"

#include <cerrno>
#include <utility>

namespace asio_aio::detail {

bool thread_pool_engine::is_worth_waking() const noexcept {
    return fast_.is_worth_waking(processors_) ||
        (slow_may_run() && slow_.is_worth_waking(processors_)) || lanes_.has_work();
}

/// True if finished operations were not announced, or operations wait for a worker that may be held
/// up.
bool thread_pool_engine::needs_watch() const noexcept {
    return unannounced_ || (waiting() != 0 && working_ != 0);
}

/// Decides how to get one more worker. Each worker that was woken wakes the next one, so the loop
/// pays for one wake-up for each batch.
thread_pool_engine::help thread_pool_engine::plan_help() noexcept {
    using kind = help::kind;
    const bool works = is_worth_waking();
    if (!works && (watching_ || !needs_watch()))
        return {};
    if (waking_ != 0 || starting_ != 0)
        return {}; // that one continues
    if (works && working_ == 0)
        idle_time_.add(now() - idle_since_);
    if (works && spinning_) {
        spin_ends_.store(true, std::memory_order_relaxed);
        return {};
    }
    if (seat* const sleeper = sleepers_) {
        sleepers_ = sleeper->next_sleeper;
        sleeper->is_called = true;
        ++waking_;
        return {kind::sleeper, sleeper};
    }
    if (works && watching_)
        return {kind::watcher};
    if (!may_start_worker())
        return {};
    ++workers_;
    ++starting_;
    return {kind::new_worker};
}

bool thread_pool_engine::may_start_worker() const noexcept {
    // more workers if opens that were cancelled have returned
    return workers_ - extra_ < settings_.max_threads &&
        (next_start_ == 0 || workers_ == extra_ || now() >= next_start_);
}

/// Wakes or starts a worker. Returns false if a worker could not be started.
bool thread_pool_engine::give(const help& wanted) noexcept {
    if (wanted.what == help::kind::sleeper)
        wanted.sleeper->call.notify_one();
    if (wanted.what == help::kind::watcher)
        tick_.notify_one();
    if (wanted.what != help::kind::new_worker)
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
    constexpr std::int64_t pause = 10'000'000; // nanoseconds; a refusal costs some microseconds
    op_queue failed;
    {
        lock held(mutex_);
        --starting_;
        if (--workers_ == 0)
            all_ended_.notify_all();
        const std::int64_t time = now();
        next_start_ = time + pause;
        if (workers_ != extra_) {
            const help instead = plan_help(); // an idle worker, because others relied on this start
            held.unlock();
            give(instead);
            return;
        }
        if (stranded_since_ == 0)
            stranded_since_ = time;
        if (time - stranded_since_ >= nanoseconds(settings_.thread_patience))
            take_waiting(failed);
    }
    fail(failed);
}

/// Ends operations for which there is no worker.
void thread_pool_engine::fail(op_queue& failed) noexcept {
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
    help wanted;
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
    for (seat& each : seats_)
        each.call.notify_all();
    tick_.notify_all();
    spin_ends_.store(true, std::memory_order_relaxed);
    all_ended_.wait(held, [this] { return workers_ == 0; });
    ending_ = false;
    while (operation* op = postponed_.pop())
        queue(op);
    if (waiting() != 0)
        finished_.raise(); // for `reap`, which starts a worker again
    if (!std::exchange(any_ended_, false))
        return;
    const pthread_t last = last_ended_;
    held.unlock();
    pthread_join(last, nullptr);
    held.lock();
}

} // namespace asio_aio::detail
