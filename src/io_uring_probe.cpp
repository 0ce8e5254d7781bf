// SPDX-License-Identifier: BSL-1.0
#include "io_uring.hpp"
#include "io_uring_ring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <string>

namespace asio_aio::detail {
namespace {

std::string read_line(const char* path) {
    char text[64] = {};
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return {};
    const ssize_t n = ::read(fd, text, sizeof(text) - 1);
    ::close(fd);
    const std::string line(text, n > 0 ? std::size_t(n) : 0);
    return line.substr(0, line.find('\n'));
}

engine_report unavailable(const ring_refusal& refusal) {
    engine_report report{backend::io_uring, false, refusal.error, {}, {}};
    report.reason = std::string(refusal.call) + ": " + std::strerror(refusal.error);
    const std::string disabled = read_line("/proc/sys/kernel/io_uring_disabled");
    if (refusal.error == EPERM && !disabled.empty() && disabled != "0") {
        report.reason += "; kernel.io_uring_disabled is " + disabled;
        report.remedy = "sysctl kernel.io_uring_disabled=0";
    } else if (refusal.error == EPERM || refusal.error == EACCES) {
        report.reason += "; a seccomp profile or a security module refuses it";
        report.remedy = "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile";
    } else if (refusal.error == ENOSYS) {
        report.remedy = "a kernel with CONFIG_IO_URING, and a seccomp profile that allows it";
    } else if (refusal.error == ENOMEM) {
        report.remedy = "raise RLIMIT_MEMLOCK (ulimit -l)";
    } else if (refusal.error == EMFILE) {
        report.remedy = "raise RLIMIT_NOFILE (ulimit -n)";
    }
    return report;
}

/// One operation on a worker of the kernel's, back through the event: a sandbox may allow the set-up and forbid the
/// rest, or the threads.
ring_refusal try_operation(io_uring_ring& trial, int event_descriptor) {
    if (!trial.admits_caller())
        return {EPERM, "io_uring_register(IORING_REGISTER_ENABLE_RINGS)"};
    io_uring_sqe* entry = trial.next_entry();
    io_uring_prep_nop(entry);
    entry->flags |= IOSQE_ASYNC;
    if (const int error = trial.submit())
        return {-error, "io_uring_enter"};
    pollfd woken{event_descriptor, POLLIN, 0};
    constexpr int patience_ms = 2000;
    io_uring_ring::completion answer{};
    if (::poll(&woken, 1, patience_ms) != 1 || trial.take(&answer, 1) != 1)
        return {ETIMEDOUT, "a trial operation, which did not come back"};
    if (answer.result < 0)
        return {-answer.result, "a trial operation"};
    return {};
}

} // namespace

engine_report probe_io_uring(const options& opts) {
    event finished;
    if (const int error = finished.open())
        return unavailable({-error, "eventfd"});
    io_uring_ring trial;
    if (const ring_refusal refusal = trial.open(ring_settings::of(opts), finished.descriptor()))
        return unavailable(refusal);
    if (const ring_refusal refusal = try_operation(trial, finished.descriptor()))
        return unavailable(refusal);
    return {backend::io_uring, true, 0, {}, {}};
}

} // namespace asio_aio::detail
