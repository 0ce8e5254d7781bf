// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "log_reader.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <string>

/// Errors of all functions are thrown, those of the system as `boost::system::system_error`.
namespace write_ahead_log {

enum class open_mode { create, existing };

/// Opens a log for recovery and appends, and locks it against other processes.
/**
 * With `open_mode::create` a missing file is made. The file and its name are then on the device.
 * Fails if the file is no log, or if another process holds the lock for five seconds.
 */
asio::awaitable<file> open_log(std::string path, open_mode mode);

/// Opens a log for a `log_reader`. Waits while the process that makes the file is not ready.
asio::awaitable<file> open_to_follow(std::string path);

/// What `recover` found.
struct recovery {
    std::uint64_t next_sequence; ///< One more than the number of records.
    std::uint64_t end;           ///< The size of the log without the torn tail, in bytes.
    std::uint64_t torn_bytes;    ///< What was cut off at `end`.
};

/// Verifies all records of a log that `open_log` opened, and cuts the file after the last valid one.
/**
 * The torn tail starts at the first record that is incomplete, or whose checksum or sequence number
 * is wrong. The records that remain are on the device. A `log_reader` can then replay them.
 */
asio::awaitable<recovery> recover(file& log);

} // namespace write_ahead_log
