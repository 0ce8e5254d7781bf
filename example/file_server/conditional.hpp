// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net.hpp"

#include <asio_aio/file_status.hpp>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace file_server {

/// The version of a file: response fields, with which conditional requests are compared.
struct validators {
    std::string etag;
    std::time_t last_modified = 0;
};

/// Makes the entity tag of the size and the time of the last change in nanoseconds.
validators make_validators(const asio_aio::file_status& status);

enum class precondition {
    passed,
    not_modified, ///< 304
    failed,       ///< 412
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of RFC
/// 9110 §13.2.2.
precondition check_preconditions(const http::fields& request, const validators& file);

/// False if If-Match, If-Unmodified-Since or If-None-Match forbid to replace `file`, which is empty
/// if there is no file.
bool may_replace(const http::fields& request, const std::optional<validators>& file);

/// False if an If-Range field names another version than `file`: the caller ignores Range then.
bool if_range_holds(const http::fields& request, const validators& file, std::time_t now);

/// The values of all fields with this name, joined by commas (RFC 9110 §5.3).
std::string joined(const http::fields& fields, http::field name);

} // namespace file_server
