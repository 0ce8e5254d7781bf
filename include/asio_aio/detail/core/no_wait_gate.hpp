// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace asio_aio::detail {

/// Decides for one file whether to try I/O that must not wait: an inline read, or an operation of
/// libaio.
/**
 * Each miss in a row doubles the number of operations that are skipped after it, up to 63. So a
 * file that is not in memory costs one short system call in 64 reads. The counts are hints: threads
 * may overwrite each other's.
 */
class no_wait_gate {
public:
    bool try_next() noexcept {
        const unsigned skip = skip_.load(std::memory_order_relaxed);
        if (skip == 0)
            return true;
        if (skip != never)
            skip_.store(std::uint8_t(skip - 1), std::memory_order_relaxed);
        return false;
    }

    void hit() noexcept {
        if (misses_.load(std::memory_order_relaxed) != 0)
            misses_.store(0, std::memory_order_relaxed);
    }

    void miss() noexcept {
        const unsigned misses = misses_.load(std::memory_order_relaxed);
        if (misses < max_doublings)
            misses_.store(std::uint8_t(misses + 1), std::memory_order_relaxed);
        skip_.store(std::uint8_t((1u << misses) - 1), std::memory_order_relaxed);
    }

    /// Turns tries off for this file, because the filesystem cannot perform them.
    void refuse() noexcept { skip_.store(never, std::memory_order_relaxed); }

private:
    static constexpr unsigned max_doublings = 6; // 2^6 - 1 = 63 between two tries
    static constexpr std::uint8_t never = 255;

    std::atomic<std::uint8_t> misses_{0};
    std::atomic<std::uint8_t> skip_{0};
};

} // namespace asio_aio::detail
