// SPDX-License-Identifier: BSL-1.0
#include "io_uring.hpp"
#include "io_uring_engine.hpp"
#include "io_uring_ring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

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

bool wait_for(int event_descriptor) {
    using std::chrono::steady_clock;
    constexpr auto patience = std::chrono::seconds(2);
    const auto end = steady_clock::now() + patience;
    pollfd woken{event_descriptor, POLLIN, 0};
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
        const int ready = ::poll(&woken, 1, std::max(0, int(left.count())));
        if (ready != -1 || errno != EINTR)
            return ready == 1;
    }
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
    io_uring_ring::completion answer{};
    if (!wait_for(event_descriptor) || trial.take(&answer, 1) != 1)
        return {ETIMEDOUT, "a trial operation, which did not come back"};
    if (answer.result < 0)
        return {-answer.result, "a trial operation"};
    return {};
}

} // namespace

engine_trial try_io_uring(const options& opts) {
    event finished;
    if (const int error = finished.open())
        return {unavailable({-error, "eventfd"}), {}};
    // Shared, since a std::function is copied; the first call takes the ring. (Locked memory of a ring that is closed
    // is given back later: a second one might not find enough.)
    const auto trial = std::make_shared<std::unique_ptr<io_uring_ring>>(std::make_unique<io_uring_ring>());
    if (const ring_refusal refusal = (*trial)->open(ring_settings::of(opts), finished.descriptor()))
        return {unavailable(refusal), {}};
    ring_refusal refusal = try_operation(**trial, finished.descriptor());
    for (int more = 3; (refusal.error == ECANCELED || refusal.error == EINTR) && more != 0; --more) {
        finished.clear(); // a signal came while the kernel made the worker
        refusal = try_operation(**trial, finished.descriptor());
    }
    if (refusal)
        return {unavailable(refusal), {}};
    if (opts.single_issuer)
        trial->reset(); // this thread's now, and the context's thread is not known yet
    return {{backend::io_uring, true, 0, {}, {}}, [trial](const options& wanted, event& raised) {
                return std::make_unique<io_uring_engine>(ring_settings::of(wanted), raised, std::move(*trial));
            }};
}

} // namespace asio_aio::detail
