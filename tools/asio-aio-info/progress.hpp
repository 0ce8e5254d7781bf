// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

namespace info {

/// Shows the current step on standard error, if that is a terminal. The destructor clears the line.
class progress {
public:
    progress();
    ~progress();
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    void show(const std::string& what);

private:
    void clear();

    const bool terminal_;
    std::size_t shown_ = 0; // bytes, which are at least as many as columns
};

} // namespace info
