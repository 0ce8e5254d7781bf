// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>
#include <atomic>
#include <cstdint>
#include <memory>

namespace asio_aio::detail {

/// Identifies a thread for ever. The kernel reuses its thread ids for later threads.
class thread_identity {
public:
    /// Identifies no thread.
    thread_identity() = default;

    static thread_identity of_caller() noexcept;

    explicit operator bool() const noexcept { return number_ != 0; }
    bool is_caller() const noexcept;

    /// True if the thread runs no code of the program any more. True at the latest when
    /// pthread_join(3) of that thread returns.
    bool has_ended() const noexcept;

private:
    std::uint64_t number_ = 0;
    /// Set when the thread exits; null if there was no memory.
    std::shared_ptr<const std::atomic<bool>> ended_;
    pid_t process_ = 0;
    pid_t kernel_id_ = 0; ///< For threads that exit without their destructors (SYS_exit).
};

} // namespace asio_aio::detail
