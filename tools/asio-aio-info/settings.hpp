// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

namespace info {

/// The command line.
struct settings {
    std::optional<std::string> path;
    unsigned seconds = 1; ///< Of each engine's taste; 0 for none.
    bool json = false;
};

/// The command line asks for what cannot be; the text says what would be right.
class usage_error : public std::runtime_error {
    using runtime_error::runtime_error;
};

/// Nothing where it was --help or --version, which are answered here. Throws `usage_error`.
std::optional<settings> parse_settings(int argc, const char* const* argv);

} // namespace info
