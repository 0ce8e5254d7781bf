// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "call_limits.hpp"

#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <string>

namespace file_server {

/// A file that nobody needs to close. Its destruction starts a close that nobody waits for.
/**
 * The destructor of `random_access_file_aio` closes on the calling thread, and close(2) may wait
 * for a server on FUSE and network filesystems.
 */
class open_file {
public:
    /// A closed file. Its calls need permits of `names`.
    open_file(const asio::any_io_executor& executor, call_limits& limits, call_limits::parts names);
    open_file(open_file&&) noexcept = default;
    open_file& operator=(open_file&&) = delete;
    ~open_file();

    asio_aio::random_access_file_aio& operator*() { return file_; }

    /// Opens `path`. The caller has a permit.
    asio::awaitable<error_code> open(const std::string& path, asio_aio::file_base::flags flags);

    /// Closes the file. The caller has a permit.
    asio::awaitable<void> close();

    /// Gives the file a permit for its close, and ends the permit with the close.
    void keep(call_limits::permit held) { held_ = std::move(held); }

    /// The name of the open file itself, wherever its path leads now: /proc/self/fd/N.
    std::string link() { return link_of(file_.native_handle()); }

    static std::string link_of(int descriptor) {
        return "/proc/self/fd/" + std::to_string(descriptor);
    }

private:
    asio_aio::random_access_file_aio file_;
    call_limits* limits_;
    call_limits::parts names_;
    call_limits::permit held_;
};

} // namespace file_server
