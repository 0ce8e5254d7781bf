// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// A log file starts with `file_mark`. Records follow it without gaps.
/**
 * A record, with little-endian numbers:
 *
 *     4 bytes   length of the payload
 *     4 bytes   CRC-32 of all other bytes of the record
 *     8 bytes   sequence number; the first record of a file has 1
 *     payload
 */
namespace write_ahead_log {

namespace asio = boost::asio;

/// The last character is the version of the format.
inline constexpr std::string_view file_mark = "AIO-WAL1";

inline constexpr std::size_t header_bytes = 16;

/// Bytes. Recovery allocates at most this much for a length that was not written whole.
inline constexpr std::size_t max_payload = std::size_t{16} << 20;

struct record_header {
    std::uint32_t length; ///< Bytes of the payload.
    std::uint32_t checksum;
    std::uint64_t sequence;
};

/// Reads the header from `header_bytes` bytes.
record_header load_header(const unsigned char* record);

/// Returns the checksum that a record of `bytes` bytes, header included, should have.
std::uint32_t checksum_of(const unsigned char* record, std::size_t bytes);

/// Appends a record to `log`. The payload has at most `max_payload` bytes.
void add_record(
    std::vector<unsigned char>& log, std::uint64_t sequence, asio::const_buffer payload);

} // namespace write_ahead_log
