// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <pthread.h>

namespace asio_aio::detail {

/// Makes a joinable thread; 0 or the errno of pthread_create(3).
/**
 * The thread receives no signals: a handler belongs to the program's own threads, and a blocked
 * SIGXFSZ leaves EFBIG. Its stack has room for system calls and for the program's thread-local
 * storage.
 */
int create_worker_thread(pthread_t& thread, void* (*entry)(void*), void* argument) noexcept;

} // namespace asio_aio::detail
