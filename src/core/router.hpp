// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/event.hpp"
#include "engine/engine.hpp"

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/op_queue.hpp>
#include <asio_aio/detail/core/scheduler.hpp>
#include <asio_aio/statistics.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace asio_aio::detail {

/// The engines of one execution context, and the event that they share. The scheduler uses them
/// like one engine.
/**
 * Before submission, `route` decides which engine gets an operation. If the kernel refuses an
 * operation later, the router passes it to the pool.
 */
class router {
public:
    router() = default;
    router(const router&) = delete;
    router& operator=(const router&) = delete;

    /// Makes the event. Returns 0 or -errno; after a failure the call can be repeated.
    int open_event() noexcept { return finished_.open(); }
    event& finished() noexcept { return finished_; }

    /// Adds the chosen engine and then the thread pool, or only the pool if it was chosen.
    void add_engines(engine_list engines) noexcept { engines_ = std::move(engines); }

    refusal failure() const noexcept { return chosen().failure(); }

    /// The engine that reads and writes `file`.
    backend backend_of(const file_handle& file) const noexcept {
        return (chosen().serves(file) ? chosen() : pool()).kind();
    }

    /// Submits each operation to the engine that serves it.
    void submit(op_queue& batch) noexcept;

    /// Moves finished operations to the end of `done`. Submits to the pool what the chosen engine
    /// handed back.
    void reap(op_queue& done) noexcept;

    void cancel(file_handle& file) noexcept;
    void cancel(operation& op) noexcept;
    void stop(op_queue& abandoned) noexcept;

    /// Wakes the loop, even if no operation has finished.
    void wake() noexcept { finished_.raise(); }

    /// Call it when the loop was woken, before `reap`.
    void clear_wake_up() noexcept { finished_.clear(); }

    /// Completes all operations, including `pending`, because after the fork both processes would
    /// perform them. Moves reaped operations to `done`.
    void prepare_fork(op_queue& pending, op_queue& done) noexcept;
    int become_child() noexcept;

    // Registered memory belongs to the chosen engine; see `engine`.
    std::uint64_t register_memory(const iovec* memory, std::size_t count) {
        return chosen().register_memory(memory, count);
    }
    void unregister_memory(std::uint64_t name) noexcept { chosen().unregister_memory(name); }
    int why_plain(std::uint64_t name) const noexcept { return chosen().why_plain(name); }
    refused_memory refused_buffers() const noexcept { return chosen().refused_buffers(); }

    /// The number of operations that went to the pool for this reason.
    std::uint64_t passed(pass_reason why) const noexcept {
        return passed_[std::size_t(why)].load(std::memory_order_relaxed);
    }
    engine_counters counters() const noexcept;
    void add_to(context_statistics& sum) const noexcept;

private:
    engine& chosen() const noexcept { return *engines_.front(); }
    engine& pool() const noexcept { return *engines_.back(); }
    bool has_two() const noexcept { return engines_.size() > 1; }
    pass_reason route(operation& op) const noexcept {
        return needs_thread(op.kind) ? pass_reason::unsupported : chosen().why_not(op);
    }
    bool goes_to_chosen(operation& op) noexcept;
    void give_to_pool(op_queue& returned) noexcept;
    void count_batch(std::size_t size) noexcept;

    event finished_; // before the engines, which raise it until they end
    engine_list engines_;
    std::atomic<std::uint64_t> batches_{0};
    std::atomic<std::uint64_t> largest_batch_{0};
    std::array<std::atomic<std::uint64_t>, pass_reason_count> passed_{}; ///< By pass_reason.
};

} // namespace asio_aio::detail
