// SPDX-License-Identifier: BSL-1.0
// What a test does to itself in a child process: nothing of it outlives the child.
#pragma once

#include "support.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <string>

namespace test {

/// The exit status of a child that could not do its test.
constexpr int could_not = 77;

/// The exit status of a child whose test has thrown, as BOOST_REQUIRE does.
constexpr int has_thrown = 78;

/// Runs `body` in a child process and says how it ended: 0 good, `could_not`, `has_thrown`, -1
/// where it was killed.
/** The kernel ends a child that takes longer than a half of what a test may. */
template <typename Body>
int in_child(Body body) {
    const pid_t child = ::fork();
    BOOST_REQUIRE(child != -1);
    if (child == 0) {
        // Boost.Test has a handler, and the parent's alarm is not inherited
        ::signal(SIGALRM, SIG_DFL);
        ::alarm(deadline_seconds / 2);
        int result = has_thrown;
        try {
            result = body();
        } catch (...) { // the child must not go on with the parent's tests
        }
        ::_exit(result);
    }
    int status = -1;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Runs a test in a child process: `body` returns 0 where all is right, and `could_not` where
/// seccomp does not work.
template <typename Body>
void check_in_child(Body body, const std::string& where = {}) {
    const int status = in_child(body);
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0, "status " << status << (where.empty() ? "" : " with ") << where);
}

/// Becomes a user without privileges who may lock `bytes` of memory.
inline bool limit_locked_memory(rlim_t bytes, uid_t user = 65534) {
    const rlimit limit{bytes, bytes};
    return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        (::geteuid() != 0 || ::setresuid(user, user, user) == 0);
}

} // namespace test
