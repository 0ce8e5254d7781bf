// SPDX-License-Identifier: BSL-1.0
// What the io_uring engine does at the end of the context, around a fork, and at the end of the
// thread that owns the ring.
#include "engine/io_uring/engine.hpp"

#include <poll.h>
#include <cerrno>

namespace asio_aio::detail {

// --- The thread that owns the ring, with `single_issuer` ---

/// Makes a ring for the calling thread if the thread that owned the ring has ended. What that
/// thread left in the kernel may have been performed or not: nobody can find out.
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

/// Only the owner of a ring can make the kernel go on with it: the wake-up is handed on to that
/// thread.
bool io_uring_engine::leave_to_issuer() noexcept {
    if (in_kernel_ != 0)
        finished_.raise();
    return in_kernel_ != 0;
}

/// The program promised that one thread runs the context, and this is another thread: what it
/// started fails.
void io_uring_engine::refuse(op_queue& batch) noexcept {
    while (operation* op = batch.pop())
        ledger_.finish(*op, op->is_cancelled() ? -ECANCELED : failure::wrong_thread);
}

// --- The context ---

void io_uring_engine::stop(op_queue& abandoned) noexcept {
    const lock held(mutex_);
    ledger_.waiting().move_to(abandoned);
    if (ring_->is_open() && ring_->is_of_this_process()) {
        take_completions(); // never skipped: a counter says nothing of the queue
        ledger_.for_each_in_slot([this](std::size_t index) { want_cancel(index); });
        if (ring_->is_known_issuer())
            drain();
        else if (in_kernel_ != 0)
            ring_->close_and_wait();
    }
    ring_->close(); // before any memory that the kernel was told of is freed
    end_slots();
    ledger_.abandon(abandoned);
}

/// Waits until the kernel has nothing of this engine.
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

/// Ends what is still in slots: the ring is closed, or belongs to the parent process.
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
    // What only another thread can reap goes on in the parent, and ends as cancelled in the child.
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
