// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/transfer_flags.hpp>

#include <sys/syscall.h>
#include <unistd.h>
#include <cstdint>

namespace asio_aio::detail {

/// Gives the calling thread an I/O priority, and takes it away again (ioprio_set(2)).
class priority_guard {
public:
    /// 0 means no priority: the guard then does nothing.
    explicit priority_guard(std::uint16_t priority) noexcept {
        if (priority == 0)
            return;
        const long before = ::syscall(SYS_ioprio_get, of_thread, 0);
        // without a priority of its own the thread has the class "none", whose number must be 0
        if (before > 0 && before >> priority_class_shift != 0)
            before_ = int(before);
        is_set_ = ::syscall(SYS_ioprio_set, of_thread, 0, int(priority)) == 0;
        is_refused_ = !is_set_;
    }

    priority_guard(const priority_guard&) = delete;
    priority_guard& operator=(const priority_guard&) = delete;

    ~priority_guard() {
        if (is_set_)
            ::syscall(SYS_ioprio_set, of_thread, 0, before_);
    }

    bool is_refused() const noexcept { return is_refused_; }

private:
    static constexpr int of_thread = 1; // IOPRIO_WHO_PROCESS; the id 0 is the calling thread

    int before_ = 0;
    bool is_set_ = false;
    bool is_refused_ = false;
};

} // namespace asio_aio::detail
