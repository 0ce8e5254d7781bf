// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/operation.hpp>
#include <asio_aio/statistics.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

/// The counters behind `context_statistics`, cheap enough for the path of an inline read.
/**
 * Threads count in different cache lines; a snapshot adds them up. Relaxed: nothing is concluded from a counter.
 */
class counters {
public:
    void inline_hit(std::size_t bytes) noexcept {
        shard& mine = own();
        add(mine.inline_hits, 1);
        add(mine.inline_bytes, bytes);
    }

    void inline_miss() noexcept { add(own().inline_misses, 1); }

    /// An operation that ended at initiation without any input or output: an error, or nothing to transfer.
    void ended_at_start(bool failed) noexcept {
        shard& mine = own();
        add(mine.ended_at_start, 1);
        if (failed)
            add(mine.failed, 1);
    }

    void retried() noexcept { add(own().retried, 1); }

    void completed(const operation& op, std::int64_t now) noexcept {
        shard& mine = own();
        add(mine.completed, 1);
        if (op.result == -ECANCELED)
            add(mine.cancelled, 1);
        else if (op.result < 0 && op.bytes_before == 0)
            add(mine.failed, 1);
        else if (is_transfer(op.kind))
            add(op.kind == op_kind::read ? mine.bytes_read : mine.bytes_written,
                op.bytes_before + std::size_t(std::max(op.result, 0)));
        add(mine.latency[std::size_t(group_of(op.kind))][bucket_of(now - op.started_at)], 1);
    }

    void add_to(context_statistics& sum) const noexcept {
        for (const shard& each : shards_)
            add_to(sum, each);
    }

private:
    using counter = std::atomic<std::uint64_t>;
    enum class group : unsigned char { read, write, sync, other };

    struct alignas(64) shard { // a cache line
        counter inline_hits{0}, inline_bytes{0}, inline_misses{0}, ended_at_start{0};
        counter completed{0}, failed{0}, cancelled{0}, bytes_read{0}, bytes_written{0}, retried{0};
        std::array<std::array<counter, latency_histogram::bucket_count>, 4> latency{};
    };

    static constexpr std::size_t shard_count = 4;

    static void add(counter& to, std::uint64_t n) noexcept { to.fetch_add(n, std::memory_order_relaxed); }
    static std::uint64_t get(const counter& from) noexcept { return from.load(std::memory_order_relaxed); }

    shard& own() noexcept {
        static std::atomic<std::size_t> next{0};
        thread_local const std::size_t index = next.fetch_add(1, std::memory_order_relaxed) % shard_count;
        return shards_[index];
    }

    static group group_of(op_kind kind) noexcept {
        switch (kind) {
        case op_kind::read: return group::read;
        case op_kind::write: return group::write;
        case op_kind::sync_all:
        case op_kind::sync_data:
        case op_kind::sync_range: return group::sync;
        default: return group::other;
        }
    }

    static std::size_t bucket_of(std::int64_t nanoseconds) noexcept {
        std::size_t bucket = 0;
        while (nanoseconds > 1 && bucket != latency_histogram::bucket_count - 1) {
            nanoseconds >>= 1;
            ++bucket;
        }
        return bucket;
    }

    static void add_to(context_statistics& sum, const shard& one) noexcept {
        const std::uint64_t at_start = get(one.inline_hits) + get(one.ended_at_start);
        sum.completed += get(one.completed) + at_start;
        sum.started += at_start;
        sum.failed += get(one.failed);
        sum.cancelled += get(one.cancelled);
        sum.bytes_read += get(one.bytes_read) + get(one.inline_bytes);
        sum.bytes_written += get(one.bytes_written);
        sum.inline_hits += get(one.inline_hits);
        sum.inline_misses += get(one.inline_misses);
        sum.retried += get(one.retried);
        latency_histogram* const histograms[] = {&sum.read, &sum.write, &sum.sync, &sum.other};
        for (std::size_t g = 0; g != one.latency.size(); ++g)
            for (std::size_t i = 0; i != latency_histogram::bucket_count; ++i)
                histograms[g]->buckets[i] += get(one.latency[g][i]);
    }

    std::array<shard, shard_count> shards_;
};

} // namespace asio_aio::detail
