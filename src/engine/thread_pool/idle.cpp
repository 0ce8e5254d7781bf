// SPDX-License-Identifier: BSL-1.0
// What a worker of the pool does while there is no work for it.
#include "engine/thread_pool/engine.hpp"

#include <chrono>
#include <utility>

namespace asio_aio::detail {

/// Waits for work. Returns false if the worker has to end, because it was idle or the engine ends
/// its workers.
bool thread_pool_engine::wait_for_work(seat& place, lock& held) noexcept {
    if (ending_)
        return false;
    if (!watching_ && needs_watch()) {
        watch(held);
        return true;
    }
    idle_since_ = now();
    return spin(held) || sleep(place, held);
}

/// Looks for work for some microseconds without sleeping, if work came as soon lately. A thread that
/// sleeps runs some microseconds after it was woken.
bool thread_pool_engine::spin(lock& held) noexcept {
    if (processors_ < 2 || spinning_ || !idle_time_.is_fast())
        return false;
    spinning_ = true;
    spin_ends_.store(false, std::memory_order_relaxed);
    held.unlock();
    const std::int64_t end = now() + longest_spin;
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

/// Sleeps until somebody calls this worker. Returns false if nobody did for so long that it ends.
bool thread_pool_engine::sleep(seat& place, lock& held) noexcept {
    const auto is_called = [&] { return place.is_called || ending_; };
    place.next_sleeper = std::exchange(sleepers_, &place);
    if (!place.call.wait_for(held, settings_.idle_time, is_called) &&
        workers_ - starting_ - extra_ == 1) // another one might not start when it is needed
        place.call.wait(held, is_called);
    if (std::exchange(place.is_called, false)) {
        --waking_;
        return true;
    }
    leave_sleepers(place);
    return false;
}

void thread_pool_engine::leave_sleepers(const seat& place) noexcept {
    seat** each = &sleepers_;
    while (*each != &place)
        each = &(*each)->next_sleeper;
    *each = place.next_sleeper;
}

} // namespace asio_aio::detail
