// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/queue.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <limits>
#include <utility>

namespace asio_aio::detail {
namespace {

// Linux 5.15, by its features: no lost completions (NODROP), iovecs and paths copied at submission
// (SUBMIT_STABLE), an offset of -1 that cannot be meant by us (RW_CUR_POS), workers that are
// threads of the process (NATIVE_WORKERS), and the API of 5.13 (RSRC_TAGS).
constexpr unsigned needed_features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
    IORING_FEAT_RW_CUR_POS | IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_RSRC_TAGS;

constexpr unsigned smallest_ring = 16; // below it the kernel's batching is lost

unsigned power_of_two(unsigned at_least) noexcept {
    unsigned size = 1;
    while (size < at_least)
        size *= 2;
    return size;
}

/// How many workers the kernel allows a thread without being asked, at most.
unsigned usual_workers() noexcept {
    constexpr long for_each_processor = 4;
    return unsigned(for_each_processor * std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

/// The kernel gives the locked memory of a closed ring back some milliseconds after close(2) (Linux
/// 6.14 to 6.18).
class wait_for_memory {
public:
    using clock = std::chrono::steady_clock;

    static void note_success(unsigned entries) noexcept {
        unsigned most = largest_made.load(std::memory_order_relaxed);
        while (most < entries &&
               !largest_made.compare_exchange_weak(most, entries, std::memory_order_relaxed)) {
        }
    }

    static void note_close() noexcept {
        last_close.store(clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    }

    /// Waits for a moment; returns false where a ring of so many entries is not to be had by
    /// waiting.
    /**
     * Only for what this process has had before, and shortly after it closed a ring: else the limit
     * is too low.
     */
    bool is_worthwhile(unsigned entries) noexcept {
        constexpr auto given_back_by = std::chrono::milliseconds(250); // mostly 10 to 30
        const auto closed =
            clock::time_point(clock::duration(last_close.load(std::memory_order_relaxed)));
        if (entries > largest_made.load(std::memory_order_relaxed) ||
            clock::now() > closed + given_back_by)
            return false;
        constexpr int step_ms = 2, most_steps = 60;
        if (++steps_ > most_steps)
            return false;
        ::poll(nullptr, 0, step_ms);
        return true;
    }

private:
    /// Entries of the largest ring of this process.
    static inline std::atomic<unsigned> largest_made{0};
    static inline std::atomic<clock::rep> last_close{std::numeric_limits<clock::rep>::min() / 2};

    int steps_ = 0;
};

} // namespace

refusal io_uring_ring::open(const ring_settings& settings, int event_descriptor) {
    sqpoll_ = settings.sqpoll;
    single_issuer_ = settings.single_issuer;
    has_buffers_ = false;
    issuer_ = {};
    process_ = ::getpid();
    max_workers_ = settings.max_workers;
    if (const int error = set_up(settings)) {
        if (single_issuer_ && error == -EINVAL)
            return {
                EINVAL,
                "io_uring_setup with IORING_SETUP_DEFER_TASKRUN (Linux 6.1; option single_issuer)"};
        return {
            -error,
            sqpoll_ ? "io_uring_setup with IORING_SETUP_SQPOLL (option sqpoll)" : "io_uring_setup"};
    }
    open_ = true;
    refusal found = check_features();
    if (!found)
        if (const int error = io_uring_register_eventfd(&ring_, event_descriptor))
            found = {-error, "io_uring_register(IORING_REGISTER_EVENTFD)"};
    if (!found && single_issuer_)
        found = watch_end();
    if (!found && sqpoll_) // the workers are those of the kernel's thread
        raise_worker_limit();
    if (found)
        close();
    return found;
}

int io_uring_ring::set_up(const ring_settings& settings) noexcept {
    unsigned flags = settings.sqpoll ? IORING_SETUP_SQPOLL : 0;
    if (settings.single_issuer) // disabled until its thread is known
        flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED;
    wait_for_memory patience;
    for (unsigned entries = power_of_two(settings.depth);;) {
        int error = set_up(entries, flags | IORING_SETUP_SUBMIT_ALL);
        if (error == -EINVAL) // gVisor and kernels before 5.18 do not know the flag
            error = set_up(entries, flags);
        if (error == 0)
            wait_for_memory::note_success(entries);
        if (error != -ENOMEM)
            return error;
        if (patience.is_worthwhile(entries))
            continue;
        if (entries <= smallest_ring)
            return error;
        entries /= 2;
    }
}

int io_uring_ring::set_up(unsigned entries, unsigned flags) noexcept {
    io_uring_params params{};
    params.flags = flags;
    return io_uring_queue_init_params(entries, &ring_, &params);
}

refusal io_uring_ring::check_features() noexcept {
    if ((ring_.features & needed_features) != needed_features)
        return {EOPNOTSUPP, "the features of Linux 5.15's io_uring"};
    constexpr unsigned most_opcodes = 256; // they have 8 bits
    alignas(io_uring_probe) char
        memory[sizeof(io_uring_probe) + most_opcodes * sizeof(io_uring_probe_op)] = {};
    auto* found = reinterpret_cast<io_uring_probe*>(memory);
    if (const int error = io_uring_register_probe(&ring_, found, most_opcodes); error < 0)
        return {-error, "io_uring_register(IORING_REGISTER_PROBE)"};
    for (unsigned opcode = 0; opcode != most_opcodes; ++opcode)
        supported_[opcode] = io_uring_opcode_supported(found, int(opcode)) != 0;
    for (unsigned needed :
         {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
          IORING_OP_ASYNC_CANCEL})
        if (!supports(needed))
            return {EOPNOTSUPP, "io_uring's reads, writes, syncs and cancellation"};
    return {};
}

/// Has the ring hold the only writing end of a pipe. A ring lets go of its files when the last
/// request has ended.
refusal io_uring_ring::watch_end() noexcept {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return {errno, "pipe2"};
    const int error = io_uring_register_files(&ring_, &ends[1], 1);
    ::close(ends[1]);
    end_watch_ = ends[0];
    if (error < 0)
        return {-error, "io_uring_register(IORING_REGISTER_FILES)"};
    return {};
}

int io_uring_ring::move_to_event(int event_descriptor) noexcept {
    enters_ = 0; // the trial's
    const int error = io_uring_unregister_eventfd(&ring_);
    return error != 0 ? error : io_uring_register_eventfd(&ring_, event_descriptor);
}

void io_uring_ring::close() noexcept {
    if (std::exchange(open_, false))
        exit_queue();
    if (end_watch_ != -1)
        ::close(std::exchange(end_watch_, -1));
}

void io_uring_ring::exit_queue() noexcept {
    io_uring_queue_exit(&ring_);
    wait_for_memory::note_close();
}

void io_uring_ring::close_and_wait() noexcept {
    if (std::exchange(open_, false))
        exit_queue();
    pollfd hung_up{end_watch_, 0, 0};
    while (::poll(&hung_up, 1, -1) == -1 && errno == EINTR) {
    }
    close();
}

bool io_uring_ring::admits_caller() noexcept {
    if (!single_issuer_)
        return true;
    // Not io_uring_enable_rings: the library of liburing 2.3 lacks it.
    if (!issuer_ &&
        io_uring_register(unsigned(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0) == 0)
        issuer_ = thread_identity::of_caller();
    return issuer_.is_caller();
}

bool io_uring_ring::is_known_issuer() const noexcept {
    return !single_issuer_ || issuer_.is_caller();
}

bool io_uring_ring::has_lost_issuer() const noexcept {
    return single_issuer_ && issuer_ && issuer_.has_ended();
}

bool io_uring_ring::is_of_this_process() const noexcept {
    return process_ == ::getpid();
}

int io_uring_ring::register_buffers(const iovec* buffers, unsigned count) noexcept {
    if (std::exchange(has_buffers_, false))
        io_uring_unregister_buffers(&ring_);
    const int error = count == 0 ? 0 : io_uring_register_buffers(&ring_, buffers, count);
    has_buffers_ = error == 0 && count != 0;
    return error;
}

/// Allows the calling thread, whose rings share their workers, as many of them as the pool has
/// threads.
/**
 * Never fewer than before: another ring may need them. The kernel's own limit is four for each
 * processor, or the entries of the thread's first ring where those are fewer; for what it counts as
 * unbounded it is RLIMIT_NPROC.
 */
void io_uring_ring::raise_worker_limit() noexcept {
    struct promise {
        pid_t process;
        unsigned workers;
    };
    static thread_local promise kept{};
    if (!sqpoll_ && kept.process == process_ && kept.workers >= max_workers_)
        return;
    // bounded and unbounded; 0 asks
    unsigned limits[] = {0, 0};
    // since Linux 5.15
    const bool is_known = io_uring_register_iowq_max_workers(&ring_, limits) == 0;
    // gets its workers, and these limits, with its first submission
    const bool is_new_thread = limits[0] == 0;
    const bool allows_none = limits[1] == 0; // RLIMIT_NPROC was 0, and may not stay so
    if (!sqpoll_ && !(is_known && (is_new_thread || allows_none)))
        kept = {process_, max_workers_};
    if (!is_known)
        return;
    if (is_new_thread)
        limits[0] = std::max(max_workers_, usual_workers());
    else
        for (unsigned& each : limits)
            each = each < max_workers_ ? max_workers_ : 0;
    if (limits[0] != 0 || limits[1] != 0)
        io_uring_register_iowq_max_workers(&ring_, limits);
}

int io_uring_ring::submit() noexcept {
    if (!sqpoll_ && io_uring_sq_ready(&ring_) != 0)
        raise_worker_limit();
    while (io_uring_sq_ready(&ring_) != 0) {
        // The kernel's thread takes them in its time; it is called where it sleeps.
        enters_ += !sqpoll_ || (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_NEED_WAKEUP) != 0;
        const int taken = io_uring_submit(&ring_);
        if (taken == -EINTR)
            continue;
        if (sqpoll_ && taken >= 0)
            break;
        if (taken <= 0)
            return taken == 0 ? -EAGAIN : taken;
        // Without SUBMIT_ALL the kernel stops behind an entry that it does not like: once more for
        // the rest.
    }
    return 0;
}

void io_uring_ring::silence_event(bool silent) noexcept {
    io_uring_cq_eventfd_toggle(&ring_, !silent);
    // The kernel adds a completion and then looks whether to raise the event; we switch it on and
    // then look for completions. One of both must see the other.
    if (!silent)
        io_uring_smp_mb();
}

int io_uring_ring::wait() noexcept {
    ++enters_;
    io_uring_cqe* first = nullptr;
    return io_uring_wait_cqe(&ring_, &first);
}

/// Completions that come into the queue only when the kernel is entered: it was full, or its thread
/// has to do the work.
bool io_uring_ring::has_hidden_completions() const noexcept {
    return (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) !=
        0;
}

std::size_t io_uring_ring::take(completion* to, std::size_t room) noexcept {
    for (;;) {
        std::size_t count = 0;
        unsigned head;
        io_uring_cqe* each;
        io_uring_for_each_cqe(&ring_, head, each) {
            if (count == room)
                break;
            to[count++] = {each->user_data, each->res};
        }
        io_uring_cq_advance(&ring_, unsigned(count));
        if (count != 0 || !has_hidden_completions())
            return count;
        ++enters_; // more than once where the kernel does a part of the work each time
        if (io_uring_get_events(&ring_) < 0)
            return 0;
    }
}

} // namespace asio_aio::detail
