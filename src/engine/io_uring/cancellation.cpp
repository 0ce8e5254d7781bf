// SPDX-License-Identifier: BSL-1.0
// Cancellation. A thread that runs the context sends requests to cancel when it enters the kernel
// next.
#include "engine/io_uring/engine.hpp"

#include <utility>

namespace asio_aio::detail {

void io_uring_engine::cancel(file_handle& file) noexcept {
    bool found = false;
    {
        const lock held(mutex_);
        found = ledger_.cancel_waiting(file);
        ledger_.for_each_in_slot([&](std::size_t index) {
            const operation& op = *ledger_.slot(index).op;
            if (op.file.operator->() == &file && op.is_cancelled()) {
                want_cancel(index);
                found = true;
            }
        });
    }
    if (found)
        finished_.raise();
}

void io_uring_engine::cancel(operation& op) noexcept {
    {
        const lock held(mutex_);
        switch (ledger_.cancel(op)) {
        case decltype(ledger_)::place::elsewhere: return;
        case decltype(ledger_)::place::waiting: break;
        case decltype(ledger_)::place::in_slot: want_cancel(op.slot); break;
        }
    }
    finished_.raise();
}

/// Marks a slot: the next entry into the kernel requests the cancellation of its operation.
void io_uring_engine::want_cancel(std::size_t index) noexcept {
    slot& target = ledger_.slot(index);
    target.cancel_wanted = true;
    if (!std::exchange(target.cancel_listed, true))
        cancels_wanted_.push_back(std::uint16_t(index));
}

void io_uring_engine::encode_cancellations() noexcept {
    if (has_failed())
        return;
    while (!cancels_wanted_.empty()) {
        const std::size_t index = cancels_wanted_.back();
        if (ledger_.slot(index).cancel_wanted && !encode_cancellation(index))
            return finished_.raise(); // the rest in the next turn of the loop
        cancels_wanted_.pop_back();
        ledger_.slot(index).cancel_listed = false;
    }
}

bool io_uring_engine::encode_cancellation(std::size_t index) noexcept {
    slot& target = ledger_.slot(index);
    if (!target.cancel_in_flight) {
        io_uring_sqe* entry = ring_->next_entry();
        if (!entry)
            return false;
        io_uring_prep_cancel64(entry, index, 0);
        io_uring_sqe_set_data64(entry, index | cancel_bit);
        target.cancel_in_flight = true;
        ++cancels_in_flight_;
    }
    target.cancel_wanted = false;
    return true;
}

/// Resets all cancellations; the kernel has none of them any more.
void io_uring_engine::forget_cancellations() noexcept {
    for (std::size_t index = 0; index != ledger_.slot_count(); ++index) {
        slot& each = ledger_.slot(index);
        each.cancel_wanted = each.cancel_listed = each.cancel_in_flight = false;
    }
    cancels_wanted_.clear();
    cancels_in_flight_ = 0;
}

} // namespace asio_aio::detail
