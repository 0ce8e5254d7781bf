// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <ctime>

namespace asio_aio::detail {

/// Blocks SIGXFSZ while the kernel is entered.
/**
 * If RLIMIT_FSIZE is set, a write past the limit sends SIGXFSZ to the thread that performs it,
 * which ends the process. io_uring_enter and io_submit may write on the calling thread. With the
 * guard such a write only fails with EFBIG, as on the pool and on the kernel's workers.
 */
class file_size_signal_guard {
public:
    static bool is_needed() noexcept {
        rlimit limit;
        return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    }

    explicit file_size_signal_guard(bool needed) noexcept : needed_(needed) {
        if (!needed_)
            return;
        sigemptyset(&signal_);
        sigaddset(&signal_, SIGXFSZ);
        pthread_sigmask(SIG_BLOCK, &signal_, &before_);
    }
    file_size_signal_guard(const file_size_signal_guard&) = delete;
    file_size_signal_guard& operator=(const file_size_signal_guard&) = delete;
    ~file_size_signal_guard() {
        if (!needed_)
            return;
        constexpr timespec no_wait{0, 0};
        if (sigismember(&before_, SIGXFSZ) == 0)
            while (sigtimedwait(&signal_, nullptr, &no_wait) == SIGXFSZ) {
            }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    bool needed_;
    sigset_t signal_;
    sigset_t before_;
};

} // namespace asio_aio::detail
