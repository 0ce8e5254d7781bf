// SPDX-License-Identifier: BSL-1.0
// refuse ERRNO CALL[,CALL...] -- PROGRAM...: runs the programs one after another. The named system
// calls fail with ERRNO there.
//
// ASIO_AIO_TEST_REFUSED names the engines that must not be available to the programs.
// Exit status: that of the first program that fails, else 0; 77 if seccomp does not work or every
// program was skipped.
#include "seccomp.hpp"

#include <sys/wait.h>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

namespace {

const std::map<std::string, int> errnos = {
    {"ENOSYS", ENOSYS},
    {"EPERM", EPERM},
    {"EACCES", EACCES},
    {"EAGAIN", EAGAIN},
    {"ENOMEM", ENOMEM}};

struct known_call {
    long number;
    const char* engine;
};
const std::map<std::string, known_call> calls = {
    {"io_uring_setup", {SYS_io_uring_setup, "io_uring"}}, {"io_setup", {SYS_io_setup, "libaio"}}};

int run(char* program) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::execl(program, program, nullptr);
        ::_exit(127);
    }
    int status = -1;
    if (::waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

} // namespace

int main(int argc, char* argv[]) {
    if (argc < 5 || errnos.count(argv[1]) == 0 || std::string(argv[3]) != "--") {
        std::fprintf(stderr, "usage: refuse ERRNO CALL[,CALL...] -- PROGRAM...\n");
        return 2;
    }
    std::vector<long> refused;
    std::string engines;
    std::istringstream names(argv[2]);
    for (std::string name; std::getline(names, name, ',');) {
        const known_call& call = calls.at(name);
        refused.push_back(call.number);
        engines.append(engines.empty() ? "" : ",").append(call.engine);
    }
    ::setenv("ASIO_AIO_TEST_REFUSED", engines.c_str(), 1);
    if (!test::refuse_calls(refused, errnos.at(argv[1]))) {
        std::puts("SKIPPED: seccomp does not work here");
        return 77;
    }
    constexpr int skipped = 77;
    bool any_ran = false;
    for (int i = 4; i != argc; ++i) {
        const int status = run(argv[i]);
        if (status != 0 && status != skipped) {
            std::fprintf(stderr, "%s failed: %d\n", argv[i], status);
            return status;
        }
        any_ran |= status == 0;
    }
    return any_ran ? 0 : skipped;
}
