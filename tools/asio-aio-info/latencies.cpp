// SPDX-License-Identifier: BSL-1.0
#include "latencies.hpp"

#include <algorithm>

namespace info {

void latencies::add(std::chrono::nanoseconds time) noexcept {
    ++counts_[bucket(std::uint64_t(std::max<std::int64_t>(time.count(), 0)))];
    ++count_;
}

double latencies::quantile_us(double q) const noexcept {
    const auto rank = std::uint64_t(q * double(count_));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i != counts_.size(); ++i)
        if ((sum += counts_[i]) > rank)
            return middle(i) / 1e3;
    return 0;
}

std::size_t latencies::bucket(std::uint64_t ns) noexcept {
    if (ns < fine)
        return ns;
    const unsigned shift = 63 - unsigned(__builtin_clzll(ns)) - fine_bits;
    return (std::size_t(shift) << fine_bits) + std::size_t(ns >> shift);
}

double latencies::middle(std::size_t bucket) noexcept {
    if (bucket < fine)
        return double(bucket);
    const std::size_t shift = (bucket >> fine_bits) - 1;
    return (double((bucket & (fine - 1)) + fine) + 0.5) * double(std::uint64_t(1) << shift);
}

} // namespace info
