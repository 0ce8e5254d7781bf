// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"

#include <ostream>

namespace info {

/// For machines: one object and a newline.
/**
 * What is not known, or does not apply, is null; limits without a bound are the string "unlimited";
 * times are in microseconds, sizes in bytes. Engines are named as by `asio_aio::to_string`. Keys
 * are added, never changed.
 *
 *     version      of asio_aio exit_status  0 where an engine better than the pool works, else 1
 *     engines      [{name, available, errno, reason, remedy}], best first choice       {engine,
 *     source, origin, list: [name], passed_over: [as engines], error}; source is "code",
 *     "environment", "file" or "automatic" host         {kernel, machine, io_uring_disabled,
 *     aio_nr, aio_max_nr, memlock_bytes, nofile, seccomp} place        null without PATH; {path,
 *     kind, filesystem, mount_point, error, direct_io: {opens, errno, memory_alignment,
 *     offset_alignment}, nowait: {supported, errno}}; kind is "file", "folder" or "block_device";
 *     with an error, e.g. a folder that is read-only, what was not tried is null taste        null
 *     without PATH, with --seconds 0 and with an error of place; {block_bytes, in_flight, seconds,
 *     range_bytes, temporary_file, direct, why_buffered, skipped, engines: [{engine, served_by,
 *     operations, operations_per_second, median_us, p99_us, cpu_us_per_operation, passed_to_pool,
 *     error}]}; reads are spread over range_bytes from the file's start; the figures are null where
 *     another engine serves the file, or with an error
 */
void print_json(const report& found, std::ostream& out);

} // namespace info
