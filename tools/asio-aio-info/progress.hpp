// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

namespace info {

/// A line on standard error that says what is being done; only on a terminal, and gone in the end.
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
    std::size_t shown_ = 0; // bytes: at least as many as columns
};

} // namespace info
