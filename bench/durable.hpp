// SPDX-License-Identifier: BSL-1.0
// The ways in which writers append to one file and make each write durable before the next one. A
// place is a writer.
#pragma once

#include "contestant.hpp"

#include <string>

namespace bench {

/// asio_aio: `async_write_some_at`, then `async_sync_data`, with all writers on one thread.
void append_with_asio_aio(job& task, const std::string& engine);

/// pwrite(2), then fdatasync(2), with a thread for each writer.
void append_with_fdatasync(job& task);

/// pwritev2(2) with `RWF_DSYNC`, with a thread for each writer.
void append_with_rwf_dsync(job& task);

/// `uv_fs_write`, then `uv_fs_fdatasync`, with all writers in one loop.
void append_with_libuv(job& task);

/// Writes linked to fsyncs, with all writers on one ring.
void append_with_liburing(job& task);

} // namespace bench
