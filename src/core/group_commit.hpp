// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/backlog.hpp"

#include <asio_aio/detail/core/op_queue.hpp>

#include <cstdint>

namespace asio_aio::detail {

/// Lets concurrent syncs of one file share flushes.
/**
 * One sync at a time, the leader, performs a flush. A flush serves the syncs that were started
 * before it began: it covers every write that had completed when they were started. Later syncs wait
 * for the next flush. Everyone whom a flush serves gets its result. If the leader is cancelled
 * before the flush was performed, another sync leads.
 *
 * A flush that fails fails all syncs that wait, also those that it does not serve. It may have
 * written data that they cover, and the kernel reports an error only once: the next flush would
 * succeed, although the data is lost.
 *
 * `sync_all` covers `sync_data`. So a flush is a `sync_all` if one of the syncs that it serves is.
 *
 * Two files of one inode have flushes of their own, because the kernel reports a failed write-back
 * to each open file. Not synchronised: the scheduler's mutex guards this object.
 */
class group_commit {
public:
    group_commit() noexcept : waiting_(waiting_at::flush) {}

    /// A sync was started. Returns true if it leads: the caller submits it. Otherwise it waits here.
    bool start(operation& sync) noexcept;

    /// The caller submits this batch now; `started` is the number of the last operation that was
    /// started. The flushes in the batch begin.
    void begin(const op_queue& batch, std::uint64_t started) noexcept;

    /// A flush has ended. Moves the other syncs that it served to the end of `served`, with their
    /// results. Returns the sync that leads the next flush, or null; the caller submits it.
    operation* end(operation& leader, op_queue& served) noexcept;

    /// True if `op` waits here.
    bool holds(const operation& op) const noexcept { return waiting_.holds(op); }

    /// Removes a sync that waits here, or all cancelled ones of a file.
    void remove(operation& sync) noexcept { waiting_.remove(sync); }
    void extract_cancelled(file_handle& file, op_queue& cancelled) noexcept {
        // A file that is being opened has no syncs, and its members are not for this thread.
        if (file.is_open() && file.flush())
            waiting_.extract_cancelled(file, cancelled);
    }

    void move_to(op_queue& all) noexcept { waiting_.move_to(all); }

    std::uint64_t syncs() const noexcept { return syncs_; }
    std::uint64_t flushes() const noexcept { return flushes_; }

private:
    void lead(operation& sync, flush_state& flush) noexcept;

    backlog waiting_;
    std::uint64_t about_to_begin_ = 0; ///< Leaders that have not begun.
    std::uint64_t syncs_ = 0, flushes_ = 0;
};

} // namespace asio_aio::detail
