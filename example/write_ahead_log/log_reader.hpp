// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "record.hpp"

#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace write_ahead_log {

using file = asio_aio::random_access_file_aio;

struct record {
    std::uint64_t sequence;
    asio::const_buffer payload;
};

/// Reads the records of a log in order, also while another process appends to it.
/**
 * One coroutine at a time may call the members. The payload of a record is valid until the next
 * call. Errors of reads are thrown as `boost::system::system_error`.
 */
class log_reader {
public:
    /// Starts at the first record of `log`, which starts with `file_mark` and outlives the reader.
    explicit log_reader(file& log) : log_(log) {}

    /// Returns the next record, or nothing if no valid record follows.
    /** A record that is written at the moment is not valid yet. A later call reads it again. */
    asio::awaitable<std::optional<record>> try_next();

    /// Returns the next record, and waits until there is one.
    /** The record may not be on the device yet. */
    asio::awaitable<record> next();

    /// The position after the last record that was returned, in bytes.
    std::uint64_t offset() const { return offset_; }

    std::uint64_t next_sequence() const { return next_sequence_; }

private:
    asio::awaitable<bool> fill(std::size_t wanted);
    asio::awaitable<std::size_t> find_record();
    void make_room(std::size_t wanted);

    const unsigned char* unread() const { return buffer_.data() + begin_; }

    file& log_;
    std::uint64_t offset_ = file_mark.size(); // of the byte at begin_
    std::uint64_t next_sequence_ = 1;
    std::vector<unsigned char> buffer_;
    // The bytes of buffer_ that were read from the file and not returned yet.
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

} // namespace write_ahead_log
