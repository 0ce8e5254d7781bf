// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/options.hpp>

#include <sys/types.h>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>

namespace asio_aio::detail {

/// What trials of engines found, kept for the process; a child process finds out anew. Thread-safe.
/**
 * For all of its threads, although one may be in a sandbox of its own: an engine's operations are
 * submitted by any of them. Only what a kernel or a policy answers for good is kept: a refusal for
 * want of memory, descriptors, threads or places of fs.aio-max-nr, or a trial that timed out, may
 * be different for the next context.
 */
class trial_memory {
public:
    /// The one of this process. Never destroyed: a context of static storage may outlive all that
    /// is.
    static trial_memory& instance();

    std::optional<engine_report> find(backend which, const options& opts) const;
    void keep(const engine_report& report, const options& opts);

    /// To be called when an engine that worked does not any more.
    void forget(backend which) noexcept;

private:
    using key = std::tuple<pid_t, backend, bool, bool>;
    static key key_of(backend which, const options& opts);

    mutable std::mutex mutex_; ///< Guards everything below.
    std::map<key, engine_report> found_;
};

} // namespace asio_aio::detail
