// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/event.hpp>
#include <asio_aio/options.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace asio_aio::detail {

using engine_list = std::vector<std::unique_ptr<engine>>;

/// Makes the engines of a context: the chosen one first, the thread pool last; one and the same where the pool was
/// chosen.
using engine_factory = std::function<engine_list(const options&, event&)>;

/// The engines of one execution context, and the event that they share: to its service they are one engine.
class engine_set {
public:
    engine_set() = default;
    engine_set(const engine_set&) = delete;
    engine_set& operator=(const engine_set&) = delete;

    /// Makes the event; 0 or -errno, and then it can be tried again.
    int open_event() noexcept { return event_.open(); }

    /// Makes the engines; throws std::bad_alloc, and then it can be tried again.
    void start(const options& opts, const engine_factory& make) { engines_ = make(opts, event_); }

    bool started() const noexcept { return !engines_.empty(); }
    refusal failure() const noexcept { return engines_.front()->failure(); }

    /// The engine that reads and writes `file`.
    backend backend_of(const file_handle& file) const noexcept {
        return (engines_.front()->serves(file) ? engines_.front() : engines_.back())->kind();
    }

    int event_descriptor() const noexcept { return event_.descriptor(); }

    void submit(op_queue& batch) noexcept;
    void reap(op_queue& done) noexcept;
    void cancel(file_handle& file) noexcept;
    void cancel(operation& op) noexcept;
    int register_buffers(const iovec* buffers, unsigned count) noexcept {
        return engines_.front()->register_buffers(buffers, count);
    }
    void stop(op_queue& abandoned) noexcept;

    /// Wakes the loop although nothing may have finished.
    void wake() noexcept { event_.raise(); }

    /// To be called when the loop was woken, before `reap`.
    void clear_wake_up() noexcept { event_.clear(); }

    /// Has everything done, `pending` too: after the fork both processes would do it.
    void prepare_fork(op_queue& pending) noexcept;
    int become_child() noexcept;

    engine_counters counters() const noexcept;
    std::uint64_t batches() const noexcept { return batches_.load(std::memory_order_relaxed); }
    std::uint64_t largest_batch() const noexcept { return largest_batch_.load(std::memory_order_relaxed); }
    std::uint64_t passed(pass_reason why) const noexcept {
        return passed_[std::size_t(why)].load(std::memory_order_relaxed);
    }
    std::uint64_t wake_ups() const noexcept { return event_.wake_ups(); }

private:
    void pass_on(op_queue& finished) noexcept;

    event event_; // before the engines, which raise it until they end
    engine_list engines_;
    std::atomic<std::uint64_t> batches_{0};
    std::atomic<std::uint64_t> largest_batch_{0};
    std::array<std::atomic<std::uint64_t>, pass_reason_count> passed_{}; ///< By pass_reason.
};

} // namespace asio_aio::detail
