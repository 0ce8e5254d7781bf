// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/backlog.hpp"

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/op_queue.hpp>

#include <sys/uio.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

/// The counters of an engine since it was made.
struct engine_counters {
    std::uint64_t kernel_entries = 0;
    unsigned threads = 0;
    std::uint64_t resubmitted = 0;        ///< Operations that were submitted or performed again.
    std::uint64_t with_fixed_buffers = 0; ///< Submissions that used registered memory.
};

/// Why an engine is not available, or cannot go on: the call that the kernel refused, and its
/// errno. No call means no refusal.
struct refusal {
    int error = 0;
    /// Static storage, because reports are made after the function that failed has returned.
    const char* call = nullptr;

    explicit operator bool() const noexcept { return call != nullptr; }
};

/// Registered memory that the kernel refused, and the errno of the last refusal.
struct refused_memory {
    std::uint64_t bytes = 0;
    int error = 0;
};

/// One way to perform operations. Passive and thread-safe: an engine never calls back, and knows no
/// executor.
/**
 * Each engine is constructed with an `event`. The engine raises the event when finished operations
 * are ready for `reap`.
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

    /// Returns why the pool has to perform `op` instead of this engine, or `none`. Call it once for
    /// each operation.
    virtual pass_reason why_not(operation& op) const noexcept = 0;

    /// What the kernel refused for good after the trial. The pool then performs everything.
    virtual refusal failure() const noexcept { return {}; }

    /// Takes over all of `batch`. Never fails: an operation that cannot be performed comes back
    /// finished, with its errno.
    /**
     * An operation that `is_cancelled` comes back with -ECANCELED. The call does not wait for files
     * and devices, as far as the kernel allows to request that.
     */
    virtual void submit(op_queue& batch) noexcept = 0;

    /// Moves the operations that are finished or handed back to the end of `done`.
    virtual void reap(op_queue& done) noexcept = 0;

    /// As `reap`, between `prepare_fork` and the fork: starts no thread.
    virtual void reap_before_fork(op_queue& done) noexcept { reap(done); }

    /// Cancels the operations of `file` that `is_cancelled`. Those that wait end at once, with
    /// -ECANCELED. The engine asks the kernel to stop the others. Closes no descriptor.
    virtual void cancel(file_handle& file) noexcept = 0;

    /// Cancels one operation, which is alive and may be in any place. Takes constant time.
    virtual void cancel(operation& op) noexcept = 0;

    /// Registers memory with the kernel. From now on operations whose memory lies in one of these
    /// buffers use it as a fixed buffer. Returns the name of the registration.
    /**
     * Memory that the kernel refuses is used as plain memory, as is all memory on an engine without
     * fixed buffers. Throws std::bad_alloc.
     */
    virtual std::uint64_t register_memory(const iovec*, std::size_t) { return 0; }

    /// Ends a registration. Operations in flight keep their memory.
    virtual void unregister_memory(std::uint64_t) noexcept {}

    /// Returns 0 if operations use all memory of the registration as fixed buffers. Otherwise
    /// -errno: -EINPROGRESS if another thread has to register it first.
    virtual int why_plain(std::uint64_t) const noexcept { return -EOPNOTSUPP; }

    /// The registered memory that the kernel refused.
    virtual refused_memory refused_buffers() const noexcept { return {}; }

    /// Waits until nothing is running, and moves all operations to `abandoned`. Afterwards the
    /// engine may only be destroyed.
    virtual void stop(op_queue& abandoned) noexcept = 0;

    /// Waits until everything submitted is finished, and ends all threads, because the process is
    /// about to fork.
    virtual void prepare_fork() noexcept = 0;

    /// Call it in the child process after a fork. Replaces kernel objects that are shared with the
    /// parent.
    virtual void become_child() noexcept = 0;

    virtual engine_counters counters() const noexcept = 0;
};

} // namespace asio_aio::detail
