// SPDX-License-Identifier: BSL-1.0
#include <boost/asio.hpp>

#include "round_trip.hpp"

static_assert(std::is_same_v<asio_aio::error_code, boost::system::error_code>);

std::string with_boost_asio(const std::string& path, const std::string& text) {
    return round_trip(path, text);
}
