// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <sys/types.h>
#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <optional>

/// The system calls on one file, blocking, with -errno as result. EINTR is never returned; EAGAIN
/// and EBUSY by `perform`, whose caller repeats it, and by `open` and `close`, which are not
/// repeated.
namespace asio_aio::detail::posix_file {

/// Does `op` on the calling thread and returns its result; for `size` the answer is in `op.length`.
int perform(operation& op) noexcept;

int open(const char* path, int flags, mode_t permissions) noexcept;
int close(int descriptor) noexcept;
int read(int descriptor, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept;
int write(int descriptor, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept;
int sync_all(int descriptor) noexcept;
int sync_data(int descriptor) noexcept;

/// The size in bytes of a regular file or a block device.
int size(int descriptor, std::uint64_t& bytes) noexcept;

/// Whether a read ended before the end of a regular file, as far as this machine knows the size
/// without asking a server: a device may answer in pieces, and the caller sees the sum.
bool is_short_of_end(const operation& op, int result) noexcept;

int resize(int descriptor, std::uint64_t bytes) noexcept;

/// What a read that must not wait found.
struct cached_read {
    enum class outcome : unsigned char {
        /// All that there is up to the end of the file: `bytes` is the result, 0 means end of file.
        whole,
        part,   ///< `bytes` were in memory, or none; the rest must be waited for.
        refused ///< This file cannot be read without waiting; nor will it ever.
    };

    outcome what;
    int bytes;
};

/// Reads what is in memory (preadv2(2) with RWF_NOWAIT, Linux 4.14; else as the file's
/// `memory_test` says).
cached_read read_cached(
    file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count,
    std::size_t wanted) noexcept;

/// The alignment that the kernel reports (statx(2), Linux 6.1); nothing where it reports none.
std::optional<direct_alignment> reported_alignment(int descriptor) noexcept;

/// The same, with a guess where nothing is reported that every disk and filesystem in use accepts.
int direct_io_alignment(int descriptor, direct_alignment& found) noexcept;

} // namespace asio_aio::detail::posix_file
