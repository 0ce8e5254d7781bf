// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace asio_aio {

/// The classes of I/O priority (ioprio_set(2)).
enum class io_priority_class : unsigned char {
    unspecified, ///< The kernel derives the priority from the nice value of the thread.
    real_time,   ///< Before all others. Needs CAP_SYS_NICE or CAP_SYS_ADMIN.
    best_effort, ///< The default of processes without a priority of their own.
    idle         ///< Only while no other process needs the disk.
};

/// The I/O priority of one operation. Schedulers of the kernel that know no priorities ignore it.
struct io_priority {
    io_priority_class io_class = io_priority_class::unspecified;
    /// 0 (first) to 7 (last), in the classes `real_time` and `best_effort`; ignored in the others.
    unsigned level = 4;

    friend bool operator==(const io_priority& a, const io_priority& b) noexcept {
        return a.io_class == b.io_class && a.level == b.level;
    }
    friend bool operator!=(const io_priority& a, const io_priority& b) noexcept {
        return !(a == b);
    }
};

/// Options of single reads and writes; see `with` of the file classes.
/**
 * `sync_data`, `atomic` and `no_append` are promises. If the kernel or the filesystem cannot keep
 * one, the write fails with `operation_not_supported` and writes nothing. They concern writes; reads
 * ignore them. `uncached` and `priority` are hints. If the kernel or the filesystem refuses one, the
 * library drops it, counts it in `context_statistics::hints_dropped`, and performs the operation.
 */
struct transfer_options {
    /// A write completes when its data is on the device, as after `sync_data` (RWF_DSYNC, Linux
    /// 4.7).
    bool sync_data = false;
    /// The data does not stay in the page cache (RWF_DONTCACHE, Linux 6.14: ext4, XFS, block
    /// devices). Reads with this hint are not inline.
    bool uncached = false;
    /// After a crash the file contains all of a write or nothing of it (RWF_ATOMIC, Linux 6.11;
    /// direct I/O). The write needs one buffer, a length that is a power of two within
    /// `atomic_write_limits`, and an offset that is a multiple of the length.
    bool atomic = false;
    /// The write goes to its offset, although the file was opened with `append` (RWF_NOAPPEND,
    /// Linux 6.9).
    bool no_append = false;
    io_priority priority;

    friend bool operator==(const transfer_options& a, const transfer_options& b) noexcept {
        return a.sync_data == b.sync_data && a.uncached == b.uncached && a.atomic == b.atomic &&
            a.no_append == b.no_append && a.priority == b.priority;
    }
    friend bool operator!=(const transfer_options& a, const transfer_options& b) noexcept {
        return !(a == b);
    }
};

/// What the file's device can write atomically; zeros if it cannot, or if the kernel is older than
/// Linux 6.11 (statx(2), STATX_WRITE_ATOMIC).
struct atomic_write_range {
    std::size_t min_bytes = 0; ///< A power of two.
    std::size_t max_bytes = 0; ///< A power of two.
};

} // namespace asio_aio
