// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

/// A wrong option: the program ends with status 2.
struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The contestant does not work on this machine: the program ends with status 77.
struct cannot_run : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Ends the program with status 1 from any thread: figures of failed calls mean nothing.
[[noreturn]] void fail(std::string_view call, std::string_view reason) noexcept;

/// Calls `body`. Turns an exception into a line on stderr and an exit status.
int guarded(const std::string& name, const std::function<void()>& body);

} // namespace bench
