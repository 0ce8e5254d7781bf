// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace write_ahead_log {

enum class command { help, append, check, follow };

struct settings {
    command what = command::help;
    std::string path;
    unsigned writers = 8;
    std::uint64_t records = 0; ///< `append`: of each writer. `follow`: all; 0 means without end.
    std::size_t bytes = 100;
    bool print = false;
};

/// what() names the argument, and what would be right.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws `usage_error`. Prints the help if it is asked for.
settings parse_options(int argc, const char* const* argv);

} // namespace write_ahead_log
