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

/// The results of trials, kept for the process. A child process repeats the trials. Thread-safe.
/**
 * The results hold for all threads, although one thread may be in a sandbox of its own: any thread
 * may submit an engine's operations. Only final results are kept. A refusal may be different for
 * the next context if it concerned memory, descriptors, threads or places of fs.aio-max-nr, or if a
 * trial timed out.
 */
class trial_memory {
public:
    /// The instance of this process. It is never destroyed, because a context of static storage may
    /// use it late.
    static trial_memory& instance();

    std::optional<engine_report> find(backend which, const options& opts) const;
    void keep(const engine_report& report, const options& opts);

    /// Call it when an engine that worked has failed.
    void forget(backend which) noexcept;

private:
    using key = std::tuple<pid_t, backend, bool, bool>;
    static key key_of(backend which, const options& opts);

    mutable std::mutex mutex_; ///< Guards everything below.
    std::map<key, engine_report> found_;
};

} // namespace asio_aio::detail
