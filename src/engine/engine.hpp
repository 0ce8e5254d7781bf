// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/backlog.hpp"

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/op_queue.hpp>

#include <sys/uio.h>
#include <cerrno>
#include <cstdint>

namespace asio_aio::detail {

/// What an engine counted since it was made.
struct engine_counters {
    std::uint64_t kernel_entries = 0;
    unsigned threads = 0;
    std::uint64_t resubmitted = 0; ///< Submitted or performed again.
};

/// Why an engine cannot be had, or cannot go on: the errno, and the call that was refused; no call:
/// it can.
struct refusal {
    int error = 0;
    /// Of static storage: reports are made when the function that failed has returned.
    const char* call = nullptr;

    explicit operator bool() const noexcept { return call != nullptr; }
};

/// One way to have operations done. Passive and thread-safe; it never calls back and knows no
/// executor.
/**
 * An engine is made with the `event` that it raises when finished operations are waiting to be
 * reaped.
 */
class engine {
public:
    engine() = default;
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    virtual ~engine() = default;

    virtual backend kind() const noexcept = 0;

    /// True if this engine reads and writes `file`; otherwise the pool does.
    virtual bool serves(const file_handle& file) const noexcept = 0;

    /// Why the pool has to perform `op` instead of this engine; `none`: `submit` takes it. Asked
    /// once for an operation.
    virtual pass_reason why_not(operation& op) const noexcept = 0;

    /// What the kernel refused since, for good: the pool does everything then.
    virtual refusal failure() const noexcept { return {}; }

    /// Takes over all of `batch`. Never fails: what cannot be done comes back finished, with its
    /// errno. What `is_cancelled` already comes back with -ECANCELED. Waits for no file and no
    /// device, as far as the kernel lets itself be asked not to.
    virtual void submit(op_queue& batch) noexcept = 0;

    /// Moves the operations that are finished to the end of `done`.
    virtual void reap(op_queue& done) noexcept = 0;

    /// Looks for operations of `file` that `is_cancelled`. Those that wait are finished with
    /// -ECANCELED at once; the kernel is asked to stop those that it has. Closes no descriptor.
    virtual void cancel(file_handle& file) noexcept = 0;

    /// The same for one operation, which is alive and may be anywhere. Costs the same however many
    /// others there are.
    virtual void cancel(operation& op) noexcept = 0;

    /// Has the kernel map the program's buffers for good: `operation::buffer_index` names one.
    /// Instead of those before.
    /**
     * 0 or -errno, and then they are plain buffers; so they are for an engine that knows no others.
     */
    virtual int register_buffers(const iovec*, unsigned) noexcept { return -EOPNOTSUPP; }

    /// Waits until nothing is running, and moves everything to `abandoned`. Afterwards the engine
    /// only waits for its end.
    virtual void stop(op_queue& abandoned) noexcept = 0;

    /// Waits until everything submitted is finished, and keeps no thread: the process is about to
    /// fork.
    virtual void prepare_fork() noexcept = 0;

    /// The process has forked and this is the child: kernel objects shared with the parent are
    /// replaced.
    virtual void become_child() noexcept = 0;

    virtual engine_counters counters() const noexcept = 0;
};

} // namespace asio_aio::detail
