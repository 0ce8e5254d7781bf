// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/descriptor.hpp"

#include <sys/types.h>
#include <cstddef>
#include <string>
#include <utility>

namespace asio_aio::detail::path_calls {

/// Device and inode; zeros for no file.
using file_identity = std::pair<dev_t, ino_t>;

/// The old file. Where this process may not read it, or another one has a lease on it, the
/// descriptor gives access to the attributes alone (O_PATH).
struct old_file {
    descriptor file;
    bool is_open = false; ///< Not O_PATH.

    /// As getxattr(2) and listxattr(2).
    ssize_t attribute(const char* name, void* value, std::size_t size) const;
    ssize_t attribute_names(char* names, std::size_t size) const;

private:
    std::string path() const;
};

/// A directory and the name of the file in it, after all symbolic links.
class target_file {
public:
    /// Throws std::system_error with ELOOP for a link if `follow_links` is false.
    target_file(const std::string& path, bool follow_links);

    int directory() const noexcept { return directory_.get(); }
    const std::string& name() const noexcept { return name_; }

    /// Opens the old file for its attributes; empty if there is none.
    old_file open_old() const;

private:
    void check_is(const file_identity& wanted) const;

    descriptor directory_;
    std::string name_;
};

} // namespace asio_aio::detail::path_calls
