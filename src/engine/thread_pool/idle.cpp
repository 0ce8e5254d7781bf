// SPDX-License-Identifier: BSL-1.0
// What a worker of the pool does while there is no work for it.
#include "engine/thread_pool/engine.hpp"

#include <algorithm>
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
    return has_work() || ending_ || (!watching_ && needs_watch());
}

/// Watches the workers, as long as there is a need and no work.
void thread_pool_engine::watch(lock& held) noexcept {
    constexpr unsigned patience = 8; // ticks
    const auto is_called = [this] { return has_work() || ending_; };
    watching_ = true;
    for (unsigned quiet = 0; quiet != patience; quiet = needs_watch() ? 0 : quiet + 1) {
        if (tick_.wait_for(held, settings_.tick, is_called))
            break;
        find_held_up(now());
        if (unannounced_)
            announce(held);
    }
    watching_ = false;
}

/// Finds the workers that have had their operation for more than a tick. An idle worker looks at
/// each tick, and a worker between two operations does if nobody has looked for so long.
void thread_pool_engine::find_held_up(std::int64_t time) noexcept {
    looked_ = time;
    for (seat& each : seats_)
        if (each.from && time - each.since > nanoseconds(settings_.tick))
            hold_up(each);
}

/// Called by an idle worker. It stays if the others may all hang and no thread could be started.
bool thread_pool_engine::is_only_idle_worker() const noexcept {
    return std::count_if(seats_.begin(), seats_.end(), [](const seat& each) {
               return each.taken && !each.from;
           }) == 1;
}

/// Sleeps until somebody calls this worker. Returns false if nobody did for so long that it ends.
bool thread_pool_engine::sleep(seat& place, lock& held) noexcept {
    const auto is_called = [&] { return place.is_called || ending_; };
    place.next_sleeper = std::exchange(sleepers_, &place);
    if (!place.call.wait_for(held, settings_.idle_time, is_called) && is_only_idle_worker())
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
