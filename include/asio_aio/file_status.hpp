// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace asio_aio {

/// What the kernel knows of a file (statx(2)); see `async_status`.
struct file_status {
    using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

    std::filesystem::file_type type = std::filesystem::file_type::none;
    mode_t permissions = 0; ///< The lower twelve bits of the mode.
    std::uint64_t size = 0; ///< In bytes.
    uid_t owner = 0;
    gid_t group = 0;
    std::uint64_t links = 0; ///< The number of hard links.
    dev_t device = 0;        ///< Of the filesystem. With `inode` it names the file.
    std::uint64_t inode = 0;
    time_point accessed, modified;
    time_point changed; ///< The last change of content or status.
    /// Empty if the filesystem does not store it.
    std::optional<time_point> created;
};

} // namespace asio_aio
