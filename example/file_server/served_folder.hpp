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
    std::string name; ///< Determines the content type. For a directory: index.html.
};

/// The request names a directory without a slash at its end: relative links would not work.
struct slash_is_missing {};

using open_result = std::variant<failure, slash_is_missing, opened_file>;

/// The folder that is served. Its functions may wait for the disk, and are thread-safe.
class served_folder {
public:
    /// @throws std::system_error if `path` is not a folder that can be opened.
    explicit served_folder(const std::string& path);

    /// Opens the regular file that `path` names, or the index.html of a directory.
    /** Does not wait for a FIFO or a device. */
    open_result open(const request_path& path) const;

    const std::string& path() const { return root_.canonical_path; }

private:
    open_result open_index(const request_path& directory) const;

    descriptor descriptor_;
    folder root_;
};

} // namespace file_server
