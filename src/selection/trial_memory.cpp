// SPDX-License-Identifier: BSL-1.0
#include "selection/trial_memory.hpp"

#include <unistd.h>
#include <cerrno>
#include <iterator>

namespace asio_aio::detail {
namespace {

/// True for errors that the kernel or a security policy returns for good. The causes of all others
/// may pass: memory, descriptors, threads, signals, a machine that stalls.
bool is_final(int error) {
    switch (error) {
    case 0:
    case EACCES:
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EPERM: return true;
    default: return false;
    }
}

} // namespace

trial_memory& trial_memory::instance() {
    static auto& memory = *new trial_memory;
    return memory;
}

std::optional<engine_report> trial_memory::find(backend which, const options& opts) const {
    const std::lock_guard<std::mutex> held(mutex_);
    const auto one = found_.find(key_of(which, opts));
    return one == found_.end() ? std::nullopt : std::optional<engine_report>(one->second);
}

void trial_memory::keep(const engine_report& report, const options& opts) {
    if (!is_final(report.error))
        return;
    const std::lock_guard<std::mutex> held(mutex_);
    found_[key_of(report.which, opts)] = report;
}

void trial_memory::forget(backend which) noexcept {
    const std::lock_guard<std::mutex> held(mutex_);
    for (auto each = found_.begin(); each != found_.end();)
        each = std::get<backend>(each->first) == which ? found_.erase(each) : std::next(each);
}

/// The options that change what the engine requests from the kernel.
trial_memory::key trial_memory::key_of(backend which, const options& opts) {
    const bool is_uring = which == backend::io_uring;
    return {::getpid(), which, is_uring && opts.sqpoll, is_uring && opts.single_issuer};
}

} // namespace asio_aio::detail
