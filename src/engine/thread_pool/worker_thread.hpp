// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pthread.h>
#include <sys/types.h>
#include <mutex>

namespace asio_aio::detail {

/// Starts a joinable thread. Returns 0 or the errno of pthread_create(3).
/**
 * The thread blocks all signals. Signal handlers therefore run on the program's own threads, and a
 * write past RLIMIT_FSIZE fails with EFBIG instead of SIGXFSZ. The stack has room for system calls
 * and for the program's thread-local storage.
 */
int create_worker_thread(pthread_t& thread, void* (*entry)(void*), void* argument) noexcept;

/// A thread for one call, which may run again after it has ended. Thread-safe.
class call_thread {
public:
    call_thread() = default;
    call_thread(const call_thread&) = delete;
    call_thread& operator=(const call_thread&) = delete;
    ~call_thread() { join(); }

    /// Starts `entry(argument)`, after an earlier call has ended. Returns 0 or an errno.
    int start(void* (*entry)(void*), void* argument) noexcept;

    /// Waits until the call has ended. Does nothing in a child process, which has no such thread.
    void join() noexcept;

private:
    void join_locked() noexcept;

    std::mutex mutex_;
    pthread_t thread_{};
    pid_t process_ = 0; ///< The process of `thread_`; 0 if there is none to join.
};

} // namespace asio_aio::detail
