// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/direct_alignment.hpp>

namespace asio_aio::detail {

/// The file types that the library distinguishes.
enum class file_type : unsigned char { regular, block_device, other };

/// How the library finds out that a read will not wait for a disk.
enum class memory_test : unsigned char {
    no_wait,   ///< The kernel does, by RWF_NOWAIT, which a filesystem may refuse.
    mincore,   ///< By mincore(2) first, because overlayfs refuses RWF_NOWAIT.
    not_needed ///< The whole file is in memory, except for swap: tmpfs.
};

/// What the library found out when the file was opened.
struct file_traits {
    bool direct = false;         ///< Opened with O_DIRECT.
    bool writable = false;       ///< Opened for writing.
    bool appends = false;        ///< Opened with O_APPEND.
    bool syncs_writes = false;   ///< Opened with O_DSYNC or O_SYNC.
    bool needs_thread = false;   ///< The filesystem treats the kernel's queues differently.
    bool writes_at_once = false; ///< A ring performs buffered writes at once if they need not wait.
    bool knows_size = false;     ///< The kernel tells the size without waiting.
    file_type type = file_type::other;
    memory_test in_memory = memory_test::no_wait;
    direct_alignment required{1, 1}; ///< Powers of two; 1 if nothing is required or known.
};

} // namespace asio_aio::detail
