// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>

namespace file_server {

/// Writes "<time> <text>" and a newline to standard output.
/** One system call writes the whole line, so lines of several threads do not mix. */
void log_line(std::string_view text);

/// A client's `text` in a form that is safe for a log: one short line of printable ASCII.
std::string escaped(std::string_view text);

} // namespace file_server
