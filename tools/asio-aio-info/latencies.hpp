// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace info {

/// A histogram of times. Each bucket is 1/32 of its value wide.
class latencies {
public:
    void add(std::chrono::nanoseconds time) noexcept;

    /// The q-quantile in microseconds: the middle of its bucket. 0 if the histogram is empty.
    double quantile_us(double q) const noexcept;

private:
    static constexpr unsigned fine_bits = 5;
    static constexpr std::size_t fine = std::size_t(1) << fine_bits;

    static std::size_t bucket(std::uint64_t ns) noexcept;
    static double middle(std::size_t bucket) noexcept;

    std::array<std::uint64_t, (64 - fine_bits + 1) * fine> counts_{};
    std::uint64_t count_ = 0;
};

} // namespace info
