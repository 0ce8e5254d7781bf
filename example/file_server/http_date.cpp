// SPDX-License-Identifier: BSL-1.0
#include "http_date.hpp"

#include <array>

#include <time.h>

// The program never calls setlocale, so strftime and strptime use the names of the C locale.

namespace file_server {

std::string format_http_date(std::time_t time) {
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    std::array<char, 64> text{};
    const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return {text.data(), size};
}

std::optional<std::time_t> parse_http_date(std::string_view text) {
    const std::string terminated{text};
    for (const char* form :
         {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        std::tm parts{};
        const char* end = ::strptime(terminated.c_str(), form, &parts);
        if (end != nullptr && *end == '\0')
            return ::timegm(&parts);
    }
    return std::nullopt;
}

} // namespace file_server
