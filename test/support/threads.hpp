// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "support.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace test {

/// Counts arrivals. `wait` returns true when all have arrived, and false after a deadline.
class meeting {
public:
    explicit meeting(std::size_t expected) : missing_(expected) {}

    void arrive() {
        const std::lock_guard locked(mutex_);
        if (missing_ != 0)
            --missing_;
        changed_.notify_all();
    }

    [[nodiscard]] bool wait() {
        std::unique_lock locked(mutex_);
        // Shorter than the test's deadline, so that the test itself can report the failure.
        const auto deadline = std::chrono::seconds(deadline_seconds / 4);
        return changed_.wait_for(locked, deadline, [this] { return missing_ == 0; });
    }

    [[nodiscard]] bool arrive_and_wait() {
        arrive();
        return wait();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t missing_;
};

/// Runs `ctx` on `threads` threads, including the caller's, until it has no work left. Fails the
/// test after the deadline.
inline void run_on_threads(asio::io_context& ctx, std::size_t threads) {
    ctx.restart();
    bool idle = false;
    {
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < threads; ++i)
            others.emplace_back([&] { ctx.run(); });
        run_with_deadline(ctx);
        idle = ctx.stopped();
        ctx.stop(); // ends the other threads even if a completion was lost
    }
    BOOST_REQUIRE_MESSAGE(idle, "run() did not return: a completion was lost");
}

} // namespace test
