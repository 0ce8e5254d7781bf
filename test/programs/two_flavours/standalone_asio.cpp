// SPDX-License-Identifier: BSL-1.0
#include <asio.hpp>

#include "round_trip.hpp"

#include <system_error>

static_assert(std::is_same_v<asio_aio::error_code, std::error_code>);

std::string with_standalone_asio(const std::string& path, const std::string& text) {
    return round_trip(path, text);
}
