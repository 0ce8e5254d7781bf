// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "support.hpp"

#include <sys/wait.h>
#include <unistd.h>

namespace test {

/// Runs `work` in a child process and returns its exit status.
template <typename Work>
int in_child(Work work) {
    const pid_t child = ::fork();
    BOOST_REQUIRE(child != -1);
    if (child == 0)
        ::_exit(work());
    int status = -1;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace test
