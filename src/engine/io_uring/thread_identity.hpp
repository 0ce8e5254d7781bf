// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>
#include <atomic>
#include <cstdint>
#include <memory>

namespace asio_aio::detail {

/// Which thread it was, for ever: the kernel's thread ids are given again to later threads.
class thread_identity {
public:
    /// No thread.
    thread_identity() = default;

    static thread_identity of_caller() noexcept;

    explicit operator bool() const noexcept { return number_ != 0; }
    bool is_caller() const noexcept;

    /// Whether the thread runs no code of the program any more: from before pthread_join(3) of it
    /// returns.
    bool has_ended() const noexcept;

private:
    std::uint64_t number_ = 0;
    /// Set when the thread ends; null where there was no memory.
    std::shared_ptr<const std::atomic<bool>> ended_;
    pid_t process_ = 0;
    pid_t kernel_id_ = 0; ///< For threads that end without their destructors being run (SYS_exit).
};

} // namespace asio_aio::detail
