// SPDX-License-Identifier: BSL-1.0
#include "engine/libaio/trial.hpp"

#include "engine/libaio/engine.hpp"
#include "engine/libaio/queue.hpp"
#include "selection/system_facts.hpp"

#include <sys/uio.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace asio_aio::detail {
namespace {

engine_report unavailable(const refusal& found) {
    engine_report report{backend::libaio, false, found.error, {}, {}};
    report.reason = std::string(found.call) + ": " + std::strerror(found.error);
    if (const std::string who = who_refuses(found.error); !who.empty()) {
        report.reason += "; " + who;
        report.remedy = has_seccomp_filter()
            ? "allow io_setup, io_submit, io_getevents and io_destroy in the seccomp profile"
            : "use a kernel with CONFIG_AIO, and a security policy that allows it";
    } else if (found.error == EAGAIN) {
        const std::string used = read_line("/proc/sys/fs/aio-nr"),
                          most = read_line("/proc/sys/fs/aio-max-nr");
        if (!used.empty() && !most.empty())
            report.reason += "; " + used + " of the system's " + most + " places are in use";
        report.remedy = "raise fs.aio-max-nr (sysctl fs.aio-max-nr=1048576)";
    } else if (found.error == ENOMEM) {
        report.remedy = "raise the memory limit of the process or its control group";
    } else if (found.error == EMFILE) {
        report.remedy = "raise RLIMIT_NOFILE (ulimit -n)";
    } else if (found.error == EINVAL) {
        report.remedy = "use Linux 4.14 or newer";
    }
    return report;
}

/// Submits a read that raises the event. Returns 0 or -errno of io_submit(2).
int submit_read(libaio_queue& trial, const event& finished, int file, int flags) {
    static char landing; // static: the kernel may write here after a timeout
    iocb entry;
    io_prep_pread(&entry, file, &landing, 1, 0);
    io_set_eventfd(&entry, finished.descriptor());
    entry.aio_rw_flags = flags;
    iocb* batch[] = {&entry};
    const int taken = trial.submit(batch, 1);
    return taken == 0 ? -EAGAIN : taken < 0 ? taken : 0;
}

refusal try_read(libaio_queue& trial, const event& finished, int file) {
    int error = submit_read(trial, finished, file, RWF_NOWAIT);
    if (error == -EOPNOTSUPP) // the kernel knows the flag, but not the filesystem of this file
        error = submit_read(trial, finished, file, 0);
    if (error != 0)
        return {-error, error == -EINVAL ? "io_submit with RWF_NOWAIT" : "io_submit"};
    libaio_queue::completion answer{};
    static constexpr char call[] = "a trial read";
    if (!wait_for_event(finished.descriptor()) || trial.take(&answer, 1) != 1)
        return {ETIMEDOUT, call};
    // Also EAGAIN (the kernel would wait) and EOPNOTSUPP: the completion came back.
    const bool answered =
        answer.result >= 0 || answer.result == -EAGAIN || answer.result == -EOPNOTSUPP;
    return answered ? refusal{} : refusal{-answer.result, call};
}

refusal try_operations(libaio_queue& trial, const event& finished) {
    const int file = open_trial_file();
    if (file < 0)
        return {}; // no file to read in this sandbox: trust the set-up
    const refusal found = try_read(trial, finished, file);
    ::close(file);
    if (found)
        return found;
    const int error = trial.ask_kernel();
    return error < 0 ? refusal{-error, "io_getevents"} : refusal{};
}

} // namespace

engine_trial try_libaio(const options& opts, trial_depth depth) {
    event finished;
    if (const int error = finished.open())
        return {unavailable({-error, "eventfd"}), {}};
    const auto trial =
        std::make_shared<std::unique_ptr<libaio_queue>>(std::make_unique<libaio_queue>());
    refusal found = (*trial)->open(opts.queue_depth);
    if (!found && depth == trial_depth::with_operations)
        found = try_operations(**trial, finished);
    if (found)
        return {unavailable(found), {}};
    return {{backend::libaio, true, 0, {}, {}}, [trial](const options&, event& raised) {
                return std::make_unique<libaio_engine>(std::move(*trial), raised);
            }};
}

} // namespace asio_aio::detail
