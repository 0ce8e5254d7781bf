// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

namespace info {

/// The command line.
struct settings {
    std::optional<std::string> path;
    unsigned seconds = 1; ///< Time of each engine's measurement; 0: none.
    bool json = false;
};

/// The command line is wrong. what() says what would be right.
class usage_error : public std::runtime_error {
    using runtime_error::runtime_error;
};

/// Parses the command line. Empty after --help or --version, whose text it prints.
/** @throws usage_error for a wrong command line. */
std::optional<settings> parse_settings(int argc, const char* const* argv);

} // namespace info
