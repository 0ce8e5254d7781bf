// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/backlog.hpp"

#include <asio_aio/detail/core/file_handle.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace asio_aio::detail {

/// Nanoseconds of the steady clock.
inline std::int64_t now() noexcept {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline std::int64_t nanoseconds(std::chrono::nanoseconds duration) noexcept {
    return duration.count();
}

/// How long the operations of a queue took lately, in nanoseconds.
/**
 * A long operation counts more than a short one, so that a queue that becomes slow gets more workers
 * soon. It counts no more than `most`, because the thread may have lost its processor meanwhile.
 */
class pace {
public:
    /// @param slow_from The average time from which operations count as slow.
    explicit pace(std::int64_t slow_from) noexcept
        : slow_from_(slow_from), average_(slow_from - 1) {}

    void add(std::int64_t duration) noexcept {
        constexpr std::int64_t most = 200'000;
        const std::int64_t counted = std::min(duration, most);
        average_ += (counted - average_) / (counted > average_ ? 8 : 16);
    }

    std::int64_t average() const noexcept { return average_; }

    /// True if more workers than processors would bring nothing: the operations do not wait, they
    /// compute or copy.
    bool is_fast() const noexcept { return average_ < slow_from_; }

private:
    const std::int64_t slow_from_;
    std::int64_t average_; ///< One slow operation is enough at first.
};

/// True for operations that wait for a device or a server. They never occupy all workers.
inline bool is_slow(const operation& op) noexcept {
    if (op.state() == op_state::to_close)
        return false; // its result must not wait for others
    return is_slow(op.kind) || op.is_synced_write();
}

/// Operations that wait for a worker, and the number of workers that have others of them.
struct work_queue {
    work_queue(waiting_at where, std::int64_t slow_from) noexcept
        : waiting(where), speed(slow_from) {}

    /// True if a worker that is awake may take an operation. `most` workers at a time perform fast
    /// operations.
    bool has_work(unsigned most) const noexcept {
        return !waiting.empty() && (running < most || !speed.is_fast());
    }

    /// True if it pays to wake a worker for this queue.
    bool is_worth_waking(unsigned most) const noexcept {
        constexpr std::int64_t costs_of_waking = 20'000; // nanoseconds, until the worker runs
        return has_work(most) &&
            (running == 0 || !speed.is_fast() ||
             std::int64_t(waiting.size()) * speed.average() > running * costs_of_waking);
    }

    backlog waiting;
    unsigned running = 0; ///< Workers that are not held up.
    unsigned held_up = 0; ///< Workers with an operation that takes longer than a tick.
    pace speed;
};

} // namespace asio_aio::detail
