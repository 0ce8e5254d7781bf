// SPDX-License-Identifier: BSL-1.0
// What a worker of the pool does while there is no work for it.
#include "engine/thread_pool/engine.hpp"

#include <chrono>
#include <utility>

namespace asio_aio::detail {

/// Waits for work. Returns false if the worker has to end, because it was idle or the engine ends
/// its workers.
bool thread_pool_engine::wait_for_work(lock& held) noexcept {
    if (ending_)
        return false;
    const std::int64_t since = now();
    if (!watching_ && needs_watch())
        watch(held);
    else if (!spin(held) && !sleep(held))
        return false;
    else
        idle_time_.add(now() - since);
    return true;
}

/// Looks for work for some microseconds without sleeping, if work came as soon lately. A thread that
/// sleeps runs some microseconds after it was woken.
bool thread_pool_engine::spin(lock& held) noexcept {
    constexpr std::int64_t longest = 30'000; // nanoseconds
    if (processors_ < 2 || spinning_ || !idle_time_.is_fast())
        return false;
    spinning_ = true;
    spin_ends_.store(false, std::memory_order_relaxed);
    held.unlock();
    const std::int64_t end = now() + longest;
    while (!spin_ends_.load(std::memory_order_relaxed) && now() < end) {
    }
    held.lock();
    spinning_ = false;
    return has_work() || ending_;
}

/// Watches the workers, as long as there is a need and no work.
void thread_pool_engine::watch(lock& held) noexcept {
    constexpr unsigned patience = 8; // ticks
    const auto is_called = [this] { return has_work() || ending_; };
    watching_ = true;
    for (unsigned quiet = 0; quiet != patience; quiet = needs_watch() ? 0 : quiet + 1) {
        if (tick_.wait_for(held, settings_.tick, is_called))
            break;
        ++now_;
        find_held_up();
        if (unannounced_)
            announce(held);
    }
    watching_ = false;
}

void thread_pool_engine::find_held_up() noexcept {
    for (seat& each : seats_)
        if (each.from && now_ - each.tick > 1)
            hold_up(each);
}

/// Sleeps until there is work. Returns false if there was none for so long that the worker ends.
bool thread_pool_engine::sleep(lock& held) noexcept {
    const auto is_called = [this] {
        return has_work() || ending_ || (needs_watch() && !watching_);
    };
    const auto end = std::chrono::steady_clock::now() + settings_.idle_time;
    bool late = false;
    ++sleeping_;
    while (!is_called()) {
        if (!late)
            late = work_available_.wait_until(held, end) == std::cv_status::timeout;
        else if (
            workers_ - starting_ - extra_ == 1) // another one might not start when it is needed
            work_available_.wait(held);
        else
            break;
        if (waking_ != 0) // also if there is no work any more: nobody else waits for this one
            --waking_;
    }
    --sleeping_;
    return is_called();
}

} // namespace asio_aio::detail
