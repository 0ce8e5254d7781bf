// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/event.hpp"
#include "engine/engine.hpp"
#include "engine/io_uring/queue.hpp"
#include "engine/io_uring/registered_buffers.hpp"
#include "engine/operation_ledger.hpp"

#include <sys/stat.h>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace asio_aio::detail {

/// Performs operations through the kernel's submission and completion queues (io_uring(7), Linux
/// 5.15).
/**
 * While the context lives, only `submit` and `reap` enter the kernel. They run on threads that run
 * the context, because the kernel ties an operation to the thread that submitted it.
 */
class io_uring_engine final : public engine {
public:
    /// `tried` is the ring of the trial. If it is null, the engine makes a ring.
    io_uring_engine(
        const ring_settings& settings, event& finished,
        std::unique_ptr<io_uring_ring> tried = nullptr);
    ~io_uring_engine() override;

    backend kind() const noexcept override { return backend::io_uring; }
    bool serves(const file_handle& file) const noexcept override;
    pass_reason why_not(operation& op) const noexcept override;
    refusal failure() const noexcept override;
    void submit(op_queue& batch) noexcept override;
    void reap(op_queue& done) noexcept override;
    void cancel(file_handle& file) noexcept override;
    void cancel(operation& op) noexcept override;
    std::uint64_t register_memory(const iovec* memory, std::size_t count) override;
    void unregister_memory(std::uint64_t name) noexcept override;
    int why_plain(std::uint64_t name) const noexcept override;
    refused_memory refused_buffers() const noexcept override;
    void stop(op_queue& abandoned) noexcept override;
    void prepare_fork() noexcept override;
    void become_child() noexcept override;
    engine_counters counters() const noexcept override;

private:
    using lock = std::lock_guard<std::mutex>;

    /// Marks the user_data of a cancellation; the other bits are the index of its target.
    static constexpr std::uint64_t cancel_bit = std::uint64_t(1) << 32;

    /// An operation that the kernel has. The index of the slot is the submission's user_data.
    struct slot {
        operation* op = nullptr;
        bool cancel_wanted = false;
        bool cancel_listed = false; ///< In `cancels_wanted_`.
        bool cancel_in_flight = false;
        bool has_fixed_buffer = false;        ///< The operation uses registered memory.
        std::unique_ptr<struct statx> status; ///< For `size`; made when it is first needed.
    };

    // engine.cpp
    void open_ring();
    void use_ring();
    void fail(const refusal& why) noexcept;
    bool has_failed() const noexcept { return failed_.load(std::memory_order_relaxed); }
    void work() noexcept;
    void exchange() noexcept;
    void encode_waiting() noexcept;
    bool encode_into_slot(operation& op) noexcept;
    bool has_answer_room(const operation& op, slot& where) noexcept;
    bool copies_too_much(const operation& op) noexcept;
    int find_buffer(const operation& op) const noexcept;
    void enter() noexcept;
    void give_up_ring(int error) noexcept;
    bool has_untaken() const noexcept { return !has_failed() && ring_->has_untaken(); }
    bool work_again() noexcept;
    void take_completions() noexcept;
    void take_completion(const io_uring_ring::completion& one) noexcept;
    void settle(operation& op, int result, const slot& where) noexcept;
    void submit_again(operation& op) noexcept;

    // opening.cpp
    bool may_change_buffers() const noexcept;
    void change_buffers() noexcept;

    // cancellation.cpp
    void want_cancel(std::size_t index) noexcept;
    void encode_cancellations() noexcept;
    bool encode_cancellation(std::size_t index) noexcept;
    void forget_cancellations() noexcept;

    // ending.cpp
    bool admits_caller() noexcept {
        return !ring_->is_open() || ring_->admits_caller() || takes_over();
    }
    bool may_reap() noexcept {
        return !ring_->is_open() || ring_->is_known_issuer() || takes_over();
    }
    bool takes_over() noexcept;
    bool leave_to_issuer() noexcept;
    bool leaves_to_pool(const operation& op) const noexcept;
    void refuse(op_queue& batch) noexcept;
    void drain() noexcept;
    void end_slots() noexcept;

    const ring_settings settings_;
    event& finished_;
    /// The kernel refuses the ring for good: the pool serves everything.
    std::atomic<bool> failed_{false};
    /// Bits by op_kind: the kernel has an opcode for it.
    std::atomic<std::uint32_t> known_kinds_{0};
    /// The kernel performs a buffered write to XFS at once if it need not wait (FMODE_BUF_WASYNC).
    std::atomic<bool> writes_at_once_{false};

    /// Guards everything below. The kernel is entered under it, so `cancel` may wait until the
    /// kernel has taken a batch. The start of an operation does not lock it.
    mutable std::mutex mutex_;
    operation_ledger<slot> ledger_;       // before the ring, which writes to a slot
    std::unique_ptr<io_uring_ring> ring_; ///< Never null.
    std::size_t in_kernel_ = 0;
    std::size_t cancels_in_flight_ = 0;
    std::vector<std::uint16_t> cancels_wanted_; ///< Slots; room for all of them is reserved.
    std::size_t bytes_to_copy_ = 0;             ///< In the batch that is being encoded.
    bool writes_encoded_ = false;               ///< SIGXFSZ must not reach the thread that enters.
    refusal failure_;                           ///< Why `failed_` is set.
    registered_buffers buffers_;                ///< A new ring gets them again.
    std::uint64_t with_fixed_buffers_ = 0;
    std::uint64_t resubmitted_ = 0;
};

} // namespace asio_aio::detail
