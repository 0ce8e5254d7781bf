// SPDX-License-Identifier: BSL-1.0
#include "log.hpp"

#include <array>
#include <climits>
#include <cstdio>
#include <ctime>

#include <unistd.h>

namespace file_server {
namespace {

/// The time in UTC, like "2024-05-06T07:08:09.123Z".
std::string timestamp() {
    std::timespec now{};
    std::timespec_get(&now, TIME_UTC);
    std::tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    std::array<char, 32> seconds{};
    std::strftime(seconds.data(), seconds.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%s.%03ldZ", seconds.data(), now.tv_nsec / 1'000'000);
    return text.data();
}

} // namespace

void log_line(std::string_view text) {
    std::string line = timestamp();
    line += ' ';
    line += text;
    // A write to a pipe is atomic up to PIPE_BUF bytes; lines of other threads could split a longer
    // one.
    if (line.size() >= PIPE_BUF)
        line.resize(PIPE_BUF - 1);
    line += '\n';
    // A log that cannot be written must not stop the server.
    [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, line.data(), line.size());
}

std::string escaped(std::string_view text) {
    constexpr std::size_t longest = 512;
    constexpr std::string_view digits = "0123456789abcdef";
    std::string safe;
    for (const char character : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(character);
        if (byte >= 0x20 && byte < 0x7f && character != '"' && character != '\\') {
            safe += character;
            continue;
        }
        safe += "\\x";
        safe += digits[byte >> 4];
        safe += digits[byte & 15];
    }
    if (text.size() > longest)
        safe += "...";
    return safe;
}

} // namespace file_server
