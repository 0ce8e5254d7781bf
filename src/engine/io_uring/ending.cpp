// SPDX-License-Identifier: BSL-1.0
// The io_uring engine at the end of the context, around a fork, and when the thread that owns the
// ring has exited.
#include "engine/io_uring/engine.hpp"

#include <poll.h>
#include <cerrno>

namespace asio_aio::detail {

// --- The thread that owns the ring, with `single_issuer` ---

/// Makes a ring for the calling thread if the thread that owned the ring has exited. Operations
/// that the kernel had fail: nobody can find out if the kernel performed them.
bool io_uring_engine::takes_over() noexcept {
    if (!ring_->has_lost_issuer())
        return false;
    ring_->close_and_wait();
    ledger_.end_slots(failure::wrong_thread);
    forget_cancellations();
    in_kernel_ = 0;
    open_ring();
    return has_failed() || ring_->admits_caller();
}

/// Only the owner of a ring can take its completions. Raises the event again, so that the owner's
/// thread may wake up. Returns whether the kernel has any operation.
bool io_uring_engine::leave_to_issuer() noexcept {
    if (in_kernel_ != 0)
        finished_.raise();
    return in_kernel_ != 0;
}

/// Ends operations that another thread than the owner submits, because the program promised that
/// only one thread runs the context.
void io_uring_engine::refuse(op_queue& batch) noexcept {
    while (operation* op = batch.pop())
        ledger_.finish(*op, op->is_cancelled() ? -ECANCELED : failure::wrong_thread);
}

// --- The context ---

void io_uring_engine::stop(op_queue& abandoned) noexcept {
    const lock held(mutex_);
    ledger_.waiting().move_to(abandoned);
    if (ring_->is_open() && ring_->is_of_this_process()) {
        take_completions(); // always: the counters do not show what is in the queue
        ledger_.for_each_in_slot([this](std::size_t index) { want_cancel(index); });
        if (ring_->is_known_issuer())
            drain();
        else if (in_kernel_ != 0)
            ring_->close_and_wait();
        if (may_change_buffers())
            ring_->drop_buffer_table(); // the next context may need the locked memory
    }
    ring_->close(); // before the memory is freed that the kernel may use
    end_slots();
    ledger_.abandon(abandoned);
}

/// Waits until the kernel has no operation of this engine.
void io_uring_engine::drain() noexcept {
    take_completions();
    while (in_kernel_ != 0 || cancels_in_flight_ != 0) {
        encode_cancellations();
        enter();
        take_completions();
        if (in_kernel_ == 0 && cancels_in_flight_ == 0)
            break;
        const int error = has_untaken() ? -EAGAIN : ring_->wait();
        constexpr int pause_ms = 1;
        if (error != 0 && error != -EINTR)
            ::poll(nullptr, 0, pause_ms);
        take_completions();
    }
}

/// Ends the operations that are still in slots. The ring is closed or belongs to the parent
/// process.
void io_uring_engine::end_slots() noexcept {
    ledger_.end_slots(-ECANCELED);
    forget_cancellations();
    in_kernel_ = 0;
}

// --- Fork ---

void io_uring_engine::prepare_fork() noexcept {
    const lock held(mutex_);
    if (!ring_->is_open())
        return;
    // Only another thread can reap. Its operations continue in the parent, and end as cancelled in
    // the child.
    if (!ring_->is_known_issuer())
        return ledger_.pass_waiting(pass_reason::unsupported);
    do {
        encode_waiting();
        enter();
        drain();
    } while (!ledger_.waiting().empty());
}

void io_uring_engine::become_child() noexcept {
    const lock held(mutex_);
    ring_->close(); // the parent's: a submission from here would complete there
    end_slots();
    open_ring();
}

} // namespace asio_aio::detail
