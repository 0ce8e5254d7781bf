// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/beast/core/string.hpp>

#include <ostream> // Boost 1.81's string_view needs it and does not include it
#include <string_view>

namespace file_server {

using boost::beast::iequals;

} // namespace file_server
