// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "call_limits.hpp"
#include "descriptor.hpp"
#include "failure.hpp"
#include "open_file.hpp"
#include "request_path.hpp"

#include <asio_aio/file_status.hpp>

#include <optional>
#include <string>
#include <variant>

namespace file_server {

/// A regular file, open for reading.
struct opened_file {
    open_file file;
    asio_aio::file_status status;
    std::string name; ///< Determines the content type. For a directory: index.html.
};

/// The request names a directory without a slash at its end: relative links would not work.
struct slash_is_missing {};

using open_result = std::variant<failure, slash_is_missing, opened_file>;

/// A place for a new or changed file.
struct put_target {
    open_file folder; ///< Open without access (O_PATH).
    std::string name;
    std::optional<asio_aio::file_status> old; ///< The regular file that is there; empty if none is.

    /// The path of the file, which leads nowhere else if somebody renames a folder meanwhile.
    std::string path() { return folder.link() + "/" + name; }
};

using put_result = std::variant<failure, put_target>;

/// The folder that is served. No function opens a file outside of it.
/**
 * Each name is first opened without access (O_PATH). That reads no file and starts no device, and
 * waits for no writer of a FIFO. The kernel then reports where the opened file is. If this is in the
 * folder, and a regular file, the server opens that same file again, for reading. So nothing changes
 * between the check and the use, although other processes rename files or make links.
 *
 * The functions are thread-safe. They run on the executor of the coroutine that calls them. The
 * library performs all calls that may wait for a disk.
 */
class served_folder {
public:
    /// Blocks. The calls of the functions below need permits of `limits`.
    /** @throws std::system_error if `path` is not a folder that can be opened, or without /proc. */
    served_folder(const std::string& path, call_limits& limits);

    /// Opens the regular file that `path` names, or the index.html of a directory.
    /** `held` is a permit for `parts(path)`. */
    asio::awaitable<open_result> open(request_path path, call_limits::permit held) const;

    /// Finds the place of the regular file that `path` names. `held` as for `open`.
    asio::awaitable<put_result> find_place(request_path path, call_limits::permit held) const;

    /// The parts of the tree from which a request for `path` needs a permit.
    static call_limits::parts parts(const request_path& path);

    call_limits& limits() const { return limits_; }

private:
    asio::awaitable<error_code> find(open_file& entry, const std::string& relative) const;
    asio::awaitable<error_code> find_cause(const std::string& relative, error_code error) const;
    asio::awaitable<open_result> open_regular(
        open_file& entry, const asio_aio::file_status& status, std::string name) const;
    bool contains(open_file& entry) const;
    open_file closed_file(
        const asio::any_io_executor& executor, const call_limits::parts& names) const {
        return {executor, limits_, names};
    }

    call_limits& limits_;
    descriptor root_;
};

/// The response to an error of a call on a file.
failure to_failure(const error_code& error);

} // namespace file_server
