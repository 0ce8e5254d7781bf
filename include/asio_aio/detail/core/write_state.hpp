// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <memory>

namespace asio_aio::detail {

class operation;
struct write_lane;

/// The flush of a file that is asked for or in progress; see `group_commit`.
struct flush_state {
    operation* leader = nullptr; ///< The sync that performs it; null if there is none.
    /// It serves the syncs that were started before the one with this number. 0: it has not begun,
    /// and serves every sync that is started before it begins.
    std::uint64_t serves_before = 0;
    bool wants_all = false;       ///< A sync that waits is a `sync_all`.
    operation* waiting = nullptr; ///< The first sync that waits for the next flush.
};

/// Names a file, as long as it is open somewhere.
struct inode_id {
    dev_t device;
    ino_t inode;

    friend bool operator==(const inode_id& a, const inode_id& b) noexcept {
        return a.device == b.device && a.inode == b.inode;
    }
};

/// What only a file needs that is written or flushed.
struct write_state {
    inode_id inode{};                 ///< If the file's buffered writes take turns.
    std::shared_ptr<write_lane> lane; ///< See `write_lanes`. The pool's mutex guards it.
    operation* waiting = nullptr;     ///< The first write that waits in the lane; guarded so, too.
    flush_state flush;                ///< The scheduler's mutex guards it.
};

} // namespace asio_aio::detail
