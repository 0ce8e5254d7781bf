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
#include <memory>
#include <new>
#include <utility>

namespace asio_aio::detail {
namespace {

// The features of Linux 5.15 that the engine needs: no lost completions (NODROP); iovecs and paths
// are copied at submission (SUBMIT_STABLE); an offset of -1 means the current position
// (RW_CUR_POS), and the library never submits it; workers are threads of the process
// (NATIVE_WORKERS); the API of Linux 5.13 (RSRC_TAGS).
constexpr unsigned needed_features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
    IORING_FEAT_RW_CUR_POS | IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_RSRC_TAGS;

constexpr unsigned smallest_ring = 16; // in smaller rings the kernel's batching is lost

unsigned power_of_two(unsigned at_least) noexcept {
    unsigned size = 1;
    while (size < at_least)
        size *= 2;
    return size;
}

/// The most workers that the kernel allows a thread by default.
unsigned usual_workers() noexcept {
    constexpr long for_each_processor = 4;
    return unsigned(for_each_processor * std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

/// Makes a table of empty places on kernels without IORING_RSRC_REGISTER_SPARSE. An entry without
/// memory is an empty place since Linux 5.13.
int register_no_buffers(io_uring& ring, unsigned places) noexcept {
    const std::unique_ptr<iovec[]> none(new (std::nothrow) iovec[places]());
    return none ? io_uring_register_buffers(&ring, none.get(), places) : -ENOMEM;
}

/// Waits for locked memory. The kernel gives the memory of a closed ring back some milliseconds
/// after close(2) (Linux 6.14 to 6.18).
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

    /// Waits for a moment and returns true, or returns false if a wait will not help to make a ring
    /// of so many entries.
    /**
     * A wait helps only if this process has had such a ring, and closed a ring a short time ago.
     * Otherwise the limit is too low.
     */
    bool is_worthwhile(unsigned entries) noexcept {
        constexpr auto given_back_by = std::chrono::milliseconds(250); // mostly 10 to 30 ms
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
    /// Entries of the largest ring that this process made.
    static inline std::atomic<unsigned> largest_made{0};
    static inline std::atomic<clock::rep> last_close{std::numeric_limits<clock::rep>::min() / 2};

    int steps_ = 0;
};

} // namespace

refusal io_uring_ring::open(const ring_settings& settings, int event_descriptor) {
    sqpoll_ = settings.sqpoll;
    single_issuer_ = settings.single_issuer;
    has_buffer_table_ = false;
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
    if (!found && sqpoll_) // the ring's workers belong to the kernel's thread
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
        return {EOPNOTSUPP, "io_uring with the features of Linux 5.15"};
    constexpr unsigned most_opcodes = 256; // opcodes have 8 bits
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
            return {EOPNOTSUPP, "io_uring with read, write, sync and cancel"};
    return {};
}

/// Registers the only writing end of a pipe with the ring. A ring releases its files when its last
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
    enters_ = 0; // do not count those of the trial
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
    // Not io_uring_enable_rings, which the library of liburing 2.3 lacks.
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

int io_uring_ring::make_buffer_table() noexcept {
    if (!supports(IORING_OP_READ_FIXED) || !supports(IORING_OP_WRITE_FIXED))
        return -EOPNOTSUPP;
    constexpr unsigned most = 1u << 14; // IORING_MAX_REG_BUFFERS since Linux 5.13
    constexpr unsigned fewest = 16;
    for (unsigned places = most;; places /= 4) {
        int error = io_uring_register_buffers_sparse(&ring_, places);
        if (error == -EINVAL) // Linux 5.19
            error = register_no_buffers(ring_, places);
        has_buffer_table_ = error >= 0;
        if (has_buffer_table_)
            return int(places);
        if (places <= fewest || (error != -EINVAL && error != -ENOMEM))
            return error;
    }
}

int io_uring_ring::set_buffer(unsigned place, const iovec& memory) noexcept {
    const int changed = io_uring_register_buffers_update_tag(&ring_, place, &memory, nullptr, 1);
    return changed < 0 ? changed : changed == 1 ? 0 : -EINVAL;
}

void io_uring_ring::drop_buffer_table() noexcept {
    if (std::exchange(has_buffer_table_, false))
        io_uring_unregister_buffers(&ring_);
}

/// Allows the calling thread as many workers as the pool has threads. All rings of a thread share
/// its workers.
/**
 * The limit is never lowered, because another ring may need it. By default the kernel allows four
 * bounded workers for each processor, or the entries of the thread's first ring if that is less.
 * The default for unbounded workers is RLIMIT_NPROC.
 */
void io_uring_ring::raise_worker_limit() noexcept {
    struct promise {
        pid_t process;
        unsigned workers;
    };
    static thread_local promise kept{};
    if (!sqpoll_ && kept.process == process_ && kept.workers >= max_workers_)
        return;
    // bounded and unbounded workers; the call returns the limits that were set before, and 0
    // changes nothing
    unsigned limits[] = {0, 0};
    // since Linux 5.15
    const bool is_known = io_uring_register_iowq_max_workers(&ring_, limits) == 0;
    // its first submission gives it workers and these limits
    const bool is_new_thread = limits[0] == 0;
    const bool allows_none = limits[1] == 0; // RLIMIT_NPROC was 0, and may be raised
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
        // The kernel's thread takes the entries itself; if it sleeps, io_uring_submit wakes it.
        enters_ += !sqpoll_ || (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_NEED_WAKEUP) != 0;
        const int taken = io_uring_submit(&ring_);
        if (taken == -EINTR)
            continue;
        if (sqpoll_ && taken >= 0)
            break;
        if (taken <= 0)
            return taken == 0 ? -EAGAIN : taken;
        // Without SUBMIT_ALL the kernel stops after an invalid entry: submit the rest.
    }
    return 0;
}

void io_uring_ring::silence_event(bool silent) noexcept {
    io_uring_cq_eventfd_toggle(&ring_, !silent);
    // The kernel adds a completion and then checks whether to raise the event. This thread switches
    // the event on and then checks for completions. At least one of them must see the other's
    // store.
    if (!silent)
        io_uring_smp_mb();
}

int io_uring_ring::wait() noexcept {
    ++enters_;
    io_uring_cqe* first = nullptr;
    return io_uring_wait_cqe(&ring_, &first);
}

/// True if completions are outside the queue until the kernel is entered. The queue was full, or
/// this thread has to run the kernel's work.
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
        ++enters_; // more than once if the kernel does only a part of the work
        if (io_uring_get_events(&ring_) < 0)
            return 0;
    }
}

} // namespace asio_aio::detail
