// SPDX-License-Identifier: BSL-1.0
#include "record.hpp"

#include <boost/crc.hpp>
#include <boost/endian/conversion.hpp>

namespace write_ahead_log {
namespace {

namespace endian = boost::endian;

constexpr std::size_t checksum_at = 4;
constexpr std::size_t sequence_at = 8;

} // namespace

record_header load_header(const unsigned char* record) {
    return {
        endian::load_little_u32(record), endian::load_little_u32(record + checksum_at),
        endian::load_little_u64(record + sequence_at)};
}

std::uint32_t checksum_of(const unsigned char* record, std::size_t bytes) {
    boost::crc_32_type crc;
    crc.process_bytes(record, checksum_at);
    crc.process_bytes(record + sequence_at, bytes - sequence_at);
    return crc.checksum();
}

void add_record(
    std::vector<unsigned char>& log, std::uint64_t sequence, asio::const_buffer payload) {
    const std::size_t begin = log.size();
    const std::size_t bytes = header_bytes + payload.size();
    log.resize(begin + bytes);
    unsigned char* const record = log.data() + begin;
    endian::store_little_u32(record, std::uint32_t(payload.size()));
    endian::store_little_u64(record + sequence_at, sequence);
    asio::buffer_copy(asio::buffer(record + header_bytes, payload.size()), payload);
    endian::store_little_u32(record + checksum_at, checksum_of(record, bytes));
}

} // namespace write_ahead_log
