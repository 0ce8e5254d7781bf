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
    whole,         ///< No range that this server supports: send the whole file.
    part,          ///< One range: 206.
    unsatisfiable, ///< The range begins after the end: 416.
};

struct range_request {
    range_kind kind = range_kind::whole;
    byte_range range;
};

/// Parses the value of a Range field for a file of `size` bytes.
/**
 * Supports one range in the unit `bytes`. Several ranges, another unit and a malformed value are
 * ignored, which RFC 9110 §14.2 allows: the client gets the whole file.
 */
range_request parse_range(std::string_view field, std::uint64_t size);

} // namespace file_server
