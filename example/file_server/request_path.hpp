// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "failure.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace file_server {

/// A request target, decoded.
struct request_path {
    /// Relative to the served folder, without "." and empty components. Empty: the folder itself.
    std::string relative;
    bool names_directory = false; ///< The target ends in a slash.
    std::string query;            ///< Includes the question mark.
};

/// Decodes a request target in origin form or absolute form (RFC 9112 §3.2).
/**
 * Refuses what filesystems and proxies interpret differently: "..", encoded slashes and NULs,
 * backslashes, and incomplete escapes. `served_folder` checks symbolic links.
 */
std::variant<request_path, failure> decode_target(std::string_view target);

/// The target of a request for a directory: the encoded `path` between two slashes, and the query.
std::string directory_target(const request_path& path);

} // namespace file_server
