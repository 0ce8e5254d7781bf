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
    /// Kernel workers that may block; raises the kernel's limit if that is lower.
    unsigned max_workers = 0;
    bool sqpoll = false;        ///< A kernel thread takes the submissions (IORING_SETUP_SQPOLL).
    bool single_issuer = false; ///< One thread submits and reaps (IORING_SETUP_DEFER_TASKRUN).

    static ring_settings of(const options& opts) noexcept {
        return {opts.queue_depth, opts.max_threads, opts.sqpoll, opts.single_issuer};
    }
};

/// An io_uring instance with a registered event. Not thread-safe.
class io_uring_ring {
public:
    io_uring_ring() = default;
    io_uring_ring(const io_uring_ring&) = delete;
    io_uring_ring& operator=(const io_uring_ring&) = delete;
    ~io_uring_ring() { close(); }

    /// Makes a ring whose completions raise `event_descriptor`. If the kernel does not know an
    /// optional flag, the call retries without that flag.
    /**
     * Locked memory may be short (RLIMIT_MEMLOCK, Linux 6.14 to 6.18). The call then waits up to
     * 120 ms for the memory of a ring that was just closed, and at last makes a smaller ring.
     */
    refusal open(const ring_settings& settings, int event_descriptor);

    /// Registers another event. Returns 0 or -errno.
    int move_to_event(int event_descriptor) noexcept;

    /// Closes the ring. The kernel may still perform what it has, so the caller must not free that
    /// memory yet.
    void close() noexcept;

    /// Closes the ring and waits until the kernel has let go of it. Only for rings with
    /// `single_issuer`.
    /**
     * Also waits for a child process that was forked without notify_fork, because it shares the
     * ring.
     */
    void close_and_wait() noexcept;

    bool is_open() const noexcept { return open_; }
    unsigned entries() const noexcept { return ring_.sq.ring_entries; }
    bool supports(unsigned opcode) const noexcept {
        return opcode < supported_.size() && supported_[opcode];
    }

    /// True if the calling thread may submit and reap. With `single_issuer` the first caller
    /// becomes the owner.
    bool admits_caller() noexcept;

    /// As `admits_caller`, but the caller does not become the owner.
    bool is_known_issuer() const noexcept;

    /// True if the owner has exited, so no thread can reap. Only with `single_issuer`.
    bool has_lost_issuer() const noexcept;

    /// True if this process made the ring. A child process shares its parent's queues.
    bool is_of_this_process() const noexcept;

    /// True if the kernel lets the calling thread register buffers.
    bool may_register() const noexcept {
        return !single_issuer_ || !issuer_ || issuer_.is_caller();
    }

    /// Makes the table of registered buffers, with empty places. Returns their number, or -errno of
    /// io_uring_register(2). Call it once.
    int make_buffer_table() noexcept;

    /// Puts a buffer into a place of the table. Without memory it empties the place. Returns 0 or
    /// -errno of io_uring_register(2).
    int set_buffer(unsigned place, const iovec& memory) noexcept;

    /// Removes the table, so that the kernel gives its locked memory back now and not after
    /// `close`. The kernel must have no operation.
    void drop_buffer_table() noexcept;

    /// Returns the entry for one more submission, or nullptr if the queue is full.
    io_uring_sqe* next_entry() noexcept { return io_uring_get_sqe(&ring_); }

    /// Enters the kernel until it has taken all submissions. Returns 0, or -errno of
    /// io_uring_enter(2) if it failed.
    int submit() noexcept;

    /// True if the kernel must be entered to take submissions. With `sqpoll` the kernel's thread
    /// takes them.
    bool has_untaken() const noexcept { return !sqpoll_ && io_uring_sq_ready(&ring_) != 0; }

    /// Waits for a completion. Returns 0 or -errno.
    int wait() noexcept;

    /// Switches the event off or on; a new ring has it on. After the event is on again, the caller
    /// must `take` completions that came while it was off.
    void silence_event(bool silent) noexcept;

    struct completion {
        std::uint64_t user_data;
        int result;
    };

    /// Takes up to `room` completions and frees their places in the queue.
    std::size_t take(completion* to, std::size_t room) noexcept;

    /// Calls `visit` with each submission that the kernel has not taken.
    template <typename Visit>
    void for_each_untaken(Visit visit) noexcept {
        const unsigned mask = ring_.sq.ring_mask;
        for (unsigned left = io_uring_sq_ready(&ring_); left != 0; --left)
            visit(ring_.sq.sqes[(ring_.sq.sqe_tail - left) & mask]);
    }

    /// The number of calls of io_uring_enter(2).
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
    bool has_buffer_table_ = false;
    bool sqpoll_ = false;
    bool single_issuer_ = false;
    pid_t process_ = 0;
    unsigned max_workers_ = 0;
    thread_identity issuer_; ///< The owner; empty if unknown, or without `single_issuer`.
    /// The reading end of a pipe whose writing end the ring holds. It hangs up when the kernel has
    /// let go of the ring.
    int end_watch_ = -1;
    std::bitset<256> supported_;
    std::uint64_t enters_ = 0;
};

} // namespace asio_aio::detail
