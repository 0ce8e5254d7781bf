// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "workload.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

/// A histogram of times. Each bucket is 1/32 of its value wide.
class histogram {
public:
    /// Thread-safe.
    void add(std::chrono::nanoseconds time) noexcept;

    std::uint64_t count() const;

    /// The q-quantile in microseconds: the middle of its bucket. For q = 1 the highest time.
    double quantile_us(double q) const;

private:
    static constexpr unsigned fine_bits = 5;
    static constexpr std::size_t fine = std::size_t(1) << fine_bits;

    static std::size_t bucket(std::uint64_t ns) noexcept;
    static double middle(std::size_t bucket);

    std::array<std::atomic<std::uint64_t>, (64 - fine_bits + 1) * fine> counts_{};
    std::atomic<std::uint64_t> highest_{0};
};

/// Hands out the operations of a run. Measures its wall-clock time, CPU time and latencies.
class measurement {
public:
    explicit measurement(const workload& wanted);

    /// Takes operations, numbered from `first`, and returns how many: 0 if none is left.
    /** The call that takes the first operation after the warm-up starts the clock. */
    unsigned take(std::uint64_t& first) noexcept;

    void set_places(std::uint64_t places, unsigned groups);

    /// Each group of places calls this when its operations are done. The last call stops the clock.
    void group_finished(std::uint64_t completed) noexcept;

    bool wants_latency(std::uint64_t ticket) const noexcept {
        return latency_ && ticket >= warm_up_;
    }
    void add_latency(std::chrono::nanoseconds time) noexcept { latencies_.add(time); }

    /// Prints the result as one line. Throws if an operation is missing.
    void print(
        const std::string& contestant, const workload& wanted, const std::string& engine,
        const std::string& notes) const;

private:
    using clock = std::chrono::steady_clock;

    struct instant {
        clock::time_point wall;
        double cpu_seconds;
    };
    static instant now() noexcept;
    void check_completed() const;

    const std::uint64_t operations_;
    const std::uint64_t warm_up_;
    const bool latency_;
    const bool one_thread_;
    unsigned batch_ = 1;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<std::uint64_t> completed_{0};
    std::atomic<unsigned> groups_running_{0};
    instant begin_{}; // written by the thread that takes the first operation after the warm-up
    instant end_{};
    histogram latencies_;
};

} // namespace bench
