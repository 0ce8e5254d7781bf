// SPDX-License-Identifier: BSL-1.0
#include "io_uring_engine.hpp"

#include "file_size_signal_guard.hpp"
#include "io_uring_sqe.hpp"
#include "trial_memory.hpp"

#include <asio_aio/detail/posix_file.hpp>

#include <poll.h>
#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace asio_aio::detail {
namespace {

// user_data of a cancellation: the slot of its target, with this bit.
constexpr std::uint64_t cancel_bit = std::uint64_t(1) << 32;

/// How the kernel ends operations whose submitting thread has ended (Linux 5.10 to 7.3): they were not done, and nobody
/// asked for that.
bool may_be_orphaned(const operation& op, int result) noexcept {
    constexpr int restart = 512; // the kernel's ERESTARTSYS, which an interrupted open of a FIFO ends in
    return result == -ECANCELED || result == -EINTR || result == -restart ||
        (result == -EFAULT && is_transfer(op.kind));
}

/// Whether the kernel says of its queue, and not of the file, that it cannot do `op`: a thread's system call can, or
/// gives the true reason. What opening or closing answers is final.
bool is_refusal(const operation& op, int result) noexcept {
    return (result == -EAGAIN || result == -EBUSY || result == -EOPNOTSUPP || result == -EINVAL) &&
        op.kind != op_kind::open && op.kind != op_kind::close;
}

} // namespace

io_uring_engine::io_uring_engine(const ring_settings& settings, event& finished, std::unique_ptr<io_uring_ring> tried)
    : settings_(settings), finished_(finished), ring_(std::move(tried)) {
    slots_.reserve(settings.depth);
    free_slots_.reserve(settings.depth);
    cancels_wanted_.reserve(settings.depth);
    if (ring_ && ring_->move_to_event(finished.descriptor()) == 0) {
        use_ring();
    } else {
        ring_ = std::make_unique<io_uring_ring>();
        open_ring();
    }
}

io_uring_engine::~io_uring_engine() {
    op_queue abandoned; // discarded as it goes out of scope
    stop(abandoned);
}

/// Where the kernel refuses now what it allowed to the trial, everything goes to the pool.
void io_uring_engine::open_ring() {
    failure_ = ring_->open(settings_, finished_.descriptor());
    if (!failure_)
        use_ring();
}

void io_uring_engine::use_ring() {
    slots_.resize(std::min(settings_.depth, ring_->entries()));
    free_slots_.clear();
    for (std::size_t i = slots_.size(); i-- != 0;)
        free_slots_.push_back(std::uint16_t(i));
    if (ring_->register_buffers(buffers_.data(), unsigned(buffers_.size())) != 0)
        buffers_.clear();
}

bool io_uring_engine::serves(const file_handle& file) const noexcept {
    return file.is_storage() && !file.refused() && !failure();
}

refusal io_uring_engine::failure() const noexcept {
    const lock held(mutex_);
    return failure_;
}

// --- Submission ------------------------------------------------------------------------------------------------------

void io_uring_engine::submit(op_queue& batch) noexcept {
    const lock held(mutex_);
    if (!admits_caller())
        return refuse(batch);
    encode_cancellations();
    encode_waiting();
    while (operation* op = batch.pop())
        if (op->is_cancelled())
            finish(op, -ECANCELED);
        else if (!waiting_.empty() || !encode_into_slot(op)) // in order
            waiting_.push(op);
    exchange();
}

/// Hands to the kernel what waits and fits, and takes what it has finished meanwhile.
void io_uring_engine::work() noexcept {
    encode_cancellations();
    encode_waiting();
    exchange();
}

/// Hands to the kernel what is encoded, and takes what it has finished meanwhile.
void io_uring_engine::exchange() noexcept {
    enter();
    take_completions();
    if (!waiting_.empty() && !free_slots_.empty())
        finished_.raise(); // nothing may be left in the kernel to wake the loop for the rest
}

void io_uring_engine::encode_waiting() noexcept {
    bytes_to_copy_ = 0;
    while (operation* op = waiting_.pop())
        if (!encode_into_slot(op))
            return waiting_.push_front(op);
}

/// Encodes an operation, or passes it on where the kernel cannot serve it; false where there is no room.
bool io_uring_engine::encode_into_slot(operation* op) noexcept {
    if (failure_) {
        pass_on(op, pass_reason::unsupported);
        return true;
    }
    if (free_slots_.empty())
        return false;
    const std::size_t index = free_slots_.back();
    slot& where = slots_[index];
    if (!can_serve(*op, where)) {
        pass_on(op, op->file && op->file->refused() ? pass_reason::refused : pass_reason::unsupported);
        return true;
    }
    io_uring_sqe* entry = ring_->next_entry();
    if (!entry) // the kernel has not taken what was encoded before
        return false;
    free_slots_.pop_back();
    where.op = op;
    op->slot = std::uint32_t(index);
    ++in_kernel_;
    encode(entry, *op, where.status.get(), buffers_.size());
    if (copies_too_much(*op))
        entry->flags |= IOSQE_ASYNC;
    writes_encoded_ |= may_extend(op->kind);
    io_uring_sqe_set_data64(entry, index);
    return true;
}

/// Data that is in memory is copied while the kernel is entered. Beyond so much of it in a batch, its workers copy.
bool io_uring_engine::copies_too_much(const operation& op) noexcept {
    constexpr std::size_t most_bytes = std::size_t(1) << 20; // some 100 microseconds
    if (!is_transfer(op.kind) || !op.file || op.file->direct())
        return false;
    bytes_to_copy_ += op.total_bytes();
    return bytes_to_copy_ > most_bytes;
}

/// Whether the kernel may be asked: it knows the operation, and all engines do the same on this file.
bool io_uring_engine::can_serve(const operation& op, slot& where) const noexcept {
    if (!ring_->supports(opcode_of(op.kind)) || !is_expressible(op) || (op.file && op.file->refused()))
        return false;
    if (op.kind == op_kind::size && !where.status)
        where.status.reset(new (std::nothrow) struct statx);
    return op.kind != op_kind::size || where.status;
}

void io_uring_engine::encode_cancellations() noexcept {
    if (failure_)
        return;
    while (!cancels_wanted_.empty()) {
        const std::size_t index = cancels_wanted_.back();
        if (slots_[index].cancel_wanted && !encode_cancellation(index))
            return finished_.raise(); // the rest at the next turn
        cancels_wanted_.pop_back();
        slots_[index].cancel_listed = false;
    }
}

/// Has the kernel asked to cancel what it has in a slot, when it is entered next.
void io_uring_engine::want_cancel(std::size_t index) noexcept {
    slot& target = slots_[index];
    target.cancel_wanted = true;
    if (!std::exchange(target.cancel_listed, true))
        cancels_wanted_.push_back(std::uint16_t(index));
}

bool io_uring_engine::encode_cancellation(std::size_t index) noexcept {
    slot& target = slots_[index];
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

/// Has the kernel take everything that is encoded. Completions during that are taken by the caller: they need no
/// wake-up.
void io_uring_engine::enter() noexcept {
    if (failure_)
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
        finished_.raise(); // out of memory, or completions first (before 5.13): once more at the next turn
    else if (error != 0)
        give_up_ring(error);
}

/// The kernel refuses to be entered for good: what it has not taken goes to the pool, as does everything from now on.
void io_uring_engine::give_up_ring(int error) noexcept {
    failure_ = {-error, "io_uring_enter"};
    trial_memory::instance().forget(backend::io_uring); // the next context tries anew
    ring_->for_each_untaken([this](const io_uring_sqe& entry) {
        slot& target = slots_[entry.user_data & ~cancel_bit];
        if (entry.user_data & cancel_bit) {
            target.cancel_in_flight = false;
            --cancels_in_flight_;
        } else {
            pass_on(std::exchange(target.op, nullptr), pass_reason::unsupported);
            --in_kernel_;
        }
    });
    encode_waiting();
}

/// The program promised that one thread runs the context, and this is another: what it started fails, with words.
void io_uring_engine::refuse(op_queue& batch) noexcept {
    while (operation* op = batch.pop())
        finish(op, op->is_cancelled() ? -ECANCELED : wrong_thread);
}

// --- Completion ------------------------------------------------------------------------------------------------------

void io_uring_engine::reap(op_queue& done) noexcept {
    bool pauses = false;
    {
        const lock held(mutex_);
        take_completions();
        if (!may_reap())
            pauses = leave_to_issuer();
        else if (!cancels_wanted_.empty() || !waiting_.empty() || has_untaken())
            pauses = work_again();
        done.splice(done_);
    }
    constexpr int pause_ms = 1;
    if (pauses) // without it this would be a busy loop
        ::poll(nullptr, 0, pause_ms);
}

/// Returns whether the kernel refuses to be entered for lack of memory, again.
bool io_uring_engine::work_again() noexcept {
    const bool refused_before = has_untaken();
    work();
    return refused_before && has_untaken();
}

/// With `single_issuer`: makes a ring for the calling thread where the one that had it has ended. What that left in the
/// kernel may be done or not: nobody can ask any more.
bool io_uring_engine::takes_over() noexcept {
    if (!ring_->has_lost_issuer())
        return false;
    ring_->close_and_wait();
    for (slot& each : slots_) {
        if (each.op)
            finish(std::exchange(each.op, nullptr), wrong_thread);
        each.cancel_wanted = each.cancel_listed = each.cancel_in_flight = false;
    }
    cancels_wanted_.clear();
    in_kernel_ = cancels_in_flight_ = 0;
    open_ring();
    return failure_ || ring_->admits_caller();
}

/// Of a ring that is another thread's only what lies in the completion queue can be taken: the wake-up is handed on to
/// that thread.
bool io_uring_engine::leave_to_issuer() noexcept {
    if (in_kernel_ != 0)
        finished_.raise();
    return in_kernel_ != 0;
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
    const std::size_t index = one.user_data & ~cancel_bit;
    slot& where = slots_[index];
    if (one.user_data & cancel_bit) { // says nothing of its target
        where.cancel_in_flight = false;
        --cancels_in_flight_;
    } else {
        where.cancel_wanted = false;
        --in_kernel_;
        finish(std::exchange(where.op, nullptr), one.result, where);
    }
    // The index is a target's name as long as a cancellation is on its way.
    if (!where.op && !where.cancel_in_flight)
        free_slots_.push_back(std::uint16_t(index));
}

void io_uring_engine::finish(operation* op, int result, slot& where) noexcept {
    if (op->kind == op_kind::close && result == -EINTR)
        return finish(op, 0); // the number is free all the same
    if (op->is_cancelled() && (may_be_orphaned(*op, result) || is_refusal(*op, result)))
        return finish(op, -ECANCELED);
    if (may_be_orphaned(*op, result) && !std::exchange(op->tried_again, true))
        return submit_again(op);
    if (may_be_orphaned(*op, result)) // by another thread that ended, or the kernel can have no worker, or it is true
        return pass_on(op, pass_reason::unsupported);
    if (is_refusal(*op, result)) {
        const bool by_file = result == -EOPNOTSUPP || result == -EINVAL;
        return pass_on(op, by_file ? pass_reason::refused : pass_reason::unsupported);
    }
    if (op->kind == op_kind::size && result == 0) {
        if (S_ISBLK(where.status->stx_mode))
            return pass_on(op, pass_reason::unsupported); // only an ioctl knows
        op->length = where.status->stx_size;
    }
    if (result > 0 && posix_file::is_short_of_end(*op, result) && !op->is_cancelled()) {
        op->advance(std::size_t(result));
        return submit_again(op);
    }
    finish(op, result);
}

void io_uring_engine::finish(operation* op, int result) noexcept {
    op->take_result(result);
    done_.push(op);
}

void io_uring_engine::submit_again(operation* op) noexcept {
    ++resubmitted_;
    waiting_.push_front(op);
}

void io_uring_engine::pass_on(operation* op, pass_reason why) noexcept {
    op->passed = why;
    done_.push(op);
}

// --- Cancellation and end --------------------------------------------------------------------------------------------

void io_uring_engine::cancel(file_handle& file) noexcept {
    bool found = false;
    {
        const lock held(mutex_);
        op_queue cancelled;
        waiting_.extract_cancelled(file, cancelled);
        found = !cancelled.empty();
        while (operation* op = cancelled.pop())
            finish(op, -ECANCELED);
        for (std::size_t index = 0; index != slots_.size(); ++index) {
            const operation* op = slots_[index].op;
            if (op && op->file.operator->() == &file && op->is_cancelled()) {
                want_cancel(index);
                found = true;
            }
        }
    }
    if (found)
        finished_.raise(); // the kernel is asked by a thread that runs the context, in `reap`
}

void io_uring_engine::cancel(operation& op) noexcept {
    {
        const lock held(mutex_);
        if (waiting_.holds(op)) {
            waiting_.remove(op);
            finish(&op, -ECANCELED);
        } else if (op.slot < slots_.size() && slots_[op.slot].op == &op) {
            want_cancel(op.slot);
        } else {
            return;
        }
    }
    finished_.raise();
}

int io_uring_engine::register_buffers(const iovec* buffers, unsigned count) noexcept {
    const lock held(mutex_);
    if (failure_)
        return -EOPNOTSUPP;
    buffers_.clear();
    const int error = ring_->register_buffers(buffers, count);
    if (error == 0)
        try {
            buffers_.assign(buffers, buffers + count);
        } catch (const std::bad_alloc&) {
            return -ENOMEM; // registered, and used as plain ones
        }
    return error;
}

void io_uring_engine::stop(op_queue& abandoned) noexcept {
    const lock held(mutex_);
    waiting_.move_to(abandoned);
    if (ring_->is_open() && ring_->is_of_this_process()) {
        take_completions(); // never skipped: a counter says nothing of the queue
        for (std::size_t index = 0; index != slots_.size(); ++index)
            if (slots_[index].op)
                want_cancel(index);
        if (ring_->is_known_issuer())
            drain();
        else if (in_kernel_ != 0)
            ring_->close_and_wait();
    }
    ring_->close(); // before any memory that the kernel was told of is freed
    abandon_slots(abandoned);
    waiting_.move_to(abandoned);
    abandoned.splice(done_);
}

/// Waits until the kernel has nothing of ours.
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

/// Ends what is still in slots: of a ring that is closed, or that belongs to the parent process.
void io_uring_engine::abandon_slots(op_queue& abandoned) noexcept {
    for (slot& each : slots_) {
        if (each.op) {
            each.op->take_result(-ECANCELED);
            abandoned.push(std::exchange(each.op, nullptr));
        }
        each.cancel_wanted = each.cancel_listed = each.cancel_in_flight = false;
    }
    cancels_wanted_.clear();
    in_kernel_ = cancels_in_flight_ = 0;
}

void io_uring_engine::prepare_fork() noexcept {
    const lock held(mutex_);
    if (!ring_->is_open())
        return;
    if (!ring_->is_known_issuer()) {
        // What another thread alone can reap goes on in the parent, and ends as cancelled in the child.
        while (operation* op = waiting_.pop())
            pass_on(op, pass_reason::unsupported);
        return;
    }
    do {
        encode_waiting();
        enter();
        drain();
    } while (!waiting_.empty());
}

void io_uring_engine::become_child() noexcept {
    const lock held(mutex_);
    ring_->close(); // the parent's: a submission from here would complete there
    abandon_slots(done_);
    open_ring();
}

engine_counters io_uring_engine::counters() const noexcept {
    const lock held(mutex_);
    return {ring_->enters(), 0, resubmitted_};
}

} // namespace asio_aio::detail
