// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/file_status.hpp>

#include <sys/types.h>
#include <sys/uio.h>
#include <cstddef>

/// The blocking system calls on paths. Each returns 0 or -errno.
namespace asio_aio::detail::path_calls {

/// renameat2(2); `flags` are RENAME_NOREPLACE or RENAME_EXCHANGE.
ASIO_AIO_API int rename(const char* from, const char* to, unsigned flags) noexcept;

/// Removes a file, or a directory that is empty.
ASIO_AIO_API int remove(const char* path) noexcept;

/// statx(2) of the file, or of the link itself.
ASIO_AIO_API int status(const char* path, bool follows_links, file_status& found) noexcept;

ASIO_AIO_API int create_directory(const char* path, mode_t permissions) noexcept;

/// fsync(2) of the directory.
ASIO_AIO_API int sync_directory(const char* path) noexcept;

/// What `replace_file` writes.
struct replacement {
    const iovec* iovecs;
    std::size_t iovec_count;
    mode_t permissions; ///< Of a new file, before the umask.
    bool durable;       ///< Syncs the file and its directory.
    bool follow_links;  ///< False: the last component is no symbolic link (ELOOP).
};

/// Replaces the content of a file. Stops with -ECANCELED if `op` is cancelled before the rename.
ASIO_AIO_API int replace_file(
    const char* path, const replacement& with, const operation& op) noexcept;

} // namespace asio_aio::detail::path_calls
