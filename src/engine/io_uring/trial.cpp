// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/trial.hpp"

#include "engine/io_uring/engine.hpp"
#include "engine/io_uring/queue.hpp"
#include "selection/system_facts.hpp"

#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace asio_aio::detail {
namespace {

engine_report unavailable(const refusal& found) {
    engine_report report{backend::io_uring, false, found.error, {}, {}};
    report.reason = std::string(found.call) + ": " + std::strerror(found.error);
    const std::string disabled = read_line("/proc/sys/kernel/io_uring_disabled");
    if (found.error == EPERM && !disabled.empty() && disabled != "0") {
        report.reason += "; kernel.io_uring_disabled is " + disabled;
        report.remedy = "sysctl kernel.io_uring_disabled=0";
        if (disabled == "1")
            report.remedy += ", or run the process in the group kernel.io_uring_group";
    } else if (const std::string who = who_refuses(found.error); !who.empty()) {
        report.reason += "; " + who;
        report.remedy = has_seccomp_filter()
            ? "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile"
            : "use a kernel with CONFIG_IO_URING, and a security policy that allows it";
    } else if (found.error == ENOMEM) {
        report.remedy = "raise RLIMIT_MEMLOCK (ulimit -l)";
        // the kernel could not make a worker
    } else if (found.error == ECANCELED || found.error == ETIMEDOUT) {
        report.remedy = "raise RLIMIT_NPROC (ulimit -u) or pids.max of the control group";
    } else if (found.error == EAGAIN) { // the kernel never returns this error here
        report.remedy = "look for a seccomp profile or a sandbox that returns EAGAIN";
    } else if (found.error == EMFILE) {
        report.remedy = "raise RLIMIT_NOFILE (ulimit -n)";
    } else if (found.error == EOPNOTSUPP) {
        report.remedy = "use Linux 5.15 or newer";
    }
    return report;
}

/// Submits, and waits for the completion. `call` names the submission in a report.
refusal take_answer(
    io_uring_ring& trial, event& finished, io_uring_ring::completion& answer, const char* call) {
    if (const int error = trial.submit())
        return {-error, "io_uring_enter"};
    if (!wait_for_event(finished.descriptor()) || trial.take(&answer, 1) != 1)
        return {ETIMEDOUT, call};
    finished.clear();
    return {};
}

/// Reads on a worker of the kernel and waits for the event. A sandbox may allow the set-up but
/// forbid the rest, or forbid threads.
refusal try_read(io_uring_ring& trial, event& finished, int file) {
    static constexpr char call[] = "a trial read on a kernel worker";
    static char landing; // static: the kernel may write here after a timeout
    io_uring_sqe* entry = trial.next_entry();
    io_uring_prep_read(entry, file, &landing, 1, 0);
    entry->flags |= IOSQE_ASYNC;
    io_uring_ring::completion answer{};
    if (const refusal found = take_answer(trial, finished, answer, call))
        return found;
    return answer.result < 0 ? refusal{-answer.result, call} : refusal{};
}

refusal try_cancellation(io_uring_ring& trial, event& finished) {
    static constexpr char call[] = "a trial cancellation";
    io_uring_sqe* entry = trial.next_entry();
    io_uring_prep_cancel64(entry, 1, 0);
    io_uring_sqe_set_data64(entry, 2);
    io_uring_ring::completion answer{};
    if (const refusal found = take_answer(trial, finished, answer, call))
        return found;
    return answer.result == -ENOENT || answer.result >= 0 ? refusal{}
                                                          : refusal{-answer.result, call};
}

refusal try_operations(io_uring_ring& trial, event& finished) {
    if (!trial.admits_caller())
        return {EPERM, "io_uring_register(IORING_REGISTER_ENABLE_RINGS)"};
    const int file = open_trial_file();
    if (file < 0)
        return {}; // no file to read in this sandbox: trust the set-up
    refusal found = try_read(trial, finished, file);
    // A signal may have interrupted the kernel while it made the worker.
    for (int more = 3; (found.error == ECANCELED || found.error == EINTR) && more != 0; --more)
        found = try_read(trial, finished, file);
    ::close(file);
    return found ? found : try_cancellation(trial, finished);
}

} // namespace

engine_trial try_io_uring(const options& opts, trial_depth depth) {
    event finished;
    if (const int error = finished.open())
        return {unavailable({-error, "eventfd"}), {}};
    // Shared, because a std::function is copied. The first call of the factory takes the ring. The
    // kernel gives locked memory of a closed ring back late, so a second ring might not find
    // enough.
    const auto trial =
        std::make_shared<std::unique_ptr<io_uring_ring>>(std::make_unique<io_uring_ring>());
    const ring_settings settings = ring_settings::of(opts);
    refusal found = (*trial)->open(settings, finished.descriptor());
    if (!found && depth == trial_depth::with_operations) {
        found = try_operations(**trial, finished);
        // This thread owns the ring now, but another thread may run the context: make a new ring.
        if (!found && settings.single_issuer) {
            (*trial)->close();
            found = (*trial)->open(settings, finished.descriptor());
        }
    }
    if (found)
        return {unavailable(found), {}};
    return {{backend::io_uring, true, 0, {}, {}}, [trial](const options& wanted, event& raised) {
                return std::make_unique<io_uring_engine>(
                    ring_settings::of(wanted), raised, std::move(*trial));
            }};
}

} // namespace asio_aio::detail
