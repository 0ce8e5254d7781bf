// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/path_operation.hpp>
#include <asio_aio/file_status.hpp>
#include <asio_aio/path_ref.hpp>

#include <fcntl.h>
#include <sys/types.h>
#include <tuple>
#include <type_traits>

/// Calls on paths. A thread of the pool performs each, so none of them blocks a loop.
/**
 * What all of them have in common:
 *
 * @param where An executor, or an execution context, which stands for its executor. The handler
 *              runs on its associated executor, or on this one if it has none. The first call on a
 *              context has the engines chosen and made, as `async_open` does.
 * @param path  A `const char*`, `std::string` or `std::filesystem::path`, in the encoding of the
 *              filesystem. It is copied. A relative path starts at the process's working directory
 *              at the time when the pool performs the call.
 *
 * @par Errors
 * `operation_aborted` after cancellation. `invalid_argument` if a path contains a null character.
 * Those of `open` if there is no engine. Otherwise what the named system call reports.
 *
 * @par Cancellation
 * `terminal`, `partial` and `total`. A call that a thread has begun completes with its result.
 *
 * @par Thread safety
 * Safe. Calls in flight have no order.
 */
namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// What `async_rename` does if the new path exists (renameat2(2)).
enum class rename_mode : unsigned char {
    replace,    ///< The old file at the new path is gone.
    no_replace, ///< The call fails with EEXIST.
    exchange    ///< Both files change places; both must exist.
};

/// Which file `async_status` looks at if the path names a symbolic link.
enum class link_mode : unsigned char { target, link };

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

struct rename_call final : path_call_with<rename_mode> {
    int perform(const operation&) noexcept override {
        const unsigned flags = wanted == rename_mode::no_replace ? unsigned(RENAME_NOREPLACE)
            : wanted == rename_mode::exchange                    ? unsigned(RENAME_EXCHANGE)
                                                                 : 0;
        return path_calls::rename(paths.first(), paths.second(), flags);
    }
};

struct remove_call final : path_call_with<nothing> {
    int perform(const operation&) noexcept override { return path_calls::remove(paths.first()); }
};

struct create_directory_call final : path_call_with<mode_t> {
    int perform(const operation&) noexcept override {
        return path_calls::create_directory(paths.first(), wanted);
    }
};

struct sync_directory_call final : path_call_with<nothing> {
    int perform(const operation&) noexcept override {
        return path_calls::sync_directory(paths.first());
    }
};

struct status_call final : path_call_with<link_mode> {
    using signature = void(error_code, file_status);

    int perform(const operation&) noexcept override {
        return path_calls::status(paths.first(), wanted == link_mode::target, found);
    }

    static std::tuple<error_code, file_status> arguments(const operation& op) {
        // no function if the call ended in its initiating function
        return {
            to_error(op.result),
            op.function ? static_cast<const status_call*>(op.function)->found : file_status()};
    }
    static std::tuple<error_code, file_status> arguments_of(int error) {
        return {to_error(error), file_status()};
    }

    file_status found;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Starts to rename a file or directory (renameat2(2)).
/**
 * @param from  The path that exists.
 * @param to    The new path, on the same filesystem (otherwise EXDEV).
 * @param token Completion token for `void(error_code)`.
 *
 * Not durable before `async_sync_directory` of both directories.
 */
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>,
    std::enable_if_t<!std::is_same_v<std::decay_t<Token>, rename_mode>, int> = 0>
auto async_rename(
    Where&& where, const path_ref& from, const path_ref& to, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::rename_call, Token>(
        where, token, rename_mode::replace, from, to);
}

/// As above, with a mode.
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>>
auto async_rename(
    Where&& where, const path_ref& from, const path_ref& to, rename_mode mode,
    Token&& token = Token()) {
    return detail::initiate_on_paths<detail::rename_call, Token>(where, token, mode, from, to);
}

/// Starts to remove a file (unlink(2)), or a directory that is empty (rmdir(2)).
/**
 * A symbolic link is removed itself. A file that is open lives on until it is closed.
 *
 * @param token Completion token for `void(error_code)`. A missing file is an error (ENOENT).
 */
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>>
auto async_remove(Where&& where, const path_ref& path, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::remove_call, Token>(
        where, token, detail::nothing(), path);
}

/// Starts to ask for the status of a file, following symbolic links (statx(2)).
/** @param token Completion token for `void(error_code, file_status)`. */
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>,
    std::enable_if_t<!std::is_same_v<std::decay_t<Token>, link_mode>, int> = 0>
auto async_status(Where&& where, const path_ref& path, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::status_call, Token>(
        where, token, link_mode::target, path);
}

/// As above, of a symbolic link itself or of its target.
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>>
auto async_status(Where&& where, const path_ref& path, link_mode mode, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::status_call, Token>(where, token, mode, path);
}

/// Starts to make a directory (mkdir(2)).
/**
 * @param token Completion token for `void(error_code)`. A path that exists is an error (EEXIST).
 */
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>,
    std::enable_if_t<!std::is_convertible_v<Token, mode_t>, int> = 0>
auto async_create_directory(Where&& where, const path_ref& path, Token&& token = Token()) {
    constexpr mode_t permissions = 0777;
    return detail::initiate_on_paths<detail::create_directory_call, Token>(
        where, token, permissions, path);
}

/// As above, with permissions before the umask.
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>>
auto async_create_directory(
    Where&& where, const path_ref& path, mode_t permissions, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::create_directory_call, Token>(
        where, token, permissions, path);
}

/// Starts to write a directory to the device, so that the names in it survive a crash (fsync(2)).
/** @param token Completion token for `void(error_code)`. */
template <
    typename Where, typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>>
auto async_sync_directory(Where&& where, const path_ref& path, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::sync_directory_call, Token>(
        where, token, detail::nothing(), path);
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
