// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/event.hpp"
#include "engine/engine.hpp"
#include "engine/libaio/queue.hpp"
#include "engine/judgement.hpp"
#include "engine/operation_ledger.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace asio_aio::detail {

/// Performs reads, writes and syncs of files opened with `direct` by Linux AIO (io_submit(2)).
/**
 * io_submit blocks the calling thread for everything that the kernel cannot perform asynchronously.
 * That is all of a buffered transfer, and any wait of a direct transfer before a device has it. So
 * buffered files go to the pool. Direct transfers are submitted with RWF_NOWAIT (Linux 4.14), and
 * go to the pool if the kernel reports that it would wait.
 *
 * In two cases io_submit waits nevertheless: if a device's queue below a filesystem is full (seen
 * on Linux 6.18), and for a write to a frozen filesystem.
 */
class libaio_engine final : public engine {
public:
    /// `queue` is open.
    libaio_engine(std::unique_ptr<libaio_queue> queue, event& finished);
    ~libaio_engine() override;

    backend kind() const noexcept override { return backend::libaio; }
    bool serves(const file_handle& file) const noexcept override;
    pass_reason why_not(operation& op) const noexcept override;
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

    /// An operation that the kernel has. The index of the slot is the submission's user data.
    struct slot {
        operation* op = nullptr;
        iocb entry;
    };

    void make_slots();
    bool has_failed() const noexcept { return failed_.load(std::memory_order_relaxed); }
    pass_reason why_not_now(const operation& op) const noexcept;
    void work() noexcept;
    bool work_again() noexcept;
    void encode_waiting() noexcept;
    void encode_into_slot(operation& op) noexcept;
    void enter() noexcept;
    void put_back(std::size_t taken) noexcept;
    void give_up(const refusal& why) noexcept;
    void pass_on_waiting() noexcept;
    operation& empty_slot(std::size_t index) noexcept;
    void take_completions() noexcept;
    void take(const libaio_queue::completion* completions, std::size_t count) noexcept;
    void drain() noexcept;
    void settle(operation& op, int result) noexcept;
    void settle_refusal(operation& op, int error) noexcept;
    void follow(const judgement& found, operation& op) noexcept;

    event& finished_;
    /// The kernel refuses to be entered for good: the pool serves everything.
    std::atomic<bool> failed_{false};
    std::atomic<bool> has_syncs_{true}; ///< False if the kernel refused a sync (before Linux 4.18).

    /// Guards everything below. The kernel is entered under it, so `cancel` may wait until the
    /// kernel has taken a batch. The start of an operation does not lock it.
    mutable std::mutex mutex_;
    std::unique_ptr<libaio_queue> queue_; ///< Never null.
    operation_ledger<slot> ledger_;
    /// Has room for all slots; empty except while the kernel is entered.
    std::vector<iocb*> encoded_;
    bool stays_off_kernel_ = false; ///< An operation that waits may have to go to the pool.
    bool writes_encoded_ = false;   ///< SIGXFSZ must not reach the thread that enters.
    refusal failure_;               ///< Why `failed_` is set.
};

} // namespace asio_aio::detail
