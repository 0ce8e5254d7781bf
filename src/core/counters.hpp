// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/statistics.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

/// A small number that belongs to the calling thread until the thread ends. It is `count` if all
/// numbers are taken.
class thread_number {
public:
    static constexpr unsigned count = 7;

    static unsigned mine() noexcept {
        thread_local const thread_number number;
        return number.value_;
    }

private:
    thread_number() noexcept {
        unsigned taken = taken_.load(std::memory_order_relaxed);
        do {
            for (value_ = 0; value_ != count && (taken & 1u << value_) != 0; ++value_) {
            }
        } while (
            value_ != count &&
            !taken_.compare_exchange_weak(
                taken, taken | 1u << value_, std::memory_order_acquire, std::memory_order_relaxed));
    }

    ~thread_number() {
        if (value_ != count)
            taken_.fetch_and(~(1u << value_), std::memory_order_release);
    }

    static inline std::atomic<unsigned> taken_{0};
    unsigned value_ = 0;
};

/// The counters behind `context_statistics`, cheap enough for an inline read.
/**
 * Up to seven threads have a shard of their own, and need no locked instruction. All other threads
 * share the last shard. A snapshot adds the shards up. The memory order is relaxed, because the
 * program concludes nothing else from a counter.
 */
class counters {
public:
    void inline_hit(std::size_t bytes) noexcept {
        const owned mine = own();
        mine.add(&shard::inline_hits, 1);
        mine.add(&shard::inline_bytes, bytes);
    }

    void inline_write(std::size_t bytes) noexcept {
        const owned mine = own();
        mine.add(&shard::inline_writes, 1);
        mine.add(&shard::bytes_written, bytes);
    }

    void inline_miss() noexcept { own().add(&shard::inline_misses, 1); }

    /// Counts an operation that ended in its initiating function without I/O: an error, or nothing
    /// to transfer.
    void ended_at_start(bool failed) noexcept {
        const owned mine = own();
        mine.add(&shard::ended_at_start, 1);
        if (failed)
            mine.add(&shard::failed, 1);
    }

    void completed(const operation& op, std::int64_t now) noexcept {
        const owned mine = own();
        mine.add(&shard::completed, 1);
        if (op.hints_dropped != 0)
            mine.add(&shard::hints_dropped, op.hints_dropped);
        if (op.ends_as_cancelled())
            mine.add(&shard::cancelled, 1);
        else if (op.result < 0 && op.bytes_before == 0)
            mine.add(&shard::failed, 1);
        else if (is_transfer(op.kind))
            mine.add(
                op.kind == op_kind::read ? &shard::bytes_read : &shard::bytes_written,
                op.bytes_before + std::size_t(std::max(op.result, 0)));
        mine.add(
            mine.in.latency[std::size_t(group_of(op.kind))][bucket_of(now - op.started_at)], 1);
    }

    /// Counts hints that a synchronous transfer dropped.
    void hints_dropped(unsigned number) noexcept { own().add(&shard::hints_dropped, number); }

    void add_to(context_statistics& sum) const noexcept {
        for (const shard& each : shards_)
            add_to(sum, each);
    }

private:
    using counter = std::atomic<std::uint64_t>;
    enum class group : unsigned char { read, write, sync, other };

    struct alignas(64) shard { // a cache line
        counter inline_hits{0}, inline_bytes{0}, inline_misses{0}, inline_writes{0};
        counter ended_at_start{0};
        counter completed{0}, failed{0}, cancelled{0}, bytes_read{0}, bytes_written{0};
        counter hints_dropped{0};
        std::array<std::array<counter, latency_histogram::bucket_count>, 4> latency{};
    };

    static constexpr std::size_t shard_count = thread_number::count + 1;

    /// The shard in which the calling thread counts.
    struct owned {
        shard& in;
        bool alone;

        void add(counter& to, std::uint64_t n) const noexcept {
            if (alone)
                to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
            else
                to.fetch_add(n, std::memory_order_relaxed);
        }
        void add(counter shard::*to, std::uint64_t n) const noexcept { add(in.*to, n); }
    };

    static std::uint64_t get(const counter& from) noexcept {
        return from.load(std::memory_order_relaxed);
    }

    owned own() noexcept {
        const unsigned number = thread_number::mine();
        return {shards_[number], number != thread_number::count};
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
        if (nanoseconds <= 1)
            return 0;
        const int highest_bit = 63 - __builtin_clzll(static_cast<unsigned long long>(nanoseconds));
        return std::min(std::size_t(highest_bit), latency_histogram::bucket_count - 1);
    }

    static void add_to(context_statistics& sum, const shard& one) noexcept {
        const std::uint64_t at_start =
            get(one.inline_hits) + get(one.inline_writes) + get(one.ended_at_start);
        sum.completed += get(one.completed) + at_start;
        sum.started += at_start;
        sum.failed += get(one.failed);
        sum.cancelled += get(one.cancelled);
        sum.bytes_read += get(one.bytes_read) + get(one.inline_bytes);
        sum.bytes_written += get(one.bytes_written);
        sum.hints_dropped += get(one.hints_dropped);
        sum.inline_hits += get(one.inline_hits);
        sum.inline_misses += get(one.inline_misses);
        sum.inline_writes += get(one.inline_writes);
        latency_histogram* const histograms[] = {&sum.read, &sum.write, &sum.sync, &sum.other};
        for (std::size_t g = 0; g != one.latency.size(); ++g)
            for (std::size_t i = 0; i != latency_histogram::bucket_count; ++i)
                histograms[g]->buckets[i] += get(one.latency[g][i]);
    }

    std::array<shard, shard_count> shards_;
};

} // namespace asio_aio::detail
