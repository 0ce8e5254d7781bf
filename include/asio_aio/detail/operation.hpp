// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/file_handle.hpp>

#include <sys/types.h>
#include <sys/uio.h>
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

/// True for the kinds that may take as long as a device flush or a remote server's answer.
constexpr bool is_slow(op_kind kind) noexcept {
    return kind != op_kind::read && kind != op_kind::write && kind != op_kind::size;
}

constexpr bool is_transfer(op_kind kind) noexcept {
    return kind == op_kind::read || kind == op_kind::write;
}

/// True for kinds that may make a file larger: beyond RLIMIT_FSIZE that is a signal, where it is done on the caller's
/// thread.
constexpr bool may_extend(op_kind kind) noexcept {
    return kind == op_kind::write || kind == op_kind::resize || kind == op_kind::allocate;
}

/// True for results with which the kernel asks to try again; no user ever sees one.
/** But an open that is refused with EBUSY has its answer, and a closed number is gone: those are not repeated. */
constexpr bool is_to_be_repeated(op_kind kind, int result) noexcept {
    return (result == -EINTR || result == -EAGAIN || result == -EBUSY) && kind != op_kind::open &&
        kind != op_kind::close;
}

/// Why an engine handed an operation on to the pool.
enum class pass_reason : unsigned char {
    none,
    unsupported, ///< The engine does not know the operation.
    refused,     ///< The engine, or the filesystem behind it, refused it for this file.
    buffered,    ///< The engine would do it on the calling thread: the file was not opened with `direct`.
    would_wait,  ///< The kernel would have waited on the calling thread: for a block to be allocated, or for a lock.
    to_close     ///< It has its result, and is the last user of its file: to close a file may wait.
};

constexpr std::size_t pass_reason_count = std::size_t(pass_reason::to_close) + 1;

/// A result that is no errno (they end at 4095): the options promise one thread, and another one runs the context.
constexpr int wrong_thread = -4096;

/// What the kernel needs to know of one operation, its result, and its two fates.
/**
 * Owned by exactly one place at a time: the service's pending list, an engine, or a list of finished operations. The
 * memory belongs to whoever made it (`io_op`), and is given back by `complete` or `discard`.
 */
class operation {
public:
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Ends the operation: its handler is submitted to its executor with the result.
    void complete() { end_(this, fate::complete); }

    /// Ends the operation without a call: its handler is destroyed. For a context that is being destroyed.
    void discard() noexcept { end_(this, fate::discard); }

    /// The descriptor to work on.
    int descriptor() const noexcept { return file ? file->descriptor() : raw_descriptor; }

    /// Marks the operation as cancelled before the kernel had it, and lets go of the descriptor.
    void abort() noexcept {
        cancel_asked = true;
        result = -ECANCELED;
        file.reset();
    }

    /// Takes the result that the kernel gave, and lets go of the file.
    /** To close a file may wait: where this is its last user, a thread of the pool is to do it. */
    void take_result(int answer) noexcept {
        result = answer;
        if (file && !file.reset_if_shared())
            passed = pass_reason::to_close;
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

    operation* next = nullptr;

    op_kind kind;
    pass_reason passed = pass_reason::none;
    bool tried_again = false;  ///< Its result may not be explained by a submitting thread that has ended.
    bool cancel_asked = false; ///< -ECANCELED is an answer to somebody, and not the kernel's own idea.
    int result = -EINPROGRESS; ///< Bytes, 0 or a descriptor (open); else -errno.

    file_ref file;           ///< Keeps the descriptor open while the kernel may not have taken it over.
    int raw_descriptor = -1; ///< Of `close`, and of operations without a file.

    std::uint64_t offset = 0; ///< In bytes, at most 2^63 - 1.
    std::uint64_t length = 0; ///< sync_range, allocate, resize: in bytes. size: the answer.

    iovec* iovecs = nullptr; ///< read, write: at most IOV_MAX, at most 0x7ffff000 bytes, none empty.
    unsigned iovec_count = 0;
    int flags = 0;         ///< open(2) flags, fallocate(2) mode or sync_file_range(2) flags.
    mode_t mode = 0;       ///< open: permissions, before the umask.
    int buffer_index = -1; ///< Of a registered buffer; -1: none.
    const char* path = nullptr;

    std::uint64_t key = 0;        ///< Names the operation for a cancellation; 0: nobody will ask.
    std::uint64_t file_key = 0;   ///< Names the file for a cancellation.
    std::int64_t started_at = 0;  ///< Nanoseconds of the steady clock.
    std::size_t bytes_before = 0; ///< Already moved, by an inline read or a short one; `iovecs` say what is left.

protected:
    enum class fate : unsigned char { complete, discard };
    using end_function = void (*)(operation*, fate);

    operation(op_kind k, end_function end) noexcept : kind(k), end_(end) {}
    ~operation() = default;

private:
    end_function end_;
};

/// Which operations a cancellation means. It names them and never points at them: they may be gone.
struct cancellation {
    enum class scope : unsigned char { operation, file };

    scope what = scope::file;
    std::uint64_t key = 0;

    bool covers(const operation& op) const noexcept { return key == (what == scope::file ? op.file_key : op.key); }
};

} // namespace asio_aio::detail
