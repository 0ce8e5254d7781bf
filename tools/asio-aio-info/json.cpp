// SPDX-License-Identifier: BSL-1.0
#include "json.hpp"

#include <nlohmann/json.hpp>

#include <sys/resource.h>

namespace info {
namespace {

using json = nlohmann::ordered_json;

template <typename T>
json or_null(const std::optional<T>& value) {
    return value ? json(*value) : json();
}

json or_null(const std::string& text) {
    return text.empty() ? json() : json(text);
}

json errno_or_null(int error) {
    return error == 0 ? json() : json(error);
}

json limit(const std::optional<std::uint64_t>& value) {
    return value == std::uint64_t(RLIM_INFINITY) ? json("unlimited") : or_null(value);
}

std::string name(asio_aio::backend which) {
    return std::string(to_string(which));
}

json engine_list(const std::vector<asio_aio::engine_report>& engines) {
    json list = json::array();
    for (const asio_aio::engine_report& each : engines)
        list.push_back(
            {{"name", name(each.which)},
             {"available", each.available},
             {"errno", errno_or_null(each.error)},
             {"reason", or_null(each.reason)},
             {"remedy", or_null(each.remedy)}});
    return list;
}

const char* source_name(asio_aio::choice_source source) {
    switch (source) {
    case asio_aio::choice_source::code: return "code";
    case asio_aio::choice_source::environment: return "environment";
    case asio_aio::choice_source::file: return "file";
    case asio_aio::choice_source::automatic: return "automatic";
    case asio_aio::choice_source::asio_config: return "asio_config";
    }
    return "unknown";
}

json choice_object(const asio_aio::description& choice) {
    json list = json::array();
    for (asio_aio::backend each : choice.choice)
        list.push_back(name(each));
    return {
        {"engine", choice.chosen ? json(name(*choice.chosen)) : json()},
        {"source", source_name(choice.source)},
        {"origin", choice.origin},
        {"list", list},
        {"passed_over", engine_list(choice.passed_over)},
        {"error", or_null(choice.error)}};
}

json host_object(const host_report& host) {
    return {
        {"kernel", or_null(host.kernel)},
        {"machine", or_null(host.machine)},
        {"io_uring_disabled", or_null(host.io_uring_disabled)},
        {"aio_nr", or_null(host.aio_nr)},
        {"aio_max_nr", or_null(host.aio_max_nr)},
        {"memlock_bytes", limit(host.memlock)},
        {"nofile", limit(host.nofile)},
        {"seccomp", or_null(host.seccomp)}};
}

const char* kind_name(place_kind kind) {
    switch (kind) {
    case place_kind::file: return "file";
    case place_kind::folder: return "folder";
    case place_kind::block_device: return "block_device";
    }
    return "unknown";
}

json direct_object(const place_report& place) {
    if (!place.direct_error)
        return {};
    return {
        {"opens", *place.direct_error == 0},
        {"errno", errno_or_null(*place.direct_error)},
        {"memory_alignment", place.memory_alignment},
        {"offset_alignment", place.offset_alignment}};
}

json nowait_object(const place_report& place) {
    if (!place.nowait_error)
        return {};
    return {{"supported", *place.nowait_error == 0}, {"errno", errno_or_null(*place.nowait_error)}};
}

json place_object(const place_report& place) {
    return {
        {"path", place.path},
        {"kind", kind_name(place.kind)},
        {"filesystem", place.filesystem},
        {"mount_point", or_null(place.mount_point)},
        {"error", or_null(place.error)},
        {"direct_io", direct_object(place)},
        {"nowait", nowait_object(place)}};
}

json figures_object(const engine_taste& one) {
    const auto figure = [&](auto value) { return one.operations == 0 ? json() : json(value); };
    return {
        {"engine", name(one.engine)},
        {"served_by", name(one.served_by)},
        {"operations", figure(one.operations)},
        {"operations_per_second", figure(one.per_second)},
        {"median_us", figure(one.median_us)},
        {"p99_us", figure(one.p99_us)},
        {"cpu_us_per_operation", figure(one.cpu_us)},
        {"passed_to_pool", figure(one.passed_to_pool)},
        {"error", or_null(one.error)}};
}

json taste_object(const taste_report& taste) {
    json engines = json::array();
    for (const engine_taste& each : taste.engines)
        engines.push_back(figures_object(each));
    return {
        {"block_bytes", taste.block},
        {"in_flight", taste.in_flight},
        {"seconds", taste.seconds},
        {"range_bytes", taste.bytes},
        {"temporary_file", taste.temporary},
        {"direct", taste.direct},
        {"why_buffered", or_null(taste.why_buffered)},
        {"skipped", or_null(taste.skipped)},
        {"engines", engines}};
}

} // namespace

void print_json(const report& found, std::ostream& out) {
    const json all{
        {"version", ASIO_AIO_INFO_VERSION},
        {"exit_status", works_better_than_pool(found) ? 0 : 1},
        {"engines", engine_list(found.engines)},
        {"choice", choice_object(found.choice)},
        {"host", host_object(found.host)},
        {"place", found.place ? place_object(*found.place) : json()},
        {"taste", found.taste ? taste_object(*found.taste) : json()}};
    // JSON must be UTF-8, and a path need not be: invalid bytes are replaced.
    out << all.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

} // namespace info
