// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pthread.h>

namespace asio_aio::detail {

/// Starts a joinable thread. Returns 0 or the errno of pthread_create(3).
/**
 * The thread blocks all signals. Signal handlers therefore run on the program's own threads, and a
 * write past RLIMIT_FSIZE fails with EFBIG instead of SIGXFSZ. The stack has room for system calls
 * and for the program's thread-local storage.
 */
int create_worker_thread(pthread_t& thread, void* (*entry)(void*), void* argument) noexcept;

} // namespace asio_aio::detail
