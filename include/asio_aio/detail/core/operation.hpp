// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/file_ref.hpp>
#include <asio_aio/detail/core/transfer_flags.hpp>

#include <sys/uio.h>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

/// The kinds of operations that an engine may get.
enum class op_kind : unsigned char {
    read,
    write,
    sync_all,
    sync_data,
    sync_range,
    size,
    resize,
    allocate,
    open,
    close,
    call ///< Any function of the library that blocks; see `blocking_call`.
};

constexpr unsigned op_kind_count = unsigned(op_kind::call) + 1;

/// True for kinds that only a thread performs. After an open the kernel is also asked about the
/// descriptor, and a close may end the last use of a file in any way.
constexpr bool needs_thread(op_kind kind) noexcept {
    return kind >= op_kind::open;
}

/// True for kinds that may take as long as a device flush or the reply of a remote server.
constexpr bool is_slow(op_kind kind) noexcept {
    return kind != op_kind::read && kind != op_kind::write && kind != op_kind::size;
}

constexpr bool is_transfer(op_kind kind) noexcept {
    return kind == op_kind::read || kind == op_kind::write;
}

/// True for the kinds that flush a file to its device.
constexpr bool is_flush(op_kind kind) noexcept {
    return kind == op_kind::sync_all || kind == op_kind::sync_data;
}

/// True for kinds that may make a file larger. Beyond RLIMIT_FSIZE the kernel sends a signal to the
/// thread that performs them.
constexpr bool may_extend(op_kind kind) noexcept {
    return kind == op_kind::write || kind == op_kind::resize || kind == op_kind::allocate;
}

/// True for results that mean "try again". The pool then performs the operation again; users never
/// see these results.
/**
 * Results of kinds that need a thread are final: EBUSY is the true error of an open, and close(2)
 * frees the number in any case.
 */
constexpr bool is_to_be_repeated(op_kind kind, int result) noexcept {
    return (result == -EINTR || result == -EAGAIN || result == -EBUSY) && !needs_thread(kind);
}

/// Why an engine passed an operation to the pool.
enum class pass_reason : unsigned char {
    none,
    unsupported, ///< The engine cannot perform the operation, or not now.
    refused,     ///< The kernel refuses operations of this engine on this file.
    /// The file was not opened with `direct`: the engine would block the calling thread, or is
    /// slower than the pool.
    buffered,
    /// The kernel would have blocked the calling thread, for example to allocate a block or to take
    /// a lock.
    would_wait
};

constexpr std::size_t pass_reason_count = std::size_t(pass_reason::would_wait) + 1;

/// The states of an operation, from its start to its delivery.
enum class op_state : unsigned char {
    /// No engine has the operation: it was started, or an engine handed it back for the pool.
    pending,
    with_engine, ///< An engine owns the operation.
    /// The operation has its result and is the last user of its file, which the pool has to close.
    to_close,
    finished ///< The operation has its result and uses no file.
};

constexpr bool may_follow(op_state before, op_state after) noexcept {
    switch (before) {
    case op_state::pending: return after != op_state::pending;
    case op_state::with_engine: return after != op_state::with_engine;
    case op_state::to_close: return after == op_state::finished;
    case op_state::finished: return false;
    }
    return false;
}

/// Results beside -errno; an errno is at most 4095.
namespace failure {

/// Another thread than the one that `single_issuer` promises runs the context.
constexpr int wrong_thread = -4096;
constexpr int engine_unavailable = -4097; ///< No engine of the choice works here.
constexpr int invalid_choice = -4098;     ///< The choice names an engine that does not exist.
constexpr int already_open = -4099;       ///< A file was opened before.

} // namespace failure

class backlog;

class operation;

struct backlog_links {
    operation *prev, *file_next, *file_prev;
};

/// A function of the library that blocks; a thread of the pool calls it.
class blocking_call {
public:
    /// Returns 0 or -errno. Called once.
    virtual int perform(const operation& op) noexcept = 0;

protected:
    ~blocking_call() = default;
};

/// Memory in an operation for the function that is submitted to its executor. With it a submission
/// allocates nothing.
struct delivery_room {
    // An operation of Asio: three words, a function of one word and an allocator of two.
    static constexpr std::size_t bytes = 48;
    alignas(std::max_align_t) std::byte memory[bytes];
};

/// What the kernel needs to know of one operation, its result, and the two ways to end it.
/**
 * Exactly one place owns an operation at a time: the scheduler, an engine, or a round. The memory
 * belongs to its creator (`async_op`). `complete` and `discard` give it back.
 */
class operation {
public:
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Ends the operation: submits its handler, with the result, to its executor.
    /**
     * `owner` is the caller's pointer to this operation. The call clears `owner` as soon as the
     * operation is no longer the caller's. Throws what the executor throws. If `owner` is still set
     * then, the caller can complete the operation again.
     */
    void complete(operation*& owner) { fates_.complete(*this, owner); }

    /// Ends the operation and destroys its handler without a call, because the context is being
    /// destroyed.
    void discard() noexcept { fates_.discard(*this); }

    /// The descriptor on which the operation works.
    int descriptor() const noexcept { return file ? file->descriptor() : -1; }

    /// True if a cancellation was requested for this operation, or for all operations of its file
    /// since it was started.
    bool is_cancelled() const noexcept {
        return cancel_asked.load(std::memory_order_relaxed) ||
            (file && file->has_cancelled(number));
    }

    /// True if the handler gets `operation_aborted`. A cancelled write that wrote some bytes
    /// reports these bytes instead.
    bool ends_as_cancelled() const noexcept {
        return result == -ECANCELED && (kind != op_kind::write || bytes_before == 0);
    }

    op_state state() const noexcept { return state_; }

    void become(op_state after) noexcept {
        assert(may_follow(state_, after));
        state_ = after;
    }

    /// Takes the kernel's result and ends the use of the file.
    /**
     * close(2) may block. If this operation is the last user of the file, a thread of the pool
     * therefore closes it.
     */
    void take_result(int answer) noexcept {
        result = answer;
        if (file && !file->is_open()) { // an open that was not performed: there is nothing to close
            file->end_open(false);
            file.reset();
        }
        become(!file || file.reset_if_shared() ? op_state::finished : op_state::to_close);
    }

    /// Takes the result on a thread of the pool, where close(2) may block. Returns what
    /// `close_file` returns.
    [[nodiscard]] operation* take_result_and_close(int answer) noexcept {
        result = answer;
        if (file && file->is_opening())
            file->end_open(answer == 0);
        return close_file();
    }

    /// Ends the use of the file. If this closed the file and an operation waited for that, returns
    /// this operation, which has its result now.
    [[nodiscard]] operation* close_file() noexcept {
        operation* closer = nullptr;
        const int closed = file.reset(closer);
        become(op_state::finished);
        if (closer) {
            closer->result = closed;
            closer->become(op_state::finished);
        }
        return closer;
    }

    /// Hands the operation back, so that the pool performs it.
    void pass(pass_reason why) noexcept {
        passed = why;
        become(op_state::pending);
    }

    /// The bytes that a transfer has yet to move.
    std::size_t total_bytes() const noexcept {
        std::size_t bytes = 0;
        for (unsigned i = 0; i != iovec_count; ++i)
            bytes += iovecs[i].iov_len;
        return bytes;
    }

    /// Removes the first `bytes`, which were moved, from a transfer. `bytes` is less than
    /// `total_bytes()`.
    void advance(std::size_t bytes) noexcept {
        if (offset != current_position)
            offset += bytes;
        bytes_before += bytes;
        while (bytes != 0 && bytes >= iovecs->iov_len) {
            bytes -= iovecs->iov_len;
            ++iovecs;
            --iovec_count;
        }
        if (bytes == 0)
            return;
        iovecs->iov_base = static_cast<char*>(iovecs->iov_base) + bytes;
        iovecs->iov_len -= bytes;
    }

    /// The flush that a sync performs.
    op_kind flush_kind() const noexcept { return covers_all ? op_kind::sync_all : kind; }

    /// True for a write that ends when the device has the data.
    bool is_synced_write() const noexcept {
        return kind == op_kind::write &&
            ((flags & (RWF_DSYNC | RWF_SYNC)) != 0 || (file && file->syncs_writes()));
    }

    /// True if this is a transfer with options.
    bool has_options() const noexcept {
        return is_transfer(kind) && transfer_flags{flags, priority}.any();
    }

    /// Sets the options of a transfer, without the hints that the kernel refused for its file.
    void set_options(const transfer_flags& wanted) noexcept {
        flags = wanted.rw;
        priority = wanted.priority;
        if ((flags & rwf_uncached) != 0 && file->has_refused(hint::uncached))
            drop_uncached();
        if (is_real_time(priority) && file->has_refused(hint::real_time))
            drop_priority();
    }

    void drop_uncached() noexcept {
        flags &= ~rwf_uncached;
        ++hints_dropped;
    }

    void drop_priority() noexcept {
        priority = 0;
        ++hints_dropped;
    }

    /// The links of the backlog in `waits_in`. A finished operation is in no backlog, so its
    /// submission uses this memory.
    union {
        backlog_links links{};
        delivery_room room;
    };
    operation* next = nullptr;
    /// The owner of the backlog writes it; others only compare it.
    std::atomic<const backlog*> waits_in{nullptr};

    op_kind kind;
    pass_reason passed = pass_reason::none;
    /// True if the operation was resubmitted once: the end of the submitting thread no longer
    /// explains a failure.
    bool tried_again = false;
    bool counted = false;           ///< Statistics have counted it.
    bool covers_all = false;        ///< Of a sync: another sync that it serves is a `sync_all`.
    std::uint8_t hints_dropped = 0; ///< Of a transfer: `uncached` and `priority`.
    std::uint16_t priority = 0;     ///< Of a transfer; see `transfer_flags`.
    /// True while `room` is in use.
    bool room_taken = false;
    /// True if `complete` calls the handler, because the executor only calls in place.
    bool runs_inline = false;
    std::atomic<bool> cancel_asked{false}; ///< Set through its own cancellation slot.
    int result = -EINPROGRESS;             ///< Bytes or 0; otherwise -errno.
    /// Keeps the descriptor open until the kernel holds the file itself.
    file_ref file;
    /// Set until the operation has ended, if others of its file wait for that: the operation runs
    /// in order with them, or it performs the flush of the file.
    file_pin turn;

    std::uint64_t offset = 0; ///< In bytes, at most 2^63 - 1; or `current_position`.
    std::uint64_t length = 0; ///< sync_range, allocate, resize: in bytes. size: the result.

    union {
        /// read, write: at most IOV_MAX iovecs and 0x7ffff000 bytes; no iovec is empty.
        iovec* iovecs = nullptr;
        blocking_call* function; ///< call
    };
    unsigned iovec_count = 0;
    /// RWF_… of a transfer, fallocate(2) mode or sync_file_range(2) flags.
    int flags = 0;

    static constexpr std::uint32_t not_registered = UINT32_MAX;
    /// The index in the cancel_gate, if the handler has a cancellation slot.
    std::uint32_t cancel_index = not_registered;
    /// The index of the slot in a kernel engine, while the kernel has the operation.
    std::uint32_t slot = 0;

    std::uint64_t number = 0;    ///< Increases in the order in which operations are started.
    std::int64_t started_at = 0; ///< Nanoseconds of the steady clock.
    /// Bytes that an inline read or a short transfer has moved; `iovecs` describe the rest.
    std::size_t bytes_before = 0;

    /// The functions that end an operation; one table for each type.
    struct fates {
        void (*complete)(operation&, operation*& owner);
        void (*discard)(operation&) noexcept;
    };

protected:
    operation(op_kind k, const fates& how) noexcept : kind(k), fates_(how) {}
    ~operation() = default;

    const fates& its_fates() const noexcept { return fates_; }

    /// Makes a finished operation ready for another start.
    void renew() noexcept {
        assert(state_ == op_state::finished);
        state_ = op_state::pending;
        passed = pass_reason::none;
        result = -EINPROGRESS;
    }

private:
    op_state state_ = op_state::pending;
    const fates& fates_;
};

} // namespace asio_aio::detail
