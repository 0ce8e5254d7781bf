// SPDX-License-Identifier: BSL-1.0
// System calls that fail, or that a test decides on, by seccomp(2). The kernel never removes a
// filter from a thread or from what that thread creates, so a test installs it in a child process.
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

/// The system call behind poll(2). arm64 has only ppoll(2).
#ifdef SYS_poll
constexpr long poll_call = SYS_poll;
#else
constexpr long poll_call = SYS_ppoll;
#endif

/// Installs a filter for all system calls; false if the kernel refuses it.
inline bool install_filter(std::vector<sock_filter>& program) {
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Makes each of `calls` fail with `error` from now on, as a container's seccomp profile does.
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

/// Calls a function of the test in place of one system call.
class trapped_call {
public:
    using arguments = long[5];

    /// Returns the call's result or -errno; without a value the kernel performs the call.
    using decide_function = std::optional<long> (*)(const arguments&);

    /// Traps the system call `number` from now on; false if the kernel refuses the filter.
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

    /// Performs the trapped system call. Returns its result or -errno.
    static long perform(const arguments& a) {
        const long result = ::syscall(number_, a[0], a[1], a[2], a[3], a[4], let_through);
        return result == -1 ? -errno : result;
    }

private:
    // The filter lets a call with this sixth argument through. The trapped calls ignore it.
    static constexpr long let_through = 0x7777;

    static void on_trap(int, siginfo_t*, void* context) {
        mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#ifdef __aarch64__
        auto& x = machine.regs;
        const arguments a = {long(x[0]), long(x[1]), long(x[2]), long(x[3]), long(x[4])};
        auto& result = x[0];
#else
        auto& registers = machine.gregs;
        const arguments a = {
            long(registers[REG_RDI]), long(registers[REG_RSI]), long(registers[REG_RDX]),
            long(registers[REG_R10]), long(registers[REG_R8])};
        auto& result = registers[REG_RAX];
#endif
        const std::optional<long> decided = decide_(a);
        result = decided ? *decided : perform(a);
    }

    static inline long number_ = -1;
    static inline decide_function decide_ = nullptr;
};

} // namespace test
