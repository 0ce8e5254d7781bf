// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace asio_aio {

/// How long operations of one kind took, from initiation to the hand-over to their executor.
/**
 * Operations that are handed over together count from the start of the first of them. Bucket i
 * counts latencies of [2^i, 2^(i+1)) nanoseconds; the last one everything longer. Inline reads are
 * not in it.
 */
struct latency_histogram {
    static constexpr std::size_t bucket_count = 40; // 2^40 ns is 18 minutes
    std::array<std::uint64_t, bucket_count> buckets{};

    /// Number of operations counted.
    std::uint64_t count() const noexcept;

    /// Upper bound of the bucket in which the q-quantile lies (q in [0, 1]); 0 where nothing was
    /// counted.
    std::chrono::nanoseconds quantile(double q) const noexcept;
};

/// The counters of one execution context since it was made, see `statistics(context)`.
/**
 * A snapshot: the counters are read one by one while others go on counting, so sums may be off by
 * what is in flight.
 */
struct context_statistics {
    std::uint64_t started = 0; ///< Asynchronous operations, inline reads included.
    /// Handed to their executor, whatever the result; end of file is no failure.
    std::uint64_t completed = 0;
    /// Of these: with an error other than end of file and cancellation.
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0; ///< Of these: with `operation_aborted`.
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;

    std::uint64_t inline_hits = 0; ///< Reads served at initiation, from memory.
    /// Tried at initiation, but left to the engine, in whole or in part.
    std::uint64_t inline_misses = 0;

    std::uint64_t kernel_entries = 0; ///< System calls by which the engines submitted or did I/O.
    std::uint64_t batches = 0;        ///< Hand-overs of one or more operations to the engines.
    std::uint64_t largest_batch = 0;
    std::uint64_t wake_ups = 0; ///< Times an engine woke the loop.
    /// Submitted again: EINTR, EAGAIN, EBUSY, a short read, a submitting thread that ended.
    std::uint64_t retried = 0;

    /// Given to the pool: the chosen engine does not know the operation.
    std::uint64_t passed_unsupported = 0;
    /// Given to the pool: the engine or filesystem refused it for this file.
    std::uint64_t passed_refused = 0;
    /// Given to the pool: libaio would do buffered I/O on the loop's thread.
    std::uint64_t passed_buffered = 0;
    /// Given to the pool: libaio would have waited in the kernel on the loop's thread.
    std::uint64_t passed_would_wait = 0;

    std::uint64_t in_flight = 0;      ///< Started and not yet completed.
    std::uint64_t peak_in_flight = 0; ///< The most there ever were.
    unsigned threads = 0;             ///< Threads of the pool now.

    /// sync: sync_all, sync_data, sync_range. other: all remaining kinds.
    latency_histogram read, write, sync, other;
};

} // namespace asio_aio
