// SPDX-License-Identifier: BSL-1.0
#include "engine/libaio/engine.hpp"

#include "engine/file_size_signal_guard.hpp"
#include "engine/libaio/encode.hpp"
#include "engine/libaio/judge.hpp"
#include "selection/trial_memory.hpp"

#include <asio_aio/detail/core/posix_file.hpp>

#include <poll.h>
#include <sys/uio.h>
#include <algorithm>
#include <cerrno>
#include <utility>

namespace asio_aio::detail {
namespace {

no_wait_gate& gate_of(const operation& op) noexcept {
    return op.kind == op_kind::read ? op.file->reads() : op.file->writes();
}

} // namespace

libaio_engine::libaio_engine(std::unique_ptr<libaio_queue> queue, event& finished)
    : finished_(finished), queue_(std::move(queue)) {
    queue_->count_from_now(); // without the calls of the trial
    make_slots();
}

libaio_engine::~libaio_engine() {
    op_queue abandoned; // discarded at the end of this function
    stop(abandoned);
}

void libaio_engine::make_slots() {
    ledger_.make_slots(queue_->depth());
    encoded_.reserve(ledger_.slot_count());
}

refusal libaio_engine::failure() const noexcept {
    const lock held(mutex_);
    return failure_;
}

bool libaio_engine::serves(const file_handle& file) const noexcept {
    return file.direct() && file.is_storage() && !file.refused() && !has_failed();
}

pass_reason libaio_engine::why_not(operation& op) const noexcept {
    if (!op.file || !(is_transfer(op.kind) || is_sync(op.kind)) || op.offset == current_position)
        return pass_reason::unsupported;
    if (!op.file->direct())
        return pass_reason::buffered;
    if (!op.file->is_storage() || (is_sync(op.kind) && !has_syncs_.load(std::memory_order_relaxed)))
        return pass_reason::unsupported;
    if (const pass_reason why = why_not_now(op); why != pass_reason::none)
        return why;
    return is_sync(op.kind) || gate_of(op).try_next() ? pass_reason::none : pass_reason::would_wait;
}

/// Checks what may have changed since the operation was routed.
pass_reason libaio_engine::why_not_now(const operation& op) const noexcept {
    if (has_failed())
        return pass_reason::unsupported;
    return op.file->refused() ? pass_reason::refused : pass_reason::none;
}

// --- Submission ---

void libaio_engine::submit(op_queue& batch) noexcept {
    const lock held(mutex_);
    while (operation* op = batch.pop()) {
        op->become(op_state::with_engine);
        if (op->is_cancelled())
            ledger_.finish(*op, -ECANCELED);
        else if (const pass_reason why = why_not_now(*op); why != pass_reason::none)
            ledger_.pass(*op, why);
        else if (ledger_.waiting().empty() && ledger_.has_room()) // keeps the order
            encode_into_slot(*op);
        else
            ledger_.waiting().push(op);
    }
    work();
}

/// Submits to the kernel what waits and fits, and takes what the kernel has finished.
void libaio_engine::work() noexcept {
    encode_waiting();
    if (encoded_.empty() && ledger_.waiting().empty())
        return;
    enter();
    take_completions();
    if (!ledger_.waiting().empty() && ledger_.all_free())
        finished_.raise(); // the kernel has nothing that would wake the loop for the rest
}

void libaio_engine::encode_waiting() noexcept {
    while (!ledger_.waiting().empty() && ledger_.has_room())
        encode_into_slot(*ledger_.waiting().pop());
}

/// Encodes an operation into a free slot. A slot must be free.
void libaio_engine::encode_into_slot(operation& op) noexcept {
    const std::size_t index = ledger_.occupy(op);
    iocb& entry = ledger_.slot(index).entry;
    encode(entry, op, finished_.descriptor());
    entry.data = reinterpret_cast<void*>(index);
    writes_encoded_ |= may_extend(op.kind);
    encoded_.push_back(&entry);
}

/// Submits what is encoded. Operations for which the kernel has no room wait again.
void libaio_engine::enter() noexcept {
    const file_size_signal_guard guard(
        std::exchange(writes_encoded_, false) && file_size_signal_guard::is_needed());
    std::size_t taken = 0;
    while (taken != encoded_.size()) {
        const int result = queue_->submit(encoded_.data() + taken, encoded_.size() - taken);
        if (result > 0) {
            taken += std::size_t(result);
        } else if (result == 0 || result == -EAGAIN || result == -EINTR) {
            break; // no places or no memory: try again after completions
        } else if (const int error = queue_->submit(nullptr, 0); error != 0) {
            give_up({-error, "io_submit"}); // refused for any operation
            break;
        } else { // the error concerns the first operation
            settle_refusal(
                empty_slot(reinterpret_cast<std::size_t>(encoded_[taken++]->data)), result);
            if (result == -EOPNOTSUPP)
                break; // maybe also the other operations of its file
        }
    }
    put_back(taken);
    pass_on_waiting();
}

/// Puts the operations that the kernel has not taken back in front of all that wait.
void libaio_engine::put_back(std::size_t taken) noexcept {
    for (; encoded_.size() != taken; encoded_.pop_back())
        ledger_.waiting().push_front(
            &empty_slot(reinterpret_cast<std::size_t>(encoded_.back()->data)));
    encoded_.clear();
}

/// The kernel refuses to be entered. The pool performs everything from now on, and the next context
/// tries again.
void libaio_engine::give_up(const refusal& why) noexcept {
    failure_ = why;
    failed_.store(true, std::memory_order_relaxed);
    stays_off_kernel_ = true;
    trial_memory::instance().forget(backend::libaio);
}

/// Passes operations that wait to the pool, if they can no longer be submitted to the kernel.
void libaio_engine::pass_on_waiting() noexcept {
    if (!std::exchange(stays_off_kernel_, false))
        return;
    op_queue passed;
    ledger_.waiting().extract_if(
        [this](const operation& op) { return why_not_now(op) != pass_reason::none; }, passed);
    while (operation* op = passed.pop())
        ledger_.pass(*op, why_not_now(*op));
}

operation& libaio_engine::empty_slot(std::size_t index) noexcept {
    ledger_.release(index);
    return ledger_.vacate(index);
}

/// Acts on the error with which io_submit(2) refuses this operation.
void libaio_engine::settle_refusal(operation& op, int error) noexcept {
    const judgement found = judge_aio_submission(op, error);
    if (found.why == pass_reason::refused && error == -EOPNOTSUPP) {
        op.file->refuse(); // its filesystem does not support RWF_NOWAIT
        stays_off_kernel_ = true;
    }
    if (is_sync(op.kind) && error == -EINVAL)
        has_syncs_.store(false, std::memory_order_relaxed);
    follow(found, op);
}

// --- Completion ---

void libaio_engine::reap(op_queue& done) noexcept {
    bool pauses = false;
    {
        const lock held(mutex_);
        take_completions();
        pauses = work_again();
        ledger_.take_done(done);
    }
    constexpr int pause_ms = 1;
    if (pauses) // otherwise this would be a busy loop
        ::poll(nullptr, 0, pause_ms);
}

/// Returns true if the kernel takes nothing although it has no operation: it lacks memory.
bool libaio_engine::work_again() noexcept {
    const std::size_t before = ledger_.waiting().size();
    work();
    return before != 0 && ledger_.waiting().size() == before && ledger_.all_free();
}

void libaio_engine::take_completions() noexcept {
    libaio_queue::completion batch[64];
    while (!ledger_.all_free()) {
        const std::size_t count = queue_->take(batch, std::size(batch));
        if (count == 0)
            return;
        take(batch, count);
    }
}

void libaio_engine::take(const libaio_queue::completion* completions, std::size_t count) noexcept {
    for (std::size_t i = 0; i != count; ++i)
        settle(empty_slot(std::size_t(completions[i].user_data)), completions[i].result);
}

/// Acts on the verdict for a result.
void libaio_engine::settle(operation& op, int result) noexcept {
    const judgement found =
        judge_aio_completion(op, result, posix_file::is_short_of_end(op, result));
    if (found.what == verdict::proceed) {
        // The kernel moved what it could without waiting. The pool moves the rest.
        op.advance(std::size_t(result));
        gate_of(op).miss();
        return ledger_.pass(op, pass_reason::would_wait);
    }
    if (is_transfer(op.kind) && found.what == verdict::finished && result >= 0)
        gate_of(op).hit();
    if (is_transfer(op.kind) && found.why == pass_reason::would_wait)
        gate_of(op).miss();
    follow(found, op);
}

void libaio_engine::follow(const judgement& found, operation& op) noexcept {
    if (found.what == verdict::finished)
        return ledger_.finish(op, found.result);
    ledger_.pass(op, found.why);
}

// --- Cancellation and end ---

void libaio_engine::cancel(file_handle& file) noexcept {
    {
        const lock held(mutex_);
        if (!ledger_.cancel_waiting(file))
            return;
    }
    finished_.raise();
}

/// Finishes `op` if it waits. The kernel cannot cancel operations on files (io_cancel(2) returns
/// EINVAL). If such an operation comes back unfinished, the judge ends it as cancelled.
void libaio_engine::cancel(operation& op) noexcept {
    {
        const lock held(mutex_);
        if (ledger_.cancel(op) != decltype(ledger_)::place::waiting)
            return;
    }
    finished_.raise();
}

void libaio_engine::stop(op_queue& abandoned) noexcept {
    const lock held(mutex_);
    ledger_.waiting().move_to(abandoned);
    drain();
    queue_->close(); // before the memory is freed that the kernel may use
    ledger_.abandon(abandoned);
}

/// Waits until the kernel has no operation of this engine. In a child process these operations
/// belong to the parent.
void libaio_engine::drain() noexcept {
    if (!queue_->is_of_this_process())
        return;
    libaio_queue::completion batch[64];
    while (!ledger_.all_free()) {
        const std::size_t count = queue_->take_after_wait(batch, std::size(batch));
        if (count == 0)
            // io_getevents is refused and there is no ring to read: the end of the context waits
            // instead
            return;
        take(batch, count);
    }
}

void libaio_engine::prepare_fork() noexcept {
    const lock held(mutex_);
    ledger_.pass_waiting(pass_reason::unsupported);
    drain();
}

void libaio_engine::become_child() noexcept {
    const lock held(mutex_);
    queue_->forget(); // the kernel does not know the context in this process
    ledger_.end_slots(-ECANCELED);
    failure_ = queue_->open(queue_->depth());
    failed_.store(bool(failure_), std::memory_order_relaxed);
    if (!failure_ && queue_->depth() != ledger_.slot_count())
        make_slots();
}

engine_counters libaio_engine::counters() const noexcept {
    const lock held(mutex_);
    return {queue_->calls(), 0, 0};
}

} // namespace asio_aio::detail
