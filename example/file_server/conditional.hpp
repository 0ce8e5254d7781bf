// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/stat.h>

namespace file_server {

/// What the client is told of a file's version, and may ask about in a conditional request.
struct validators {
    std::string etag;
    std::time_t last_modified = 0;
};

/// The entity tag is made of the size and the time of the last change in nanoseconds.
validators make_validators(const struct stat& status);

enum class precondition {
    passed,
    not_modified, ///< 304
    failed,       ///< 412
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
/// 9110 §13.2.2.
precondition check_preconditions(const http::fields& request, const validators& file);

/// False when an If-Range field names another version than `file`, so that a Range field has to be
/// ignored.
bool if_range_holds(const http::fields& request, const validators& file, std::time_t now);

/// The values of all fields called `name`, joined by commas as RFC 9110 §5.3 has it.
std::string joined(const http::fields& fields, http::field name);

} // namespace file_server
