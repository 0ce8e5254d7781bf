// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/transfer_options.hpp>

#include <sys/types.h>
#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <optional>

/// The blocking system calls on one file. Each returns its result or -errno, and never EINTR.
/**
 * The caller of `perform` repeats EAGAIN and EBUSY. `open` and `close` return them. The other
 * functions wait and try again. The offset of a transfer may be `current_position`.
 */
namespace asio_aio::detail::posix_file {

/// Performs `op` on the calling thread and returns its result. For `size` the size is in
/// `op.length`.
int perform(operation& op) noexcept;

/// Performs a read or a write, and drops the hints that the kernel refuses.
int transfer(operation& op) noexcept;

int open(const char* path, int flags, mode_t permissions) noexcept;
int close(int descriptor) noexcept;
ASIO_AIO_API int read(
    int descriptor, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept;
ASIO_AIO_API int write(
    int descriptor, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept;

/// A read or write with options, for the synchronous members. Sets the number of hints that were
/// dropped.
ASIO_AIO_API int transfer_now(
    const file_ref& file, op_kind kind, std::uint64_t offset, const iovec* iovecs, unsigned count,
    const transfer_flags& flags, unsigned& hints_dropped) noexcept;

ASIO_AIO_API int sync_all(int descriptor) noexcept;
ASIO_AIO_API int sync_data(int descriptor) noexcept;

/// True if no limit of file sizes (RLIMIT_FSIZE) may send a signal to the thread that writes.
bool sizes_are_unlimited() noexcept;

/// Finds the size of a regular file or a block device in bytes.
ASIO_AIO_API int size(int descriptor, std::uint64_t& bytes) noexcept;

/// True if a read ended before the end of a regular file. The size is the one that this machine
/// knows without a request to a server.
/** A device may return the data in pieces; the caller should get all of them. */
bool is_short_of_end(const operation& op, int result) noexcept;

ASIO_AIO_API int resize(int descriptor, std::uint64_t bytes) noexcept;

/// lseek(2)
ASIO_AIO_API int seek(
    int descriptor, std::int64_t offset, int whence, std::uint64_t& position) noexcept;

/// posix_fadvise(2), with an advice as POSIX_FADV_…
ASIO_AIO_API int advise(
    int descriptor, std::uint64_t offset, std::uint64_t length, int advice) noexcept;

/// The result of a read that must not wait.
struct cached_read {
    enum class outcome : unsigned char {
        /// `bytes` is the result of the whole request; fewer bytes, or 0, mean the end of the file.
        whole,
        part,   ///< `bytes` were read, maybe 0; the rest is not in memory.
        refused ///< The kernel never reads this file without waiting.
    };

    outcome what;
    int bytes;
};

/// Reads what is in memory (preadv2(2) with RWF_NOWAIT, Linux 4.14; otherwise as the file's
/// `memory_test` requires).
cached_read read_cached(
    file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count,
    std::size_t wanted) noexcept;

/// Returns the alignment that the kernel reports (statx(2), Linux 6.1), or nothing if it reports
/// none.
std::optional<direct_alignment> reported_alignment(int descriptor) noexcept;

/// Finds what the file's device can write atomically; zeros if the kernel does not know.
ASIO_AIO_API int find_atomic_write_limits(int descriptor, atomic_write_range& found) noexcept;

/// Finds the alignment that direct I/O needs. If the kernel reports none, it is a value that every
/// disk and filesystem in use accepts.
int direct_io_alignment(int descriptor, direct_alignment& found) noexcept;

} // namespace asio_aio::detail::posix_file
