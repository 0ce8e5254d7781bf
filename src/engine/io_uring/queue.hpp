// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/engine.hpp"
#include "engine/io_uring/thread_identity.hpp"

#include <asio_aio/options.hpp>

#include <liburing.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <bitset>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

struct ring_settings {
    unsigned depth = 0; ///< Entries of the submission queue; rounded up to a power of two.
    /// Threads of the kernel that may wait for a device, where its own limit is lower.
    unsigned max_workers = 0;
    bool sqpoll = false;        ///< A thread of the kernel's submits (IORING_SETUP_SQPOLL).
    bool single_issuer = false; ///< One thread submits and reaps (IORING_SETUP_DEFER_TASKRUN).

    static ring_settings of(const options& opts) noexcept {
        return {opts.queue_depth, opts.max_threads, opts.sqpoll, opts.single_issuer};
    }
};

/// An io_uring instance with a registered event, set up by the first rung of the ladder that works.
/// Not thread-safe.
class io_uring_ring {
public:
    io_uring_ring() = default;
    io_uring_ring(const io_uring_ring&) = delete;
    io_uring_ring& operator=(const io_uring_ring&) = delete;
    ~io_uring_ring() { close(); }

    /// Makes a ring whose completions raise `event_descriptor`; of fewer entries than asked for
    /// where memory is limited (RLIMIT_MEMLOCK is charged again on Linux 6.14 to 6.18).
    /**
     * Where a ring that was just closed still holds that memory, this waits for it: up to 120 ms.
     */
    refusal open(const ring_settings& settings, int event_descriptor);

    /// Has another event raised; 0 or -errno.
    int move_to_event(int event_descriptor) noexcept;

    /// Ends the ring. The kernel may go on with what it has: nothing that it was told of may be
    /// freed before it is done.
    void close() noexcept;

    /// The same, and returns when the kernel is done: only for rings with `single_issuer`.
    /**
     * A child process that was forked without notify_fork has the ring as well, and is waited for,
     * too.
     */
    void close_and_wait() noexcept;

    bool is_open() const noexcept { return open_; }
    unsigned entries() const noexcept { return ring_.sq.ring_entries; }
    bool supports(unsigned opcode) const noexcept {
        return opcode < supported_.size() && supported_[opcode];
    }

    /// Whether the calling thread may submit and reap. With `single_issuer` the first that asks is
    /// the one.
    bool admits_caller() noexcept;

    /// The same, for a caller who does not want to be the one.
    bool is_known_issuer() const noexcept;

    /// Whether nobody can reap any more: with `single_issuer` only the one thread can.
    bool has_lost_issuer() const noexcept;

    /// Whether this process made the ring: a child process shares its parent's queues.
    bool is_of_this_process() const noexcept;

    /// Registers buffers instead of those before: 0 or -errno of io_uring_register(2), and then
    /// there are none.
    int register_buffers(const iovec* buffers, unsigned count) noexcept;

    /// Room for one more submission; nullptr where the kernel has not taken enough of them.
    io_uring_sqe* next_entry() noexcept { return io_uring_get_sqe(&ring_); }

    /// Enters the kernel until it has taken all submissions; 0 or the -errno of io_uring_enter(2)
    /// that stopped it.
    int submit() noexcept;

    /// Whether the kernel has yet to be entered for submissions. With `sqpoll` its thread sees to
    /// them.
    bool has_untaken() const noexcept { return !sqpoll_ && io_uring_sq_ready(&ring_) != 0; }

    /// Waits for a completion: 0 or -errno.
    int wait() noexcept;

    /// Whether completions raise the event, which they do from the beginning. Those that come
    /// before it is on again are seen by `take` after that.
    void silence_event(bool silent) noexcept;

    struct completion {
        std::uint64_t user_data;
        int result;
    };

    /// Takes up to `room` completions: their places in the queue are the kernel's again.
    std::size_t take(completion* to, std::size_t room) noexcept;

    /// Calls `visit` with each submission that the kernel has not taken.
    template <typename Visit>
    void for_each_untaken(Visit visit) noexcept {
        const unsigned mask = ring_.sq.ring_mask;
        for (unsigned left = io_uring_sq_ready(&ring_); left != 0; --left)
            visit(ring_.sq.sqes[(ring_.sq.sqe_tail - left) & mask]);
    }

    /// Number of calls of io_uring_enter(2).
    std::uint64_t enters() const noexcept { return enters_; }

private:
    int set_up(const ring_settings& settings) noexcept;
    int set_up(unsigned entries, unsigned flags) noexcept;
    refusal check_features() noexcept;
    refusal watch_end() noexcept;
    void exit_queue() noexcept;
    bool has_hidden_completions() const noexcept;
    void raise_worker_limit() noexcept;

    io_uring ring_{};
    bool open_ = false;
    bool has_buffers_ = false;
    bool sqpoll_ = false;
    bool single_issuer_ = false;
    pid_t process_ = 0;
    unsigned max_workers_ = 0;
    thread_identity issuer_; ///< The thread that submits; none: not yet known, or any.
    /// Of a pipe whose writing end the ring holds: hung up when the kernel has let go of the ring.
    int end_watch_ = -1;
    std::bitset<256> supported_;
    std::uint64_t enters_ = 0;
};

} // namespace asio_aio::detail
