// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "beneath.hpp"
#include "descriptor.hpp"
#include "failure.hpp"
#include "request_path.hpp"

#include <string>
#include <variant>

#include <sys/stat.h>

namespace file_server {

/// A regular file, open for reading.
struct opened_file {
    descriptor file;
    struct stat status {};
    std::string name; ///< Decides the content type: index.html where a directory was asked for.
};

/// The client asked for a directory without the slash at its end; relative links in its page would
/// go wrong.
struct slash_is_missing {};

using open_result = std::variant<failure, slash_is_missing, opened_file>;

/// The folder that is served. Its functions may wait for the disk and are safe to call from several
/// threads at once.
class served_folder {
public:
    /// @throws std::system_error when `path` is not a folder that can be opened.
    explicit served_folder(const std::string& path);

    /// Opens what a request names: a regular file, or the index.html of a directory.
    /** Never waits for a FIFO or a device. */
    open_result open(const request_path& path) const;

    const std::string& path() const { return root_.canonical_path; }

private:
    open_result open_index(const request_path& directory) const;

    descriptor descriptor_;
    folder root_;
};

} // namespace file_server
