// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace asio_aio::detail {

/// The eventfd with which the engines of one context wake its loop.
/**
 * `raise` makes a system call only if the loop has not been woken yet. Many completions therefore
 * cost one wake-up. The kernel may raise the descriptor as well (a registered eventfd).
 */
class event {
public:
    event() = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event() { close(); }

    /// Makes the descriptor. Returns 0 or -errno of eventfd(2).
    int open() noexcept;
    void close() noexcept;

    int descriptor() const noexcept { return descriptor_; }

    void raise() noexcept;

    /// Makes the descriptor unreadable again. The caller reaps completions after this call, never
    /// before it.
    void clear() noexcept;

    std::uint64_t wake_ups() const noexcept { return wake_ups_.load(std::memory_order_relaxed); }

private:
    int descriptor_ = -1;
    std::atomic<bool> raised_{false};
    std::atomic<std::uint64_t> wake_ups_{0};
};

} // namespace asio_aio::detail
