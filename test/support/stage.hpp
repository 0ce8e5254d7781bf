// SPDX-License-Identifier: BSL-1.0
// Tests of the pool put this in the place of the kernel.
#pragma once

#include "engine_support.hpp"

#include "engine/thread_pool/engine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <vector>

namespace test {

using detail::operation;

/// Stands for the kernel: notes what the workers perform, and holds the operations that a test
/// chose.
class stage {
public:
    stage() { current() = this; }
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;
    ~stage() { current() = nullptr; }

    /// What a worker of the pool calls.
    static int perform(operation& op) noexcept { return current()->act(op); }

    void hold(const operation& op) {
        const std::lock_guard<std::mutex> held(mutex_);
        held_.insert(&op);
    }

    void let_go(const operation& op) {
        const std::lock_guard<std::mutex> held(mutex_);
        held_.erase(&op);
        changed_.notify_all();
    }

    void let_go() {
        const std::lock_guard<std::mutex> held(mutex_);
        held_.clear();
        changed_.notify_all();
    }

    /// The offsets of the operations that began, in this order.
    std::vector<std::uint64_t> begun() {
        const std::lock_guard<std::mutex> held(mutex_);
        return begun_;
    }

    void wait_for_begun(std::size_t count) {
        std::unique_lock<std::mutex> held(mutex_);
        changed_.wait(held, [&] { return begun_.size() >= count; });
    }

    /// The most operations that were performed at the same time.
    int peak() {
        const std::lock_guard<std::mutex> held(mutex_);
        return peak_;
    }

    std::atomic<int> result{1}; ///< Of each operation.

private:
    static stage*& current() {
        static stage* the_stage = nullptr;
        return the_stage;
    }

    int act(const operation& op) {
        std::unique_lock<std::mutex> held(mutex_);
        begun_.push_back(op.offset);
        peak_ = std::max(peak_, ++running_);
        changed_.notify_all();
        changed_.wait(held, [&] { return held_.count(&op) == 0; });
        --running_;
        return result;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<const operation*> held_;
    std::vector<std::uint64_t> begun_;
    int running_ = 0, peak_ = 0;
};

inline constexpr auto never = std::chrono::hours(1);

inline detail::thread_pool_settings staged(
    unsigned max_threads, std::chrono::milliseconds tick = std::chrono::milliseconds(1)) {
    detail::thread_pool_settings settings;
    settings.max_threads = max_threads;
    settings.perform = &stage::perform;
    settings.tick = tick;
    settings.processors = 2;
    settings.slow_from = never; // whatever else the machine does, writes count as fast
    return settings;
}

} // namespace test
