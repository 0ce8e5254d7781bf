// SPDX-License-Identifier: BSL-1.0
#include "progress.hpp"

#include <unistd.h>
#include <iostream>

namespace info {

progress::progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

progress::~progress() {
    clear();
}

void progress::show(const std::string& what) {
    clear();
    if (!terminal_)
        return;
    std::cerr << what << " ...";
    shown_ = what.size() + 4;
}

// Overwrites with spaces, because not every terminal understands escape codes.
void progress::clear() {
    if (shown_ != 0)
        std::cerr << '\r' << std::string(shown_, ' ') << '\r';
    shown_ = 0;
}

} // namespace info
