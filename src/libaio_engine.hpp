// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "libaio_queue.hpp"

#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/event.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace asio_aio::detail {

/// Serves reads, writes and syncs of files opened with `direct` by Linux AIO (io_submit(2)).
/**
 * io_submit does on the calling thread what it cannot do otherwise: all of a buffered read or write, and of a direct one
 * whatever has to wait before a device has it. So buffered files go to the pool, and direct operations are submitted
 * with RWF_NOWAIT (Linux 4.14) and go to the pool where the kernel says that it would wait. It does not say so of a
 * device's full queue below a filesystem (seen on 6.18), nor of a write to a frozen filesystem: these wait.
 */
class libaio_engine final : public engine {
public:
    /// `queue` is open.
    libaio_engine(std::unique_ptr<libaio_queue> queue, event& finished);
    ~libaio_engine() override;

    backend kind() const noexcept override { return backend::libaio; }
    bool serves(const file_handle& file) const noexcept override;
    refusal failure() const noexcept override;
    void submit(op_queue& batch) noexcept override;
    void reap(op_queue& done) noexcept override;
    void cancel(file_handle& file) noexcept override;
    void cancel(operation& op) noexcept override;
    void stop(op_queue& abandoned) noexcept override;
    void prepare_fork() noexcept override;
    void become_child() noexcept override;
    engine_counters counters() const noexcept override;

private:
    using lock = std::lock_guard<std::mutex>;

    /// What the kernel has. The slot's index is the submission's user data: the kernel holds no pointer to an operation.
    struct slot {
        iocb entry;
        operation* op = nullptr;
    };

    void make_slots();
    pass_reason why_not(const operation& op) const noexcept;
    void work() noexcept;
    bool work_again() noexcept;
    void encode_waiting() noexcept;
    void encode_into_slot(operation* op) noexcept;
    void enter() noexcept;
    void put_back(std::size_t taken) noexcept;
    void give_up(const refusal& why) noexcept;
    void pass_on_waiting() noexcept;
    operation* empty_slot(std::size_t index) noexcept;
    bool is_idle() const noexcept { return free_slots_.size() == slots_.size(); }
    void take_completions() noexcept;
    void take(const libaio_queue::completion* completions, std::size_t count) noexcept;
    void drain() noexcept;
    void finish(operation* op, int result) noexcept;
    void leave_to_wait(operation* op) noexcept;
    void answer_submission(operation* op, int error) noexcept;
    void pass_on(operation* op, pass_reason why) noexcept;

    event& finished_;

    /// Guards everything below. The kernel is entered under it, so `cancel` may wait for a batch to be taken; to start
    /// an operation does not need it.
    mutable std::mutex mutex_;
    std::unique_ptr<libaio_queue> queue_; ///< Never null.
    std::vector<slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<iocb*> encoded_;                 ///< Has room for all slots; empty but while the kernel is entered.
    backlog waiting_{waiting_at::kernel_engine}; ///< In order, as long as it gets, without any memory of its own.
    op_queue done_;
    bool stays_off_kernel_ = false; ///< Something that waits may have to go to the pool.
    bool writes_encoded_ = false;   ///< SIGXFSZ must not reach the thread that enters.
    bool has_syncs_ = true;         ///< Until the kernel says that it does not know them (before 4.18).
    refusal failure_;               ///< The kernel refuses to be entered: everything goes to the pool.
};

} // namespace asio_aio::detail
