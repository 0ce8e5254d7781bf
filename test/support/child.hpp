// SPDX-License-Identifier: BSL-1.0
// Tests that change their own process run in a child process. The changes end with the child.
#pragma once

#include "support.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <string>

namespace test {

/// The exit status of a child that could not run its test.
constexpr int could_not = 77;

/// The exit status of a child whose test threw an exception. A failed BOOST_REQUIRE throws one.
constexpr int has_thrown = 78;

/// Runs `body` in a child process. Returns the result of `body`, `has_thrown` after an exception,
/// or -1 if a signal ended the child.
/** An alarm ends a child that runs longer than half of the deadline of a test. */
template <typename Body>
int in_child(Body body) {
    const pid_t child = ::fork();
    BOOST_REQUIRE(child != -1);
    if (child == 0) {
        // The child inherits Boost.Test's handler of SIGALRM, but not the parent's alarm.
        ::signal(SIGALRM, SIG_DFL);
        ::alarm(deadline_seconds / 2);
        int result = has_thrown;
        try {
            result = body();
        } catch (...) { // the child must not run the parent's other tests
        }
        ::_exit(result);
    }
    int status = -1;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Runs a test in a child process. `body` returns 0 on success, and `could_not` if seccomp does not
/// work.
template <typename Body>
void check_in_child(Body body, const std::string& where = {}) {
    const int status = in_child(body);
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0, "status " << status << (where.empty() ? "" : " with ") << where);
}

/// Limits locked memory to `bytes` and switches to an unprivileged user; false on failure.
inline bool limit_locked_memory(rlim_t bytes, uid_t user = 65534) {
    const rlimit limit{bytes, bytes};
    return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        (::geteuid() != 0 || ::setresuid(user, user, user) == 0);
}

} // namespace test
