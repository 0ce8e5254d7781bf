// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/beast/http/status.hpp>

#include <ostream> // Boost 1.81's string_view needs it and does not include it
#include <string>

namespace file_server {

/// A request that gets an error response: its status, and the reason for its body.
struct failure {
    boost::beast::http::status status = boost::beast::http::status::internal_server_error;
    std::string reason;
};

} // namespace file_server
