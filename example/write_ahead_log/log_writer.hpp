// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "log_file.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>

#include <cstdint>
#include <memory>

namespace write_ahead_log {

/// Appends records to a log. Records of many coroutines share a write and a flush of the device.
/** Not thread-safe: call the members on the file's executor, which is one thread or a strand. */
class log_writer {
public:
    /// Takes a log from `open_log`, and what `recover` found in it.
    log_writer(file log, const recovery& found);

    /// Appends a record, and returns its sequence number when the record is on the device.
    /**
     * @param payload At most `max_payload` bytes, otherwise `std::length_error` is thrown. They are
     *                copied before the call waits.
     *
     * @par Errors
     * Throws the `boost::system::system_error` of the write or the sync. All later appends throw
     * the same error, because the state of the file is unknown until it is recovered: the kernel
     * reports a device error only once, and then a second sync would succeed. The record of an
     * append that failed may be in the log.
     *
     * @par Cancellation
     * Ends the wait. The record may be in the log.
     */
    asio::awaitable<std::uint64_t> append(asio::const_buffer payload);

private:
    struct state;
    std::shared_ptr<state> state_; // shared with the flush, which may outlive the writer
};

} // namespace write_ahead_log
