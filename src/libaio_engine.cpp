// SPDX-License-Identifier: BSL-1.0
#include "libaio_engine.hpp"

#include "file_size_signal_guard.hpp"
#include "trial_memory.hpp"

#include <asio_aio/detail/posix_file.hpp>

#include <poll.h>
#include <sys/uio.h>
#include <algorithm>
#include <cerrno>
#include <utility>

namespace asio_aio::detail {
namespace {

bool is_sync(op_kind kind) noexcept {
    return kind == op_kind::sync_all || kind == op_kind::sync_data;
}

no_wait_gate& gate_of(const operation& op) noexcept {
    return op.kind == op_kind::read ? op.file->reads() : op.file->writes();
}

void encode_transfer(iocb& entry, const operation& op) noexcept {
    const bool reads = op.kind == op_kind::read;
    const int fd = op.descriptor();
    const auto offset = static_cast<long long>(op.offset);
    if (op.iovec_count == 1)
        (reads ? io_prep_pread : io_prep_pwrite)(&entry, fd, op.iovecs->iov_base, op.iovecs->iov_len, offset);
    else
        (reads ? io_prep_preadv : io_prep_pwritev)(&entry, fd, op.iovecs, int(op.iovec_count), offset);
    entry.aio_rw_flags = RWF_NOWAIT;
}

void encode(iocb& entry, const operation& op, int event_descriptor) noexcept {
    if (is_transfer(op.kind))
        encode_transfer(entry, op);
    else
        (op.kind == op_kind::sync_all ? io_prep_fsync : io_prep_fdsync)(&entry, op.descriptor());
    io_set_eventfd(&entry, event_descriptor);
}

/// Whether the kernel says with this that it would have had to wait.
/** Linux 4 may say EIO (scylladb issue 3996); a true one is found again by the pool. */
bool would_wait(const operation& op, int result) noexcept {
    return result == -EAGAIN || result == -EBUSY || result == -EINTR || (result == -EIO && is_transfer(op.kind));
}

/// Whether a transfer ended before its end, and not at that of the file.
bool is_unfinished(const operation& op, int result) noexcept {
    if (op.is_cancelled() || !is_transfer(op.kind) || std::size_t(result) == op.total_bytes())
        return false;
    return op.kind == op_kind::write || posix_file::is_short_of_end(op, result);
}

} // namespace

libaio_engine::libaio_engine(std::unique_ptr<libaio_queue> queue, event& finished)
    : finished_(finished), queue_(std::move(queue)) {
    queue_->count_from_now(); // and not its trial
    make_slots();
}

libaio_engine::~libaio_engine() {
    op_queue abandoned; // discarded as it goes out of scope
    stop(abandoned);
}

void libaio_engine::make_slots() {
    slots_.resize(queue_->depth());
    encoded_.reserve(slots_.size());
    free_slots_.clear();
    for (std::size_t i = slots_.size(); i-- != 0;)
        free_slots_.push_back(std::uint32_t(i));
}

bool libaio_engine::serves(const file_handle& file) const noexcept {
    return file.direct() && file.is_storage() && !file.refused() && !failure();
}

refusal libaio_engine::failure() const noexcept {
    const lock held(mutex_);
    return failure_;
}

// --- Submission ------------------------------------------------------------------------------------------------------

void libaio_engine::submit(op_queue& batch) noexcept {
    const lock held(mutex_);
    while (operation* op = batch.pop()) {
        if (op->is_cancelled()) {
            finish(op, -ECANCELED);
            continue;
        }
        const pass_reason why = why_not(*op);
        if (why != pass_reason::none)
            pass_on(op, why);
        else if (waiting_.empty() && !free_slots_.empty())
            encode_into_slot(op);
        else
            waiting_.push(op);
    }
    work();
}

/// Why the operation is not given to the kernel; `none`: it is.
pass_reason libaio_engine::why_not(const operation& op) const noexcept {
    if (failure_ || !op.file || !(is_transfer(op.kind) || is_sync(op.kind)))
        return pass_reason::unsupported;
    if (!op.file->direct())
        return pass_reason::buffered;
    if (!op.file->is_storage() || (is_sync(op.kind) && !has_syncs_))
        return pass_reason::unsupported;
    if (op.file->refused())
        return pass_reason::refused;
    return is_sync(op.kind) || gate_of(op).try_next() ? pass_reason::none : pass_reason::would_wait;
}

/// Hands to the kernel what waits and fits, and takes what it has finished meanwhile.
void libaio_engine::work() noexcept {
    encode_waiting();
    if (encoded_.empty() && waiting_.empty())
        return;
    enter();
    take_completions();
    if (!waiting_.empty() && is_idle())
        finished_.raise(); // nothing is left in the kernel to wake the loop for the rest
}

void libaio_engine::encode_waiting() noexcept {
    while (!waiting_.empty() && !free_slots_.empty())
        encode_into_slot(waiting_.pop());
}

/// Encodes an operation; a slot is free.
void libaio_engine::encode_into_slot(operation* op) noexcept {
    const std::size_t index = free_slots_.back();
    free_slots_.pop_back();
    slot& where = slots_[index];
    where.op = op;
    encode(where.entry, *op, finished_.descriptor());
    where.entry.data = reinterpret_cast<void*>(index);
    writes_encoded_ |= may_extend(op->kind);
    encoded_.push_back(&where.entry);
}

/// Has the kernel take what is encoded; what it has no room for waits again.
void libaio_engine::enter() noexcept {
    const file_size_signal_guard guard(std::exchange(writes_encoded_, false) && file_size_signal_guard::is_needed());
    std::size_t taken = 0;
    while (taken != encoded_.size()) {
        const int result = queue_->submit(encoded_.data() + taken, encoded_.size() - taken);
        if (result > 0) {
            taken += std::size_t(result);
        } else if (result == 0 || result == -EAGAIN || result == -EINTR) {
            break; // out of places or memory: again when completions were taken
        } else if (const int error = queue_->submit(nullptr, 0); error != 0) {
            give_up({-error, "io_submit"}); // whatever the operation
            break;
        } else { // it speaks of the first alone
            answer_submission(empty_slot(reinterpret_cast<std::size_t>(encoded_[taken++]->data)), result);
            if (result == -EOPNOTSUPP)
                break; // or of all operations of its file
        }
    }
    put_back(taken);
    pass_on_waiting();
}

/// Has what the kernel has not taken wait again, before all others.
void libaio_engine::put_back(std::size_t taken) noexcept {
    for (; encoded_.size() != taken; encoded_.pop_back())
        waiting_.push_front(empty_slot(reinterpret_cast<std::size_t>(encoded_.back()->data)));
    encoded_.clear();
}

/// The kernel refuses to be entered: the pool does everything from now on, and the next context tries anew.
void libaio_engine::give_up(const refusal& why) noexcept {
    failure_ = why;
    stays_off_kernel_ = true;
    trial_memory::instance().forget(backend::libaio);
}

/// Gives to the pool what waits and cannot be given to the kernel any more.
void libaio_engine::pass_on_waiting() noexcept {
    if (!std::exchange(stays_off_kernel_, false))
        return;
    op_queue passed;
    waiting_.extract_if([this](const operation& op) { return failure_ || op.file->refused(); }, passed);
    while (operation* op = passed.pop())
        pass_on(op, failure_ ? pass_reason::unsupported : pass_reason::refused);
}

operation* libaio_engine::empty_slot(std::size_t index) noexcept {
    free_slots_.push_back(std::uint32_t(index));
    return std::exchange(slots_[index].op, nullptr);
}

/// io_submit refuses this operation.
void libaio_engine::answer_submission(operation* op, int error) noexcept {
    if (op->is_cancelled())
        return finish(op, -ECANCELED);
    if (error == -EOPNOTSUPP && is_transfer(op->kind)) {
        op->file->refuse(); // its filesystem does not know RWF_NOWAIT
        stays_off_kernel_ = true;
    }
    const bool by_file = error == -EINVAL || error == -EOPNOTSUPP;
    if (is_transfer(op->kind)) // else something that passes, or the pool finds it again
        return pass_on(op, by_file ? pass_reason::refused : pass_reason::would_wait);
    has_syncs_ = has_syncs_ && error != -EINVAL;
    pass_on(op, pass_reason::unsupported);
}

// --- Completion ------------------------------------------------------------------------------------------------------

void libaio_engine::reap(op_queue& done) noexcept {
    bool pauses = false;
    {
        const lock held(mutex_);
        take_completions();
        pauses = work_again();
        done.splice(done_);
    }
    constexpr int pause_ms = 1;
    if (pauses) // without it this would be a busy loop
        ::poll(nullptr, 0, pause_ms);
}

/// Returns whether the kernel takes nothing although it has nothing: it is out of memory.
bool libaio_engine::work_again() noexcept {
    const std::size_t before = waiting_.size();
    work();
    return before != 0 && waiting_.size() == before && is_idle();
}

void libaio_engine::take_completions() noexcept {
    libaio_queue::completion batch[64];
    while (!is_idle()) {
        const std::size_t count = queue_->take(batch, std::size(batch));
        if (count == 0)
            return;
        take(batch, count);
    }
}

void libaio_engine::take(const libaio_queue::completion* completions, std::size_t count) noexcept {
    for (std::size_t i = 0; i != count; ++i)
        finish(empty_slot(std::size_t(completions[i].user_data)), completions[i].result);
}

void libaio_engine::finish(operation* op, int result) noexcept {
    const bool waits = would_wait(*op, result);
    const bool refused = result == -EINVAL || result == -EOPNOTSUPP;
    if (op->is_cancelled() && (waits || refused))
        result = -ECANCELED;
    else if (waits)
        return leave_to_wait(op);
    else if (refused)
        return pass_on(op, is_transfer(op->kind) ? pass_reason::refused : pass_reason::unsupported);
    if (result >= 0 && is_unfinished(*op, result)) {
        op->advance(std::size_t(result)); // a part could be done without waiting: the caller sees the sum
        return leave_to_wait(op);
    }
    if (result >= 0 && is_transfer(op->kind))
        gate_of(*op).hit();
    op->take_result(result);
    done_.push(op);
}

void libaio_engine::leave_to_wait(operation* op) noexcept {
    if (is_transfer(op->kind))
        gate_of(*op).miss();
    pass_on(op, pass_reason::would_wait);
}

void libaio_engine::pass_on(operation* op, pass_reason why) noexcept {
    op->passed = why;
    done_.push(op);
}

// --- Cancellation and end --------------------------------------------------------------------------------------------

void libaio_engine::cancel(file_handle& file) noexcept {
    {
        const lock held(mutex_);
        op_queue cancelled;
        waiting_.extract_cancelled(file, cancelled);
        if (cancelled.empty())
            return;
        while (operation* op = cancelled.pop())
            finish(op, -ECANCELED);
    }
    finished_.raise();
}

/// The kernel cannot stop what it has (io_cancel(2) is EINVAL for files). What comes back unfinished ends there.
void libaio_engine::cancel(operation& op) noexcept {
    {
        const lock held(mutex_);
        if (!waiting_.holds(op))
            return;
        waiting_.remove(op);
        finish(&op, -ECANCELED);
    }
    finished_.raise();
}

void libaio_engine::stop(op_queue& abandoned) noexcept {
    const lock held(mutex_);
    waiting_.move_to(abandoned);
    drain();
    queue_->close(); // before any memory that the kernel was told of is freed
    for (std::size_t i = 0; i != slots_.size(); ++i)
        if (slots_[i].op) {
            slots_[i].op->take_result(-ECANCELED);
            abandoned.push(empty_slot(i));
        }
    abandoned.splice(done_);
}

/// Waits until the kernel has nothing of ours. What it has in a child process is the parent's.
void libaio_engine::drain() noexcept {
    if (!queue_->is_of_this_process())
        return;
    libaio_queue::completion batch[64];
    while (!is_idle()) {
        const std::size_t count = queue_->take_after_wait(batch, std::size(batch));
        if (count == 0)
            return; // refused, and there is no ring to look at: the end of the context waits as well
        take(batch, count);
    }
}

void libaio_engine::prepare_fork() noexcept {
    const lock held(mutex_);
    while (operation* op = waiting_.pop())
        pass_on(op, pass_reason::unsupported);
    drain();
}

void libaio_engine::become_child() noexcept {
    const lock held(mutex_);
    queue_->forget(); // the kernel does not know it in this process
    for (std::size_t i = 0; i != slots_.size(); ++i)
        if (slots_[i].op) {
            slots_[i].op->take_result(-ECANCELED);
            done_.push(empty_slot(i));
        }
    failure_ = queue_->open(queue_->depth());
    if (!failure_ && queue_->depth() != slots_.size())
        make_slots();
}

engine_counters libaio_engine::counters() const noexcept {
    const lock held(mutex_);
    return {queue_->calls(), 0, 0};
}

} // namespace asio_aio::detail
