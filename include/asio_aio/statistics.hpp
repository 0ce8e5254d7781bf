// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace asio_aio {

/// Counts how long operations of one kind took, from their start to the submission of the handler.
/**
 * All operations of a batch count from the start of the first one. Bucket i counts latencies of
 * [2^i, 2^(i+1)) nanoseconds; the last bucket counts everything longer. Operations that end in
 * their initiating function are not counted, such as inline reads.
 */
struct latency_histogram {
    static constexpr std::size_t bucket_count = 40; // 2^40 ns is 18 minutes
    std::array<std::uint64_t, bucket_count> buckets{};

    /// Returns the number of operations counted.
    ASIO_AIO_API std::uint64_t count() const noexcept;

    /// Returns the upper bound of the bucket in which the q-quantile lies, or 0 if nothing was
    /// counted. `q` is in [0, 1].
    ASIO_AIO_API std::chrono::nanoseconds quantile(double q) const noexcept;
};

/// The counters of one execution context since it was created; see `statistics(context)`.
/**
 * The counters are read one after the other while operations go on. Sums may therefore be off by
 * the number of operations in flight.
 */
struct context_statistics {
    std::uint64_t started = 0; ///< Asynchronous operations, inline reads included.
    /// Operations whose handler was submitted to its executor, whatever the result.
    std::uint64_t completed = 0;
    /// Of `completed`: with an error other than end of file and cancellation.
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0; ///< Of `completed`: with `operation_aborted`.
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;

    /// Hints of `transfer_options` that the kernel or the filesystem refused. Synchronous reads and
    /// writes count, too.
    std::uint64_t hints_dropped = 0;

    std::uint64_t syncs = 0; ///< `async_sync_all` and `async_sync_data` that were started.
    /// Flushes that the engines performed for them. Concurrent syncs of one file share flushes.
    std::uint64_t flushes = 0;

    std::uint64_t inline_hits = 0; ///< Inline reads that served the whole request.
    /// Inline reads that left the request, or a part of it, to an engine.
    std::uint64_t inline_misses = 0;

    std::uint64_t inline_writes = 0; ///< Writes to tmpfs that needed no engine.

    /// Calls of io_uring_enter(2), io_submit(2) and io_getevents(2), operations that a thread of
    /// the pool took, inline reads that were tried, and inline writes.
    std::uint64_t kernel_entries = 0;
    std::uint64_t batches = 0; ///< Submissions of one or more operations to the engines.
    std::uint64_t largest_batch = 0;
    std::uint64_t wake_ups = 0; ///< How often the engines' event woke the loop.
    /// Operations performed again: after EAGAIN or EBUSY on the pool. On io_uring also the rest of
    /// a short read, and operations whose submitting thread may have ended.
    std::uint64_t retried = 0;
    /// Submissions of reads and writes that used registered memory (`register_buffers`). An
    /// operation that is submitted again counts again.
    std::uint64_t fixed_buffers = 0;

    /// Passed to the pool because the chosen engine cannot serve the operation. It does not know
    /// the kind of operation or file, or it lacks memory or a worker. Or the kernel could not do it
    /// now, the process was about to fork, or the engine has failed.
    std::uint64_t passed_unsupported = 0;
    /// Passed to the pool because the kernel refused an operation on this file (EINVAL,
    /// EOPNOTSUPP), or because the file is on FUSE.
    std::uint64_t passed_refused = 0;
    /// Passed to the pool: buffered writes of regular files, for which the pool is faster, and all
    /// buffered I/O of libaio, which performs it on the loop's thread.
    std::uint64_t passed_buffered = 0;
    /// Passed to the pool because libaio would have waited on the loop's thread, or because it
    /// would have waited for earlier operations on this file.
    std::uint64_t passed_would_wait = 0;

    std::uint64_t in_flight = 0;      ///< Started and not yet completed.
    std::uint64_t peak_in_flight = 0; ///< The largest number in flight at a time.
    unsigned threads = 0;             ///< Threads of the pool now.

    /// `sync` counts sync_all, sync_data and sync_range; `other` counts all remaining kinds.
    latency_histogram read, write, sync, other;
};

} // namespace asio_aio
