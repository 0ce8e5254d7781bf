// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "io_uring_ring.hpp"

#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/event.hpp>

#include <sys/stat.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace asio_aio::detail {

/// Serves operations by the kernel's submission and completion queues (io_uring(7), Linux 5.15).
/**
 * While the context lives, the kernel is entered by `submit` and `reap` alone, which are called on threads that run it:
 * the kernel ties what it is given to the thread that gave it.
 */
class io_uring_engine final : public engine {
public:
    /// `tried` is the ring of the trial, or null for one of its own.
    io_uring_engine(const ring_settings& settings, event& finished, std::unique_ptr<io_uring_ring> tried = nullptr);
    ~io_uring_engine() override;

    backend kind() const noexcept override { return backend::io_uring; }
    bool serves(const file_handle& file) const noexcept override;
    refusal failure() const noexcept override;
    void submit(op_queue& batch) noexcept override;
    void reap(op_queue& done) noexcept override;
    void cancel(file_handle& file) noexcept override;
    void cancel(operation& op) noexcept override;
    int register_buffers(const iovec* buffers, unsigned count) noexcept override;
    void stop(op_queue& abandoned) noexcept override;
    void prepare_fork() noexcept override;
    void become_child() noexcept override;
    engine_counters counters() const noexcept override;

private:
    using lock = std::lock_guard<std::mutex>;

    /// What the kernel has. The slot's index is the submission's user_data: the kernel holds no pointer to an
    /// operation.
    struct slot {
        operation* op = nullptr;
        bool cancel_wanted = false;
        bool cancel_listed = false; ///< In `cancels_wanted_`.
        bool cancel_in_flight = false;
        std::unique_ptr<struct statx> status; ///< For `size`; made when it is first needed.
    };

    void open_ring();
    void use_ring();
    void work() noexcept;
    void encode_waiting() noexcept;
    bool encode_into_slot(operation* op) noexcept;
    void exchange() noexcept;
    bool can_serve(const operation& op, slot& where) const noexcept;
    void want_cancel(std::size_t index) noexcept;
    void encode_cancellations() noexcept;
    bool encode_cancellation(std::size_t index) noexcept;
    void enter() noexcept;
    void give_up_ring(int error) noexcept;
    bool copies_too_much(const operation& op) noexcept;
    bool admits_caller() noexcept { return !ring_->is_open() || ring_->admits_caller() || takes_over(); }
    bool may_reap() noexcept { return !ring_->is_open() || ring_->is_known_issuer() || takes_over(); }
    bool takes_over() noexcept;
    bool has_untaken() const noexcept { return !failure_ && ring_->has_untaken(); }
    bool work_again() noexcept;
    bool leave_to_issuer() noexcept;
    void refuse(op_queue& batch) noexcept;
    void take_completions() noexcept;
    void take_completion(const io_uring_ring::completion& one) noexcept;
    void finish(operation* op, int result, slot& where) noexcept;
    void finish(operation* op, int result) noexcept;
    void submit_again(operation* op) noexcept;
    void pass_on(operation* op, pass_reason why) noexcept;
    void drain() noexcept;
    void abandon_slots(op_queue& abandoned) noexcept;

    const ring_settings settings_;
    event& finished_;

    /// Guards everything below. The kernel is entered under it, so `cancel` may wait for a batch to be taken; to start
    /// an operation does not need it.
    mutable std::mutex mutex_;
    std::vector<slot> slots_; // before the ring: the kernel answers `size` into it
    std::vector<std::uint16_t> free_slots_;
    std::unique_ptr<io_uring_ring> ring_;        ///< Never null.
    backlog waiting_{waiting_at::kernel_engine}; ///< In order, as long as it gets, without any memory of its own.
    op_queue done_;
    std::size_t in_kernel_ = 0;
    std::size_t cancels_in_flight_ = 0;
    std::vector<std::uint16_t> cancels_wanted_; ///< Slots; room for all of them is reserved.
    std::size_t bytes_to_copy_ = 0;             ///< By the batch that is being encoded.
    bool writes_encoded_ = false;               ///< SIGXFSZ must not reach the thread that enters.
    refusal failure_;                           ///< The kernel refuses the ring: everything goes to the pool.
    std::vector<iovec> buffers_;                ///< Registered; a child process registers them again.
    std::uint64_t resubmitted_ = 0;
};

} // namespace asio_aio::detail
