// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/file_handle.hpp>

#include <sys/types.h>
#include <sys/uio.h>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

/// Every kind of operation that an engine may be given.
enum class op_kind : unsigned char {
    read,
    write,
    sync_all,
    sync_data,
    sync_range,
    open,
    close,
    size,
    resize,
    allocate
};

constexpr unsigned op_kind_count = unsigned(op_kind::allocate) + 1;

/// True for the kinds that may take as long as a device flush or a remote server's answer.
constexpr bool is_slow(op_kind kind) noexcept {
    return kind != op_kind::read && kind != op_kind::write && kind != op_kind::size;
}

constexpr bool is_transfer(op_kind kind) noexcept {
    return kind == op_kind::read || kind == op_kind::write;
}

/// True for kinds that may make a file larger: beyond RLIMIT_FSIZE that is a signal, where it is
/// done on the caller's thread.
constexpr bool may_extend(op_kind kind) noexcept {
    return kind == op_kind::write || kind == op_kind::resize || kind == op_kind::allocate;
}

/// True for results with which the kernel asks to try again; no user ever sees one.
/**
 * But an open that is refused with EBUSY has its answer, and a closed number is gone: those are not
 * repeated.
 */
constexpr bool is_to_be_repeated(op_kind kind, int result) noexcept {
    return (result == -EINTR || result == -EAGAIN || result == -EBUSY) && kind != op_kind::open &&
        kind != op_kind::close;
}

/// Why an engine handed an operation on to the pool.
enum class pass_reason : unsigned char {
    none,
    unsupported, ///< The engine does not know the operation.
    refused,     ///< The engine, or the filesystem behind it, refused it for this file.
    /// The engine would do it on the calling thread: the file was not opened with `direct`.
    buffered,
    /// The kernel would have waited on the calling thread: for a block to be allocated, or for a
    /// lock.
    would_wait
};

constexpr std::size_t pass_reason_count = std::size_t(pass_reason::would_wait) + 1;

/// What becomes of an operation, from its start to its delivery.
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

/// Results that are no errno (which ends at 4095).
namespace failure {

/// `single_issuer` promises one thread, and another one runs the context.
constexpr int wrong_thread = -4096;
constexpr int engine_unavailable = -4097;  ///< No engine of the choice works here.
constexpr int invalid_choice = -4098;      ///< The choice names an engine that does not exist.
constexpr int configured_too_late = -4099; ///< A file was opened before.

} // namespace failure

class backlog;

class operation;

struct backlog_links {
    operation *prev, *file_next, *file_prev;
};

/// Memory inside an operation for the function by which it is submitted: then a submission
/// allocates nothing.
struct delivery_room {
    // An operation of Asio's: three words, a function of one and an allocator of two.
    static constexpr std::size_t bytes = 48;
    alignas(std::max_align_t) std::byte memory[bytes];
};

/// What the kernel needs to know of one operation, its result, and its two fates.
/**
 * Owned by exactly one place at a time: the service's pending list, an engine, or a list of
 * finished operations. The memory belongs to whoever made it (`async_op`), and is given back by
 * `complete` or `discard`.
 */
class operation {
public:
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Ends the operation: its handler is submitted to its executor with the result.
    /**
     * Clears `owner`, the caller's pointer to this operation, when the operation is no longer the
     * caller's. Throws what the executor throws; where `owner` is still set then, the operation is
     * the caller's and can be completed again.
     */
    void complete(operation*& owner) { fates_.complete(*this, owner); }

    /// Ends the operation without a call: its handler is destroyed. For a context that is being
    /// destroyed.
    void discard() noexcept { fates_.discard(*this); }

    /// The descriptor to work on.
    int descriptor() const noexcept { return file ? file->descriptor() : raw_descriptor; }

    /// Whether somebody asked to cancel this operation or, since it was started, all operations of
    /// its file.
    bool is_cancelled() const noexcept {
        return cancel_asked.load(std::memory_order_relaxed) ||
            (file && file->has_cancelled(number));
    }

    /// Whether the user is told that the operation was cancelled. Bytes that a write has written
    /// are reported instead.
    bool ends_as_cancelled() const noexcept {
        return result == -ECANCELED && (kind != op_kind::write || bytes_before == 0);
    }

    op_state state() const noexcept { return state_; }

    void become(op_state after) noexcept {
        assert(may_follow(state_, after));
        state_ = after;
    }

    /// Takes the result that the kernel gave, and lets go of the file.
    /**
     * To close a file may wait: if this operation is the last user, a thread of the pool closes it.
     */
    void take_result(int answer) noexcept {
        result = answer;
        become(!file || file.reset_if_shared() ? op_state::finished : op_state::to_close);
    }

    /// Takes the result on a thread of the pool, which may wait until the file is closed.
    void take_result_and_close(int answer) noexcept {
        result = answer;
        close_file();
    }

    void close_file() noexcept {
        file.reset();
        become(op_state::finished);
    }

    /// Hands the operation back: the pool is to perform it.
    void pass(pass_reason why) noexcept {
        passed = why;
        become(op_state::pending);
    }

    /// What a transfer has yet to move.
    std::size_t total_bytes() const noexcept {
        std::size_t bytes = 0;
        for (unsigned i = 0; i != iovec_count; ++i)
            bytes += iovecs[i].iov_len;
        return bytes;
    }

    /// Takes away what has been moved at the front of a transfer; `bytes` are fewer than all.
    void advance(std::size_t bytes) noexcept {
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

    /// The links of the backlog in `waits_in`. A finished operation waits nowhere: it is submitted
    /// in this memory.
    union {
        backlog_links links{};
        delivery_room room;
    };
    operation* next = nullptr;
    /// Written by that backlog's owner; others compare it only.
    std::atomic<const backlog*> waits_in{nullptr};

    op_kind kind;
    pass_reason passed = pass_reason::none;
    /// Resubmitted once: the end of the submitting thread no longer explains its result.
    bool tried_again = false;
    bool counted = false; ///< Statistics have it.
    bool room_taken = false;
    /// `complete` calls the handler: its executor knows no other way.
    bool runs_inline = false;
    std::atomic<bool> cancel_asked{false}; ///< By its own cancellation slot.
    int result = -EINPROGRESS;             ///< Bytes, 0 or a descriptor (open); else -errno.
    int raw_descriptor = -1;               ///< Of `close`, and of operations without a file.
    /// Keeps the descriptor open while the kernel may not have taken it over.
    file_ref file;

    std::uint64_t offset = 0; ///< In bytes, at most 2^63 - 1.
    std::uint64_t length = 0; ///< sync_range, allocate, resize: in bytes. size: the answer.

    union {
        /// read, write: at most IOV_MAX, at most 0x7ffff000 bytes, none empty.
        iovec* iovecs = nullptr;
        const char* path; ///< open: the caller's, until the operation has ended.
    };
    unsigned iovec_count = 0;
    int flags = 0;         ///< open(2) flags, fallocate(2) mode or sync_file_range(2) flags.
    mode_t mode = 0;       ///< open: permissions, before the umask.
    int buffer_index = -1; ///< Of a registered buffer; -1: none.

    static constexpr std::uint32_t not_registered = UINT32_MAX;
    /// Its place in the cancel_gate, where it has a cancellation slot.
    std::uint32_t cancel_index = not_registered;
    /// Of the kernel engine, while the kernel has the operation.
    std::uint32_t slot = 0;

    std::uint64_t number = 0;    ///< In the order in which operations are started.
    std::int64_t started_at = 0; ///< Nanoseconds of the steady clock.
    /// Already moved, by an inline read or a short one; `iovecs` say what is left.
    std::size_t bytes_before = 0;

    /// What ends an operation; one table for each type.
    struct fates {
        void (*complete)(operation&, operation*& owner);
        void (*discard)(operation&) noexcept;
    };

protected:
    operation(op_kind k, const fates& how) noexcept : kind(k), fates_(how) {}
    ~operation() = default;

    const fates& its_fates() const noexcept { return fates_; }

    /// Makes a finished operation ready to be started again.
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
