// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/engine.hpp"

#include "engine/file_size_signal_guard.hpp"
#include "engine/io_uring/encode.hpp"
#include "engine/io_uring/judge.hpp"
#include "selection/trial_memory.hpp"

#include <asio_aio/detail/core/posix_file.hpp>

#include <poll.h>
#include <cerrno>
#include <utility>

namespace asio_aio::detail {

bool io_uring_engine::serves(const file_handle& file) const noexcept {
    return file.is_storage() && !file.refused() && !has_failed();
}

pass_reason io_uring_engine::why_not(operation& op) const noexcept {
    if (op.file && op.file->refused())
        return pass_reason::refused;
    if (leaves_to_pool(op))
        return pass_reason::buffered;
    const bool known = (known_kinds_.load(std::memory_order_relaxed) & bit_of(op.kind)) != 0;
    return known && is_expressible(op) && !has_failed() ? pass_reason::none
                                                        : pass_reason::unsupported;
}

/// True for a buffered write that the kernel would hand to a worker of its own, too.
bool io_uring_engine::leaves_to_pool(const operation& op) const noexcept {
    if (op.kind != op_kind::write || !op.file->buffered())
        return false;
    return op.is_synced_write() || !op.file->writes_at_once() ||
        !writes_at_once_.load(std::memory_order_relaxed);
}

// --- Submission ---

void io_uring_engine::submit(op_queue& batch) noexcept {
    const lock held(mutex_);
    if (!admits_caller())
        return refuse(batch);
    if (buffers_.has_changes())
        change_buffers();
    encode_cancellations();
    encode_waiting();
    while (operation* op = batch.pop()) {
        op->become(op_state::with_engine);
        if (op->is_cancelled())
            ledger_.finish(*op, -ECANCELED);
        else if (!ledger_.waiting().empty() || !encode_into_slot(*op)) // keeps the order
            ledger_.waiting().push(op);
    }
    exchange();
}

/// Submits to the kernel what waits and fits, and takes what the kernel has finished.
void io_uring_engine::work() noexcept {
    encode_cancellations();
    encode_waiting();
    exchange();
}

/// Submits to the kernel what is encoded, and takes what the kernel has finished.
void io_uring_engine::exchange() noexcept {
    enter();
    take_completions();
    if (!ledger_.waiting().empty() && ledger_.has_room())
        finished_.raise(); // the kernel may have nothing that would wake the loop for the rest
}

void io_uring_engine::encode_waiting() noexcept {
    bytes_to_copy_ = 0;
    while (operation* op = ledger_.waiting().pop())
        if (!encode_into_slot(*op))
            return ledger_.waiting().push_front(op);
}

/// Encodes an operation into a free slot, or hands it back for the pool. Returns false if there is
/// no room.
bool io_uring_engine::encode_into_slot(operation& op) noexcept {
    if (has_failed() || (op.file && op.file->refused())) { // changed since it was routed
        ledger_.pass(op, has_failed() ? pass_reason::unsupported : pass_reason::refused);
        return true;
    }
    if (!ledger_.has_room())
        return false;
    slot& where = ledger_.slot(ledger_.next_slot());
    if (!has_answer_room(op, where)) {
        ledger_.pass(op, pass_reason::unsupported);
        return true;
    }
    io_uring_sqe* entry = ring_->next_entry();
    if (!entry) // the kernel has not taken earlier entries
        return false;
    const int buffer = find_buffer(op);
    where.has_fixed_buffer = buffer >= 0;
    with_fixed_buffers_ += where.has_fixed_buffer;
    encode(entry, op, where.status.get(), buffer);
    if (copies_too_much(op))
        entry->flags |= IOSQE_ASYNC;
    writes_encoded_ |= may_extend(op.kind);
    io_uring_sqe_set_data64(entry, ledger_.occupy(op));
    ++in_kernel_;
    return true;
}

/// True if there is memory for the kernel's result; only a `size` needs some.
bool io_uring_engine::has_answer_room(const operation& op, slot& where) noexcept {
    if (op.kind == op_kind::size && !where.status)
        where.status.reset(new (std::nothrow) struct statx);
    return op.kind != op_kind::size || where.status;
}

/// Returns the place of the registered buffer that contains the memory of a transfer, or -1.
/** An operation that failed once uses plain memory, because the buffer may be the reason. */
int io_uring_engine::find_buffer(const operation& op) const noexcept {
    if (buffers_.empty() || !is_transfer(op.kind) || op.iovec_count != 1 || op.tried_again)
        return -1;
    return buffers_.find(*op.iovecs);
}

/// True if the kernel's workers have to copy the data of this transfer. The thread that enters the
/// kernel copies cached data only up to a limit for each batch.
bool io_uring_engine::copies_too_much(const operation& op) noexcept {
    constexpr std::size_t most_bytes = std::size_t(1) << 20; // some 100 microseconds
    if (!is_transfer(op.kind) || !op.file || op.file->direct())
        return false;
    bytes_to_copy_ += op.total_bytes();
    return bytes_to_copy_ > most_bytes;
}

/// Enters the kernel until it has taken everything that is encoded. The caller takes completions
/// afterwards, so they raise no event.
void io_uring_engine::enter() noexcept {
    if (has_failed())
        return;
    ring_->silence_event(true);
    int error = 0;
    {
        const file_size_signal_guard guard(
            std::exchange(writes_encoded_, false) && file_size_signal_guard::is_needed());
        error = ring_->submit();
    }
    ring_->silence_event(false);
    if (error == -EAGAIN || error == -EBUSY)
        // The kernel lacks memory, or must deliver completions first (before Linux 5.13): try again
        // in the next turn.
        finished_.raise();
    else if (error != 0)
        give_up_ring(error);
}

/// The kernel refuses to be entered for good. The pool performs what the kernel has not taken, and
/// everything from now on.
void io_uring_engine::give_up_ring(int error) noexcept {
    fail({-error, "io_uring_enter"});
    trial_memory::instance().forget(backend::io_uring); // the next context tries again
    ring_->for_each_untaken([this](const io_uring_sqe& entry) {
        const std::size_t index = std::size_t(entry.user_data & ~cancel_bit);
        if (entry.user_data & cancel_bit) {
            ledger_.slot(index).cancel_in_flight = false;
            --cancels_in_flight_;
        } else {
            ledger_.pass(ledger_.vacate(index), pass_reason::unsupported);
            --in_kernel_;
        }
    });
    encode_waiting();
}

// --- Completion ---

void io_uring_engine::reap(op_queue& done) noexcept {
    bool pauses = false;
    {
        const lock held(mutex_);
        take_completions();
        const bool may_work = may_reap();
        if (may_work && buffers_.has_changes())
            change_buffers();
        if (!may_work)
            pauses = leave_to_issuer();
        else if (!cancels_wanted_.empty() || !ledger_.waiting().empty() || has_untaken())
            pauses = work_again();
        ledger_.take_done(done);
    }
    constexpr int pause_ms = 1;
    if (pauses) // otherwise this would be a busy loop
        ::poll(nullptr, 0, pause_ms);
}

/// Returns true if the kernel refused to be entered for lack of memory, and refuses again.
bool io_uring_engine::work_again() noexcept {
    const bool refused_before = has_untaken();
    work();
    return refused_before && has_untaken();
}

void io_uring_engine::take_completions() noexcept {
    if (!ring_->is_open())
        return;
    io_uring_ring::completion batch[64];
    while (const std::size_t count = ring_->take(batch, std::size(batch)))
        for (std::size_t i = 0; i != count; ++i)
            take_completion(batch[i]);
}

void io_uring_engine::take_completion(const io_uring_ring::completion& one) noexcept {
    const std::size_t index = std::size_t(one.user_data & ~cancel_bit);
    slot& where = ledger_.slot(index);
    if (one.user_data & cancel_bit) { // reports nothing about its target
        where.cancel_in_flight = false;
        --cancels_in_flight_;
    } else {
        where.cancel_wanted = false;
        --in_kernel_;
        settle(ledger_.vacate(index), one.result, where);
    }
    // The index stays reserved while a cancellation uses it as the name of its target.
    if (!where.op && !where.cancel_in_flight)
        ledger_.release(index);
}

/// Acts on the verdict for a result.
void io_uring_engine::settle(operation& op, int result, const slot& where) noexcept {
    judgement found =
        judge_ring_completion(op, result, result > 0 && posix_file::is_short_of_end(op, result));
    if (found.what == verdict::pass && where.has_fixed_buffer)
        found = judgement::retry(); // with plain memory
    switch (found.what) {
    case verdict::retry: op.tried_again = true; return submit_again(op);
    case verdict::proceed: op.advance(std::size_t(result)); return submit_again(op);
    case verdict::pass: return ledger_.pass(op, found.why);
    case verdict::finished: break;
    }
    if (op.kind == op_kind::size && result == 0) {
        if (S_ISBLK(where.status->stx_mode))
            return ledger_.pass(op, pass_reason::unsupported); // only an ioctl reports it
        op.length = where.status->stx_size;
    }
    ledger_.finish(op, found.result);
}

void io_uring_engine::submit_again(operation& op) noexcept {
    ++resubmitted_;
    ledger_.waiting().push_front(&op);
}

engine_counters io_uring_engine::counters() const noexcept {
    const lock held(mutex_);
    return {ring_->enters(), 0, resubmitted_, with_fixed_buffers_};
}

} // namespace asio_aio::detail
