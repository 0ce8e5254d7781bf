// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/beast/http/status.hpp>

#include <ostream> // used by Boost 1.81's string_view, which does not include it
#include <string>

namespace file_server {

/// A request that ends in an error response: the status, and for the body what is wrong in words.
struct failure {
    boost::beast::http::status status = boost::beast::http::status::internal_server_error;
    std::string reason;
};

} // namespace file_server
