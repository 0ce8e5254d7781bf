// SPDX-License-Identifier: BSL-1.0
#include "conditional.hpp"

#include "http_date.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace file_server {
namespace {

enum class comparison {
    strong,
    weak,
};

/// True if `list`, which is "*" or entity tags separated by commas, contains the strong tag `etag`.
/** Ignores everything after a malformed tag. */
bool contains(std::string_view list, std::string_view etag, comparison how) {
    if (list == "*")
        return true;
    for (;;) {
        const auto start = list.find_first_not_of(", \t");
        if (start == list.npos)
            return false;
        list.remove_prefix(start);
        const bool weak = list.starts_with("W/");
        if (weak)
            list.remove_prefix(2);
        const auto end = list.starts_with('"') ? list.find('"', 1) : list.npos;
        if (end == list.npos)
            return false;
        if (list.substr(0, end + 1) == etag && (!weak || how == comparison::weak))
            return true;
        list.remove_prefix(end + 1);
    }
}

/// False if If-Match or If-Unmodified-Since name another version.
bool is_expected(const http::fields& request, const validators& file) {
    if (request.count(http::field::if_match) != 0)
        return contains(joined(request, http::field::if_match), file.etag, comparison::strong);
    const auto since = parse_http_date(request[http::field::if_unmodified_since]);
    return !since || file.last_modified <= *since;
}

} // namespace

validators make_validators(const asio_aio::file_status& status) {
    using std::chrono::floor;
    using std::chrono::seconds;
    std::array<char, 64> text{};
    const auto modified = status.modified.time_since_epoch(); // in nanoseconds
    const int size = std::snprintf(
        text.data(), text.size(), "\"%llx-%llx\"", static_cast<unsigned long long>(status.size),
        static_cast<unsigned long long>(modified.count()));
    return {
        std::string(text.data(), static_cast<std::size_t>(size)), floor<seconds>(modified).count()};
}

std::string joined(const http::fields& fields, http::field name) {
    std::string values;
    const auto [first, last] = fields.equal_range(name);
    for (auto field = first; field != last; ++field) {
        if (!values.empty())
            values += ", ";
        values += field->value();
    }
    return values;
}

precondition check_preconditions(const http::fields& request, const validators& file) {
    if (!is_expected(request, file))
        return precondition::failed;
    if (request.count(http::field::if_none_match) != 0) {
        if (contains(joined(request, http::field::if_none_match), file.etag, comparison::weak))
            return precondition::not_modified;
    } else if (const auto since = parse_http_date(request[http::field::if_modified_since])) {
        if (file.last_modified <= *since)
            return precondition::not_modified;
    }
    return precondition::passed;
}

bool may_replace(const http::fields& request, const std::optional<validators>& file) {
    if (!file)
        return request.count(http::field::if_match) == 0;
    return is_expected(request, *file) &&
        !contains(joined(request, http::field::if_none_match), file->etag, comparison::weak);
}

bool if_range_holds(const http::fields& request, const validators& file, std::time_t now) {
    if (request.count(http::field::if_range) == 0)
        return true;
    const auto value = joined(request, http::field::if_range);
    if (value.starts_with('"') || value.starts_with("W/"))
        return value == file.etag;
    // A date in seconds identifies one version only after that second has ended (RFC 9110
    // §8.8.2.2).
    const auto date = parse_http_date(value);
    return date && *date == file.last_modified && file.last_modified < now;
}

} // namespace file_server
