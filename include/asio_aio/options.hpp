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

    /// The engines to try, best first; the first that works is used. Empty: environment, file, then
    /// automatic.
    std::vector<backend> choice;

    /// Operations of one context that the kernel holds at most; more wait in order, in the library.
    /// 1 to `deepest_queue`.
    /**
     * io_uring: costs about 100 bytes each, of locked memory where the kernel counts it as such
     * (Linux 6.14 to 6.18). libaio: counts against the system's `fs.aio-max-nr` (65536 by default).
     * Where RLIMIT_MEMLOCK or that limit does not allow it, it is halved until it fits. The pool's
     * bound is `max_threads`.
     */
    unsigned queue_depth = 256;

    /// Threads of one context's pool at most; made on demand, and all but one ended when idle for
    /// 10 seconds. 1 to `most_threads`.
    /**
     * Where the system allows no thread at all (RLIMIT_NPROC, pids.max), operations that need the
     * pool wait for the first one for 5 seconds, and then fail with `not_enough_memory`.
     *
     * io_uring has a pool beside it, for what it cannot do. The kernel's own workers belong to the
     * thread that runs the context and serve all its io_uring rings: their limit is raised to this
     * number and never lowered. It may be higher by another context, or by the kernel's default of
     * four for each processor.
     */
    unsigned max_threads = 32;

    /// io_uring: a thread of the kernel's submits, so that the program enters the kernel less often
    /// (IORING_SETUP_SQPOLL).
    /**
     * One thread for each context. It keeps a core busy while there is work and for a second after,
     * which counts as the process's CPU time: for one or two busy contexts on a machine with cores
     * to spare.
     */
    bool sqpoll = false;

    /// io_uring: one thread runs the context (IORING_SETUP_DEFER_TASKRUN, Linux 6.1), which spares
    /// it interruptions.
    /**
     * Any thread may open files and start operations. The first thread that runs the context is the
     * one until it has ended, not only its `run()`; then another may be. What another thread hands
     * over meanwhile, or what is in the kernel when the one ends, fails with `errc::wrong_thread`.
     * Where the kernel does not know the mode, the engine is not available, and a choice that
     * allows it falls back. Not together with `sqpoll`.
     */
    bool single_issuer = false;

    /// A buffered read of at most so many bytes, in up to eight buffers, is first tried without an
    /// engine. 0: never.
    /**
     * What is in memory is copied by the thread that starts the read: about 10 microseconds for 64
     * KiB.
     */
    std::size_t inline_read_limit = std::size_t(64) * 1024;

    /// Whether that is done, too, where the filesystem refuses RWF_NOWAIT: on tmpfs and on
    /// overlayfs, the root of a container.
    /**
     * tmpfs: all of it is taken to be in memory (a page that was swapped out is waited for).
     *
     * overlayfs: the file is mapped, without ever being touched, to ask mincore(2) what is in
     * memory: address space of twice its size and 64 MiB at least, for as long as it is open. It is
     * not done where RLIMIT_AS is set, for more than 8192 files or an eighth of the address space,
     * while a write to the file is in flight, and where the process neither owns the file nor may
     * write it (the kernel does not tell then). What is in memory may still be waited for: where
     * somebody else writes the file and XFS lies below, which reads under a lock; where NFS lies
     * below, which asks its server; and where the file was opened read-only and has been copied up
     * since. If that is your container, turn this off.
     */
    bool inline_reads_without_nowait = true;
};

} // namespace asio_aio
