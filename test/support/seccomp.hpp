// SPDX-License-Identifier: BSL-1.0 System calls that are refused, or that fail on demand: for this
// thread, and what it makes, for good. In a child!
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <vector>

namespace test {

/// Puts a filter before all system calls; false where that cannot be done.
inline bool install_filter(std::vector<sock_filter>& program) {
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// From now on each of `calls` fails with `error`, as under a container's seccomp profile.
inline bool refuse_calls(const std::vector<long>& calls, int error) {
    std::vector<sock_filter> program{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (long each : calls) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, unsigned(each), 0, 1));
        program.push_back(
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned(error) & SECCOMP_RET_DATA)));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return install_filter(program);
}

/// A system call that a function of the test decides on, each time that it is made.
class trapped_call {
public:
    using arguments = long[5];

    /// A value is what the call returns (-errno included), nothing has it done.
    using decide_function = std::optional<long> (*)(const arguments&);

    /// Traps call `number` from now on; false where that cannot be arranged.
    static bool set(long number, decide_function decide) {
        number_ = number;
        decide_ = decide;
        struct sigaction action {};
        action.sa_sigaction = on_trap;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        std::vector<sock_filter> program{
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, unsigned(number), 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[5])),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, let_through, 1, 0),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        return ::sigaction(SIGSYS, &action, nullptr) == 0 && install_filter(program);
    }

    /// Does the call itself: its result or -errno.
    static long perform(const arguments& a) {
        const long result = ::syscall(number_, a[0], a[1], a[2], a[3], a[4], let_through);
        return result == -1 ? -errno : result;
    }

private:
    // as a sixth argument, which the calls of interest do not look at
    static constexpr long let_through = 0x7777;

    static void on_trap(int, siginfo_t*, void* context) {
        auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
        const arguments a = {
            long(registers[REG_RDI]), long(registers[REG_RSI]), long(registers[REG_RDX]),
            long(registers[REG_R10]), long(registers[REG_R8])};
        const std::optional<long> decided = decide_(a);
        registers[REG_RAX] = decided ? *decided : perform(a);
    }

    static inline long number_ = -1;
    static inline decide_function decide_ = nullptr;
};

} // namespace test
