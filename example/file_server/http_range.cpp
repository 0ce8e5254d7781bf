// SPDX-License-Identifier: BSL-1.0
#include "http_range.hpp"

#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace file_server {
namespace {

/// Parses a position of any number of digits. A larger one than the type holds becomes its maximum.
std::optional<std::uint64_t> parse_position(std::string_view digits) {
    std::uint64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto [stopped_at, error] = std::from_chars(digits.data(), end, value);
    if (digits.empty() || stopped_at != end || error == std::errc::invalid_argument)
        return std::nullopt;
    return error == std::errc::result_out_of_range ? std::numeric_limits<std::uint64_t>::max()
                                                   : value;
}

range_request last_bytes(std::string_view digits, std::uint64_t size) {
    const auto count = parse_position(digits);
    if (!count)
        return {};
    if (*count == 0)
        return {range_kind::unsatisfiable, {}};
    // A suffix of an empty file is the whole file, which Content-Range cannot express.
    if (size == 0)
        return {};
    const auto length = std::min(*count, size);
    return {range_kind::part, {size - length, length}};
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == text.npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

} // namespace

range_request parse_range(std::string_view field, std::uint64_t size) {
    const auto equals = field.find('=');
    if (equals == field.npos || !iequals(field.substr(0, equals), "bytes"))
        return {};
    const auto range = trimmed(field.substr(equals + 1));
    const auto dash = range.find('-');
    if (dash == range.npos)
        return {};
    if (dash == 0)
        return last_bytes(range.substr(1), size);

    const auto first = parse_position(range.substr(0, dash));
    const bool to_the_end = dash + 1 == range.size();
    const auto last = to_the_end ? std::numeric_limits<std::uint64_t>::max()
                                 : parse_position(range.substr(dash + 1));
    if (!first || !last || *first > *last)
        return {};
    if (*first >= size)
        return {range_kind::unsatisfiable, {}};
    return {range_kind::part, {*first, std::min(*last, size - 1) - *first + 1}};
}

} // namespace file_server
