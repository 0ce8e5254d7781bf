// SPDX-License-Identifier: BSL-1.0
#include "io_uring_engine.hpp"

#include <asio_aio/detail/posix_file.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace asio_aio::detail {
namespace {

// Of kernels newer than the headers of Debian 12; the numbers are ABI.
constexpr unsigned op_ftruncate = 55;          // Linux 6.9
constexpr unsigned setup_submit_all = 1u << 7; // Linux 5.18

// Linux 5.15, by its features: no lost completions (NODROP), iovecs and paths copied at submission (SUBMIT_STABLE), an
// offset of -1 that cannot be meant by us (RW_CUR_POS), workers that are threads of the process (NATIVE_WORKERS), and
// the API of 5.13 (RSRC_TAGS).
constexpr unsigned needed_features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |
    IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_RSRC_TAGS;

constexpr unsigned smallest_ring = 16; // below it the kernel's batching is lost
constexpr unsigned largest_ring = 4096;

// user_data of a cancellation: the slot of its target, with this bit.
constexpr std::uint64_t cancel_bit = std::uint64_t(1) << 32;

unsigned ring_size(unsigned depth) noexcept {
    unsigned size = 1;
    while (size < depth && size < largest_ring)
        size *= 2;
    return size;
}

/// Where the size of files is limited, a write past the limit that is done inside io_uring_enter would send SIGXFSZ to
/// the calling thread, and end the process: the pool and the kernel's workers answer EFBIG, and so does this.
class file_size_signal_guard {
public:
    explicit file_size_signal_guard(bool needed) noexcept : needed_(needed) {
        if (!needed_)
            return;
        sigemptyset(&signal_);
        sigaddset(&signal_, SIGXFSZ);
        pthread_sigmask(SIG_BLOCK, &signal_, &before_);
    }
    file_size_signal_guard(const file_size_signal_guard&) = delete;
    file_size_signal_guard& operator=(const file_size_signal_guard&) = delete;
    ~file_size_signal_guard() {
        if (!needed_)
            return;
        constexpr timespec no_wait{0, 0};
        if (sigismember(&before_, SIGXFSZ) == 0)
            while (sigtimedwait(&signal_, nullptr, &no_wait) == SIGXFSZ) {
            }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    bool needed_;
    sigset_t signal_;
    sigset_t before_;
};

bool is_file_size_limited() noexcept {
    rlimit limit;
    return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

int opcode_of(op_kind kind) noexcept {
    switch (kind) {
    case op_kind::read: return IORING_OP_READV;
    case op_kind::write: return IORING_OP_WRITEV;
    case op_kind::sync_all:
    case op_kind::sync_data: return IORING_OP_FSYNC;
    case op_kind::sync_range: return IORING_OP_SYNC_FILE_RANGE;
    case op_kind::open: return IORING_OP_OPENAT;
    case op_kind::close: return IORING_OP_CLOSE;
    case op_kind::size: return IORING_OP_STATX;
    case op_kind::resize: return op_ftruncate;
    case op_kind::allocate: return IORING_OP_FALLOCATE;
    }
    return -1;
}

std::size_t total_bytes(const operation& op) noexcept {
    std::size_t bytes = 0;
    for (unsigned i = 0; i != op.iovec_count; ++i)
        bytes += op.iovecs[i].iov_len;
    return bytes;
}

void prepare_transfer(io_uring_sqe* sqe, const operation& op) noexcept {
    const bool reads = op.kind == op_kind::read;
    const int fd = op.descriptor();
    if (op.iovec_count == 1) {
        const iovec& one = *op.iovecs; // its length has 31 bits: at most 0x7ffff000
        if (reads)
            io_uring_prep_read(sqe, fd, one.iov_base, unsigned(one.iov_len), op.offset);
        else
            io_uring_prep_write(sqe, fd, one.iov_base, unsigned(one.iov_len), op.offset);
    } else if (reads) {
        io_uring_prep_readv(sqe, fd, op.iovecs, op.iovec_count, op.offset);
    } else {
        io_uring_prep_writev(sqe, fd, op.iovecs, op.iovec_count, op.offset);
    }
}

std::string read_line(const char* path) {
    char text[64] = {};
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return {};
    const ssize_t n = ::read(fd, text, sizeof(text) - 1);
    ::close(fd);
    std::string line(text, n > 0 ? std::size_t(n) : 0);
    return line.substr(0, line.find('\n'));
}

engine_report unavailable(const ring_refusal& refusal) {
    engine_report report{backend::io_uring, false, refusal.error, {}, {}};
    report.reason = std::string(refusal.call) + ": " + std::strerror(refusal.error);
    const std::string disabled = read_line("/proc/sys/kernel/io_uring_disabled");
    if (refusal.error == EPERM && !disabled.empty() && disabled != "0") {
        report.reason += "; kernel.io_uring_disabled is " + disabled;
        report.remedy = "sysctl kernel.io_uring_disabled=0";
    } else if (refusal.error == EPERM || refusal.error == EACCES) {
        report.reason += "; a seccomp profile or a security module refuses it";
        report.remedy = "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile";
    } else if (refusal.error == ENOSYS) {
        report.remedy = "a kernel with CONFIG_IO_URING, and a seccomp profile that allows it";
    } else if (refusal.error == ENOMEM) {
        report.remedy = "raise RLIMIT_MEMLOCK (ulimit -l)";
    } else if (refusal.error == EMFILE) {
        report.remedy = "raise RLIMIT_NOFILE (ulimit -n)";
    }
    return report;
}

} // namespace

// --- The ring
// ---------------------------------------------------------------------------------------------------------

ring_refusal ring::open(unsigned depth, int event_descriptor) {
    int error = 0;
    for (unsigned entries = ring_size(depth);; entries /= 2) {
        error = set_up(entries);
        if (error != -ENOMEM || entries <= smallest_ring)
            break;
    }
    if (error != 0)
        return {-error, "io_uring_setup"};
    open_ = true;
    ring_refusal refusal = check_features();
    if (!refusal.call) {
        error = io_uring_register_eventfd(&ring_, event_descriptor);
        if (error != 0)
            refusal = {-error, "io_uring_register(IORING_REGISTER_EVENTFD)"};
    }
    if (refusal.call)
        close();
    return refusal;
}

int ring::set_up(unsigned entries) noexcept {
    int error = 0;
    for (unsigned flags : {setup_submit_all, 0u}) { // gVisor and old kernels take no flag
        io_uring_params params{};
        params.flags = flags;
        error = io_uring_queue_init_params(entries, &ring_, &params);
        if (error != -EINVAL)
            break;
    }
    return error;
}

ring_refusal ring::check_features() noexcept {
    if ((ring_.features & needed_features) != needed_features)
        return {EOPNOTSUPP, "the features of Linux 5.15's io_uring"};
    io_uring_probe* found = io_uring_get_probe_ring(&ring_);
    if (!found)
        return {EPERM, "io_uring_register(IORING_REGISTER_PROBE)"};
    for (unsigned opcode = 0; opcode != supported_.size(); ++opcode)
        supported_[opcode] = io_uring_opcode_supported(found, int(opcode)) != 0;
    io_uring_free_probe(found);
    for (unsigned needed :
         {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_ASYNC_CANCEL})
        if (!supports(needed))
            return {EOPNOTSUPP, "io_uring's reads, writes, syncs and cancellation"};
    return {};
}

void ring::close() noexcept {
    if (open_)
        io_uring_queue_exit(&ring_);
    open_ = false;
}

// --- The engine
// -------------------------------------------------------------------------------------------------------

engine_report io_uring_engine::probe(unsigned depth) {
    event finished;
    if (const int error = finished.open())
        return unavailable({-error, "eventfd"});
    ring trial;
    if (const ring_refusal refusal = trial.open(depth, finished.descriptor()); refusal.call)
        return unavailable(refusal);
    // One operation on a worker of the kernel's, back through the event: a sandbox may allow the set-up and forbid the
    // rest, or the threads.
    io_uring_sqe* sqe = io_uring_get_sqe(trial.get());
    io_uring_prep_nop(sqe);
    sqe->flags |= IOSQE_ASYNC;
    if (const int submitted = io_uring_submit(trial.get()); submitted != 1)
        return unavailable({submitted < 0 ? -submitted : EIO, "io_uring_enter"});
    pollfd woken{finished.descriptor(), POLLIN, 0};
    constexpr int patience_ms = 2000;
    io_uring_cqe* cqe = nullptr;
    if (::poll(&woken, 1, patience_ms) != 1 || io_uring_peek_cqe(trial.get(), &cqe) != 0)
        return unavailable({ETIMEDOUT, "a trial operation, which did not come back"});
    if (cqe->res < 0)
        return unavailable({-cqe->res, "a trial operation"});
    return {backend::io_uring, true, 0, {}, {}};
}

io_uring_engine::io_uring_engine(unsigned depth, event& finished)
    : depth_(depth), finished_(finished), file_size_limited_(is_file_size_limited()) {
    open_ring();
}

io_uring_engine::~io_uring_engine() {
    op_queue abandoned; // discarded as it goes out of scope
    stop(abandoned);
}

void io_uring_engine::open_ring() {
    // Refused although the probe was not: everything goes to the pool.
    if (ring_.open(depth_, finished_.descriptor()).call)
        return;
    const std::size_t slots = std::min<std::size_t>(depth_, *ring_->sq.kring_entries);
    slots_.resize(slots);
    free_slots_.clear();
    for (std::size_t i = slots; i-- != 0;)
        free_slots_.push_back(std::uint16_t(i));
}

void io_uring_engine::submit(op_queue& batch) noexcept {
    const lock held(mutex_);
    waiting_.splice(batch);
    work();
}

void io_uring_engine::reap(op_queue& done) noexcept {
    const lock held(mutex_);
    take_completions();
    if (cancels_wanted_ || !waiting_.empty())
        work();
    done.splice(done_);
}

void io_uring_engine::cancel(const cancellation& which) noexcept {
    {
        const lock held(mutex_);
        op_queue cancelled;
        waiting_.extract_if([&](const operation& op) { return which.covers(op); }, cancelled);
        bool found = !cancelled.empty();
        while (operation* op = cancelled.pop()) {
            op->abort();
            done_.push(op);
        }
        for (slot& each : slots_)
            if (each.op && which.covers(*each.op)) {
                each.op->cancel_asked = true;
                each.cancel_wanted = cancels_wanted_ = found = true;
            }
        if (!found)
            return;
    }
    finished_.raise(); // the request is made by a thread that runs the context, in `reap`
}

/// Hands to the kernel what waits and fits, and takes what it has finished meanwhile.
void io_uring_engine::work() noexcept {
    encode_cancellations();
    encode_waiting();
    enter();
    take_completions();
    if (!waiting_.empty() && !free_slots_.empty())
        finished_.raise(); // nothing in the kernel may be left to wake the loop for the rest
}

void io_uring_engine::encode_waiting() noexcept {
    while (!waiting_.empty()) {
        if (!ring_.is_open() || broken_) {
            pass_on(waiting_.pop(), pass_reason::unsupported);
            continue;
        }
        if (free_slots_.empty())
            return;
        operation* op = waiting_.pop();
        if (op->passed == pass_reason::none && !can_serve(*op)) {
            pass_on(op, op->file && op->file->refused() ? pass_reason::refused : pass_reason::unsupported);
            continue;
        }
        io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
        if (!sqe) { // the kernel has not taken what was encoded before
            waiting_.push_front(op);
            return;
        }
        const std::size_t index = free_slots_.back();
        free_slots_.pop_back();
        slots_[index].op = op;
        ++in_kernel_;
        encode(sqe, *op, slots_[index]);
        io_uring_sqe_set_data64(sqe, index);
    }
}

/// Whether the kernel may be asked: it knows the operation, and the file is one on which all engines do the same.
bool io_uring_engine::can_serve(const operation& op) const noexcept {
    if (!ring_.supports(unsigned(opcode_of(op.kind))))
        return false;
    // The length of sync_file_range has 32 bits in a submission.
    if (op.kind == op_kind::sync_range && op.length > UINT32_MAX)
        return false;
    // Pipes and devices: preadv(2) says what their file position means, and the kernel's queue ignores it.
    return !op.file || (op.file->is_storage() && !op.file->refused());
}

void io_uring_engine::encode(io_uring_sqe* sqe, operation& op, slot& where) {
    const int fd = op.descriptor();
    switch (op.kind) {
    case op_kind::read:
    case op_kind::write: prepare_transfer(sqe, op); break;
    case op_kind::sync_all: io_uring_prep_fsync(sqe, fd, 0); break;
    case op_kind::sync_data: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
    case op_kind::sync_range: io_uring_prep_sync_file_range(sqe, fd, unsigned(op.length), op.offset, op.flags); break;
    case op_kind::open: io_uring_prep_openat(sqe, AT_FDCWD, op.path, op.flags | O_CLOEXEC, op.mode); break;
    case op_kind::close: io_uring_prep_close(sqe, fd); break;
    case op_kind::size:
        if (!where.status)
            where.status = std::make_unique<struct statx>();
        io_uring_prep_statx(sqe, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, where.status.get());
        break;
    case op_kind::resize: io_uring_prep_rw(int(op_ftruncate), sqe, fd, nullptr, 0, op.length); break;
    case op_kind::allocate: io_uring_prep_fallocate(sqe, fd, op.flags, off_t(op.offset), off_t(op.length)); break;
    }
}

void io_uring_engine::encode_cancellations() noexcept {
    if (!std::exchange(cancels_wanted_, false))
        return;
    for (std::size_t index = 0; index != slots_.size(); ++index) {
        slot& each = slots_[index];
        if (!each.cancel_wanted || each.cancel_in_flight)
            continue;
        io_uring_sqe* sqe = io_uring_get_sqe(ring_.get());
        if (!sqe) {
            cancels_wanted_ = true; // the rest at the next turn
            finished_.raise();
            return;
        }
        io_uring_prep_cancel64(sqe, index, 0);
        io_uring_sqe_set_data64(sqe, index | cancel_bit);
        each.cancel_wanted = false;
        each.cancel_in_flight = true;
        ++cancels_in_flight_;
    }
}

/// Enters the kernel until it has taken everything that is encoded. Completions during that are taken by the caller:
/// they need no wake-up.
void io_uring_engine::enter() noexcept {
    if (io_uring_sq_ready(ring_.get()) == 0)
        return;
    io_uring_cq_eventfd_toggle(ring_.get(), false);
    {
        const file_size_signal_guard guard(file_size_limited_);
        while (io_uring_sq_ready(ring_.get()) != 0) {
            ++enters_;
            const int taken = io_uring_submit(ring_.get());
            if (taken > 0 || taken == -EINTR)
                continue; // without SUBMIT_ALL the kernel stops behind an entry that it does not like
            if (taken == -EAGAIN || taken == -EBUSY || taken == 0)
                finished_.raise(); // out of memory, or completions first: once more at the next turn
            else
                give_up_ring();
            break;
        }
    }
    io_uring_cq_eventfd_toggle(ring_.get(), true);
}

/// The kernel refuses to be entered for good: what it has not taken goes to the pool, as does everything from now on.
void io_uring_engine::give_up_ring() noexcept {
    broken_ = true;
    const unsigned ready = io_uring_sq_ready(ring_.get());
    const unsigned mask = *ring_->sq.kring_mask;
    for (unsigned i = 0; i != ready; ++i) {
        const io_uring_sqe& sqe = ring_->sq.sqes[(ring_->sq.sqe_tail - ready + i) & mask];
        slot& target = slots_[sqe.user_data & ~cancel_bit];
        if (sqe.user_data & cancel_bit) {
            target.cancel_in_flight = false;
            --cancels_in_flight_;
        } else {
            pass_on(std::exchange(target.op, nullptr), pass_reason::unsupported);
            --in_kernel_;
        }
    }
}

void io_uring_engine::take_completions() noexcept {
    if (!ring_.is_open())
        return;
    constexpr unsigned batch = 64;
    io_uring_cqe* found[batch];
    struct {
        std::uint64_t user_data;
        int result;
    } copies[batch];
    while (const unsigned count = io_uring_peek_batch_cqe(ring_.get(), found, batch)) {
        for (unsigned i = 0; i != count; ++i)
            copies[i] = {found[i]->user_data, found[i]->res};
        io_uring_cq_advance(ring_.get(), count);
        for (unsigned i = 0; i != count; ++i)
            take_completion(copies[i].user_data, copies[i].result);
    }
}

void io_uring_engine::take_completion(std::uint64_t user_data, int result) noexcept {
    const std::size_t index = user_data & ~cancel_bit;
    slot& where = slots_[index];
    operation* op = nullptr;
    if (user_data & cancel_bit) { // says nothing of its target
        where.cancel_in_flight = false;
        --cancels_in_flight_;
    } else {
        op = std::exchange(where.op, nullptr);
        where.cancel_wanted = false;
        --in_kernel_;
    }
    if (op)
        finish(op, result, where);
    // Its number is a target's name as long as a cancellation is on its way.
    if (!where.op && !where.cancel_in_flight)
        free_slots_.push_back(std::uint16_t(index));
}

void io_uring_engine::finish(operation* op, int result, slot& where) noexcept {
    const bool transfers = op->kind == op_kind::read || op->kind == op_kind::write;
    if (result == -EFAULT && transfers && !op->tried_again) {
        // What became of cold reads whose submitting thread has ended. A real fault repeats.
        op->tried_again = true;
        return waiting_.push(op);
    }
    if (result == -EAGAIN || result == -EOPNOTSUPP || result == -EINVAL)
        return pass_on(op, pass_reason::refused);
    if (op->kind == op_kind::size && result == 0) {
        if (S_ISBLK(where.status->stx_mode))
            return pass_on(op, pass_reason::unsupported); // only an ioctl knows
        op->length = where.status->stx_size;
    }
    if (op->kind == op_kind::read && result > 0 && is_short_of_end(*op, result)) {
        op->advance(std::size_t(result));
        return waiting_.push(op);
    }
    op->result = result;
    done_.push(op);
}

/// Whether a read ended before the end of a regular file: a device may answer in pieces, and the caller sees the sum.
bool io_uring_engine::is_short_of_end(const operation& op, int result) noexcept {
    if (!op.file || !op.file->regular() || std::size_t(result) >= total_bytes(op))
        return false;
    std::uint64_t size = 0; // fstat: of an open file, which waits on network filesystems only
    return posix_file::size(op.descriptor(), size) == 0 && op.offset + std::uint64_t(result) < size;
}

void io_uring_engine::pass_on(operation* op, pass_reason why) noexcept {
    op->passed = why;
    done_.push(op);
}

void io_uring_engine::stop(op_queue& abandoned) noexcept {
    const lock held(mutex_);
    abandoned.splice(waiting_);
    if (ring_.is_open()) {
        for (slot& each : slots_)
            each.cancel_wanted = each.op != nullptr;
        cancels_wanted_ = true;
        drain();
        ring_.close(); // before any memory that the kernel was told of is freed
    }
    abandoned.splice(waiting_);
    abandoned.splice(done_);
}

/// Waits until the kernel has nothing of ours.
void io_uring_engine::drain() noexcept {
    take_completions(); // never skipped: a counter says nothing of the queue
    while (in_kernel_ != 0 || cancels_in_flight_ != 0) {
        encode_cancellations();
        enter();
        take_completions();
        if (in_kernel_ == 0 && cancels_in_flight_ == 0)
            break;
        io_uring_cqe* first = nullptr;
        io_uring_wait_cqe(ring_.get(), &first); // EINTR: once more
        take_completions();
    }
}

void io_uring_engine::prepare_fork() noexcept {
    const lock held(mutex_);
    do {
        encode_waiting();
        enter();
        drain();
    } while (!waiting_.empty());
}

void io_uring_engine::become_child() noexcept {
    const lock held(mutex_);
    ring_.close(); // the parent's: a submission from here would complete there
    broken_ = false;
    open_ring();
}

engine_counters io_uring_engine::counters() const noexcept {
    const lock held(mutex_);
    return {enters_, 0};
}

} // namespace asio_aio::detail
