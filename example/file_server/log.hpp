// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>

namespace file_server {

/// Writes "<time> <text>" and a newline to standard output, in one system call: lines of several
/// threads stay whole.
void log_line(std::string_view text);

/// `text` from a stranger, made safe for a log: one line, printable ASCII, of bounded length.
std::string escaped(std::string_view text);

} // namespace file_server
