// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>

#include <cstddef>
#include <vector>

namespace asio_aio {

/// What `configure` sets for one execution context.
struct options {
    static constexpr unsigned most_threads = 4096;
    static constexpr unsigned deepest_queue = 32768; // io_uring's own limit

    /// The engines to try, best first; the first that works is used. Empty: environment, file, then automatic.
    std::vector<backend> choice;

    /// Operations that the kernel's queue of io_uring or libaio holds at most; more wait in order. 1 to
    /// `deepest_queue`.
    /** The thread pool has no queue in the kernel: its bound is `max_threads`. */
    unsigned queue_depth = 256;

    /// Threads of the pool at most; made on demand, ended when idle. 1 to `most_threads`.
    unsigned max_threads = 32;

    /// io_uring: a thread of the kernel's submits, so that the program enters the kernel less often
    /// (IORING_SETUP_SQPOLL).
    /** It spins for a second after the last operation: for a machine with a core to spare. */
    bool sqpoll = false;

    /// io_uring: one thread runs the context (IORING_SETUP_DEFER_TASKRUN, Linux 6.1), which spares it interruptions.
    /**
     * The first thread that runs it is the one until it has ended; then another may be. Operations that are handed over
     * on another thread meanwhile, or are in the kernel when theirs ends, fail with `errc::wrong_thread`. Where the
     * kernel does not know the mode, the engine is not available. Not together with `sqpoll`.
     */
    bool single_issuer = false;

    /// A buffered read of at most so many bytes, in up to eight buffers, is first tried without an engine. 0: never.
    std::size_t inline_read_limit = std::size_t(64) * 1024;
};

} // namespace asio_aio
