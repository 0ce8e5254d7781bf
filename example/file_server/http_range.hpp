// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string_view>

namespace file_server {

struct byte_range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

enum class range_kind {
    whole,         ///< No range that this server serves: send the file whole.
    part,          ///< One range: 206.
    unsatisfiable, ///< The range begins behind the end: 416.
};

struct range_request {
    range_kind kind = range_kind::whole;
    byte_range range;
};

/// Reads the value of a Range field for a file of `size` bytes.
/**
 * One range in the unit `bytes` is served. Several ranges, another unit and a malformed value count
 * as no range at all, which RFC 9110 §14.2 allows: the client gets the whole file.
 */
range_request parse_range(std::string_view field, std::uint64_t size);

} // namespace file_server
