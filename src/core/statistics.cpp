// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/statistics.hpp>

#include <cmath>
#include <numeric>

namespace asio_aio {

std::uint64_t latency_histogram::count() const noexcept {
    return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t(0));
}

std::chrono::nanoseconds latency_histogram::quantile(double q) const noexcept {
    const auto rank = std::uint64_t(std::ceil(q * double(count())));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i != bucket_count; ++i) {
        seen += buckets[i];
        if (seen != 0 && seen >= rank)
            return std::chrono::nanoseconds(std::int64_t(2) << i);
    }
    return std::chrono::nanoseconds(0);
}

} // namespace asio_aio
