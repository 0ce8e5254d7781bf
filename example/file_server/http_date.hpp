// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace file_server {

/// Formats a date like "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_http_date(std::time_t time);

/// Parses the three date formats of RFC 9110 §5.6.7. Empty for any other text.
std::optional<std::time_t> parse_http_date(std::string_view text);

} // namespace file_server
