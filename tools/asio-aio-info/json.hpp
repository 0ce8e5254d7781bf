// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"

#include <ostream>

namespace info {

/// Prints the report as one JSON object and a newline.
/**
 * A value that is unknown or does not apply is null. A limit without a bound is the string
 * "unlimited". Times are in microseconds, sizes in bytes. Engines have the names of
 * `asio_aio::to_string`. Future versions may add keys, but change none.
 *
 *     version      the version of asio_aio
 *     exit_status  0 if an engine better than the pool works, else 1
 *     engines      [{name, available, errno, reason, remedy}], best first
 *     choice       {engine, source, origin, list: [name], passed_over: [as engines], error}
 *     host         {kernel, machine, io_uring_disabled, aio_nr, aio_max_nr, memlock_bytes, nofile,
 *                  seccomp}
 *     place        {path, kind, filesystem, mount_point, error,
 *                  direct_io: {opens, errno, memory_alignment, offset_alignment},
 *                  nowait: {supported, errno}}
 *     taste        {block_bytes, in_flight, seconds, range_bytes, temporary_file, direct,
 *                  why_buffered, skipped,
 *                  engines: [{engine, served_by, operations, operations_per_second, median_us,
 *                  p99_us, cpu_us_per_operation, passed_to_pool, error}]}
 *
 * - `choice.source` is "code", "environment", "file" or "automatic".
 * - `place` is null without PATH. `place.kind` is "file", "folder" or "block_device". With an
 *   `error`, for example of a read-only folder, what was not examined is null.
 * - `taste` is null without PATH, with `--seconds 0`, and with an error in `place`. Reads are
 *   spread over `range_bytes` from the start of the file. The figures are null with an error, and
 *   if another engine serves the file.
 */
void print_json(const report& found, std::ostream& out);

} // namespace info
