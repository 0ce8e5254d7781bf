// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/backlog.hpp"

#include <asio_aio/detail/core/op_queue.hpp>
#include <asio_aio/detail/core/operation.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace asio_aio::detail {

/// The operations that a kernel engine owns: those that wait for a slot, those in a slot, and those
/// that are done.
/**
 * The kernel knows an operation by the index of its slot, never by a pointer. `Slot` has a member
 * `operation* op`; its other members belong to the engine. Not synchronised: the engine's mutex
 * guards the ledger.
 */
template <typename Slot>
class operation_ledger {
public:
    /// Where `cancel` found an operation.
    enum class place : unsigned char { elsewhere, waiting, in_slot };

    // --- Slots ---

    /// Makes `count` empty slots. All slots must be free. Throws std::bad_alloc.
    void make_slots(std::size_t count) {
        slots_.resize(count);
        free_.clear();
        free_.reserve(count);
        for (std::size_t index = count; index-- != 0;)
            free_.push_back(std::uint32_t(index));
    }

    std::size_t slot_count() const noexcept { return slots_.size(); }
    Slot& slot(std::size_t index) noexcept { return slots_[index]; }
    bool has_room() const noexcept { return !free_.empty(); }
    bool all_free() const noexcept { return free_.size() == slots_.size(); }

    /// The slot that `occupy` will use next. A slot must be free.
    std::size_t next_slot() const noexcept { return free_.back(); }

    /// Puts `op` into a free slot and returns its index. A slot must be free.
    std::size_t occupy(operation& op) noexcept {
        const std::size_t index = free_.back();
        free_.pop_back();
        slots_[index].op = &op;
        op.slot = std::uint32_t(index);
        return index;
    }

    /// Takes the operation out of its slot. The slot stays reserved until `release`.
    operation& vacate(std::size_t index) noexcept {
        return *std::exchange(slots_[index].op, nullptr);
    }

    /// Makes a slot without an operation free again.
    void release(std::size_t index) noexcept { free_.push_back(std::uint32_t(index)); }

    template <typename Visit>
    void for_each_in_slot(Visit visit) {
        for (std::size_t index = 0; index != slots_.size(); ++index)
            if (slots_[index].op)
                visit(index);
    }

    // --- Operations that wait for a slot ---

    backlog& waiting() noexcept { return waiting_; }
    const backlog& waiting() const noexcept { return waiting_; }

    // --- Operations that are done ---

    void finish(operation& op, int result) noexcept {
        op.take_result(result);
        done_.push(&op);
    }

    /// Hands an operation back for the pool.
    void pass(operation& op, pass_reason why) noexcept {
        op.pass(why);
        done_.push(&op);
    }

    void take_done(op_queue& to) noexcept { to.splice(done_); }

    // --- Cancellation ---

    /// Finishes the cancelled operations of `file` that wait. Returns whether there were any.
    bool cancel_waiting(file_handle& file) noexcept {
        op_queue cancelled;
        waiting_.extract_cancelled(file, cancelled);
        const bool found = !cancelled.empty();
        while (operation* op = cancelled.pop())
            finish(*op, -ECANCELED);
        return found;
    }

    /// Finishes `op` if it waits. `op` may be any operation that is alive.
    place cancel(operation& op) noexcept {
        if (waiting_.holds(op)) {
            waiting_.remove(op);
            finish(op, -ECANCELED);
            return place::waiting;
        }
        return op.slot < slots_.size() && slots_[op.slot].op == &op ? place::in_slot
                                                                    : place::elsewhere;
    }

    // --- End ---

    /// Hands all operations that wait back for the pool.
    void pass_waiting(pass_reason why) noexcept {
        while (operation* op = waiting_.pop())
            pass(*op, why);
    }

    /// Ends the operations in slots and frees all slots. The kernel must have let go of them, or
    /// belong to the parent process.
    void end_slots(int result) noexcept {
        for_each_in_slot([this, result](std::size_t index) { finish(vacate(index), result); });
        make_all_free();
    }

    /// Moves all operations to `abandoned`. The kernel must have let go of them.
    void abandon(op_queue& abandoned) noexcept {
        waiting_.move_to(abandoned);
        end_slots(-ECANCELED);
        abandoned.splice(done_);
    }

private:
    void make_all_free() noexcept { // no allocation: there is room for every slot
        free_.clear();
        for (std::size_t index = slots_.size(); index-- != 0;)
            free_.push_back(std::uint32_t(index));
    }

    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    /// In order and without a limit, because a backlog allocates no memory.
    backlog waiting_{waiting_at::kernel_engine};
    op_queue done_;
};

} // namespace asio_aio::detail
