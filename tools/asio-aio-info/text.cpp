// SPDX-License-Identifier: BSL-1.0
#include "text.hpp"

#include "page.hpp"

#include <sys/resource.h>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace info {
namespace {

constexpr char unknown[] = "–";

/// Separates groups of three digits.
std::string in_groups(std::string digits) {
    for (std::size_t i = std::min(digits.find('.'), digits.size()); i > 3; i -= 3)
        digits.insert(i - 3, " ");
    return digits;
}

std::string with_decimals(double number, int decimals) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, number);
    return in_groups(text);
}

std::string grouped(std::uint64_t number) {
    return in_groups(std::to_string(number));
}

std::string size_words(std::uint64_t bytes) {
    constexpr std::uint64_t kib = 1024;
    constexpr const char* units[] = {" bytes", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    for (; bytes % kib == 0 && bytes != 0 && unit != std::size(units) - 1; ++unit)
        bytes /= kib;
    return grouped(bytes) + units[unit];
}

std::string number_or_dash(const std::optional<std::uint64_t>& number) {
    return number ? std::to_string(*number) : unknown;
}

// --- Engines and choice ---

void print_engines(const report& found, page& out) {
    out.heading("Engines", works_better_than_pool(found) ? "" : "only the pool works");
    for (const asio_aio::engine_report& each : found.engines) {
        out.field(
            to_string(each.which), each.available ? "yes" : "no",
            each.available ? colour::good : colour::bad, each.reason);
        if (!each.remedy.empty())
            out.more("remedy: " + each.remedy);
    }
}

std::string list_words(const std::vector<asio_aio::backend>& engines) {
    std::string text;
    for (asio_aio::backend each : engines)
        text.append(text.empty() ? "" : ", ").append(to_string(each));
    return text;
}

void print_choice(const asio_aio::description& choice, page& out) {
    out.heading("Choice");
    if (choice.chosen)
        out.field(
            "a program gets", to_string(*choice.chosen), colour::good,
            choice.chosen == asio_aio::backend::libaio ? "for files opened with direct; "
                                                         "thread_pool serves the others"
                                                       : "");
    else
        out.field("a program gets", "an error", colour::bad, choice.error);
    out.field("chosen by", choice.origin.empty() ? unknown : choice.origin);
    if (!choice.choice.empty())
        out.field("best first", list_words(choice.choice));
}

// --- Host ---

std::string io_uring_disabled_words(const std::optional<std::uint64_t>& value) {
    constexpr const char* meanings[] = {
        "every process may use io_uring", "only kernel.io_uring_group and privileged processes may",
        "no process may"};
    if (!value || *value >= std::size(meanings))
        return number_or_dash(value);
    return std::to_string(*value) + ": " + meanings[*value];
}

std::string seccomp_words(const std::optional<std::uint64_t>& mode) {
    constexpr const char* meanings[] = {
        "no system call is filtered", "strict mode", "a filter may refuse system calls"};
    if (!mode || *mode >= std::size(meanings))
        return number_or_dash(mode);
    return std::to_string(*mode) + ": " + meanings[*mode];
}

std::string limit_words(
    const std::optional<std::uint64_t>& limit, std::string (*in_words)(std::uint64_t)) {
    if (!limit)
        return unknown;
    return *limit == RLIM_INFINITY ? "unlimited" : in_words(*limit);
}

void print_host(const host_report& host, page& out) {
    out.heading("Host");
    out.field(
        "kernel", host.kernel.empty() ? unknown : "Linux " + host.kernel + ", " + host.machine);
    out.field("kernel.io_uring_disabled", io_uring_disabled_words(host.io_uring_disabled));
    out.field(
        "fs.aio-nr",
        number_or_dash(host.aio_nr) + " of fs.aio-max-nr " + number_or_dash(host.aio_max_nr));
    out.field("RLIMIT_MEMLOCK", limit_words(host.memlock, size_words));
    out.field("RLIMIT_NOFILE", limit_words(host.nofile, grouped));
    out.field("seccomp", seccomp_words(host.seccomp));
}

// --- Path ---

const char* kind_words(place_kind kind) {
    switch (kind) {
    case place_kind::file: return "file";
    case place_kind::folder: return "folder";
    case place_kind::block_device: return "block device";
    }
    return unknown;
}

void print_direct(const place_report& place, page& out) {
    if (*place.direct_error != 0)
        out.field("O_DIRECT", "no", colour::bad, std::strerror(*place.direct_error));
    else if (place.offset_alignment == 0)
        out.field(
            "O_DIRECT", "no", colour::bad,
            "the kernel reports that this file supports no direct I/O");
    else
        out.field(
            "O_DIRECT", "yes", colour::good,
            "memory aligned to " + size_words(place.memory_alignment) + ", offset and length to " +
                size_words(place.offset_alignment));
}

/// Checks a name of /proc/self/mountinfo, for example "fuse.sshfs", or the number of statfs(2).
bool is_fuse(const std::string& filesystem) {
    return filesystem == "fuse" || filesystem.rfind("fuse.", 0) == 0 || filesystem == "fuseblk" ||
        filesystem == "virtiofs" || filesystem == "0x65735546";
}

/// What the library does on a filesystem that refuses RWF_NOWAIT.
/** See `options::inline_reads_without_nowait`. */
std::string without_nowait(const std::string& filesystem) {
    if (filesystem == "tmpfs" || filesystem == "ramfs")
        return "; all data is in memory, and reads need no engine";
    if (filesystem == "overlay")
        return "; reads of data that mincore(2) reports as resident need no engine";
    if (is_fuse(filesystem))
        return "; every read goes through thread_pool";
    return "; every read goes through an engine";
}

void print_nowait(const place_report& place, page& out) {
    if (*place.nowait_error == 0)
        out.field("RWF_NOWAIT", "yes", colour::good, "reads of cached data need no engine");
    else
        out.field(
            "RWF_NOWAIT", "no", colour::bad,
            std::strerror(*place.nowait_error) + without_nowait(place.filesystem));
}

void print_place(const place_report& place, page& out) {
    out.heading("Path", place.path);
    out.field("kind", kind_words(place.kind));
    out.field("filesystem", place.filesystem);
    out.field("mount point", place.mount_point.value_or(unknown));
    if (!place.error.empty())
        out.field("error", place.error, colour::bad);
    if (place.direct_error)
        print_direct(place, out);
    if (place.nowait_error)
        print_nowait(place, out);
}

// --- Measurement ---

std::string method_words(const taste_report& taste) {
    const std::string file = taste.temporary ? "a temporary file" : "the file";
    return "random reads of " + size_words(taste.block) + ", " + std::to_string(taste.in_flight) +
        " in flight, " + std::to_string(taste.seconds) + " s for each engine; " +
        size_words(taste.bytes) + " of " + file +
        (taste.direct ? ", with O_DIRECT" : ", from memory");
}

void print_figures(const engine_taste& one, page& out) {
    out.row(
        to_string(one.engine),
        {with_decimals(one.per_second, 0), with_decimals(one.median_us, 1),
         with_decimals(one.p99_us, 1), with_decimals(one.cpu_us, 2)});
    if (one.passed_to_pool != 0)
        out.more(grouped(one.passed_to_pool) + " reads were passed to thread_pool");
}

/// Which other engine serves the file, and why.
std::string other_engine_words(
    const engine_taste& one, const taste_report& taste, const place_report& place) {
    const std::string served = " are served by " + std::string(to_string(one.served_by));
    if (!one.failure.empty())
        return "all files" + served + " since the engine failed: " + one.failure;
    if (is_fuse(place.filesystem))
        return "files of " + place.filesystem + served;
    return (one.engine == asio_aio::backend::libaio && !taste.direct ? "buffered files"
                                                                     : "files like this one") +
        served;
}

void print_taste(const taste_report& taste, const place_report& place, page& out) {
    out.heading("Measurement");
    if (!taste.skipped.empty())
        return out.field("not measured", taste.skipped);
    out.field("method", method_words(taste));
    if (!taste.direct)
        out.field("why not direct", taste.why_buffered);
    out.row("", {"reads/s", "median µs", "p99 µs", "CPU µs/read"}, colour::faint);
    for (const engine_taste& each : taste.engines) {
        if (!each.error.empty())
            out.field(to_string(each.engine), "failed", colour::bad, each.error);
        else if (each.served_by != each.engine)
            out.field(to_string(each.engine), other_engine_words(each, taste, place));
        else
            print_figures(each, out);
    }
}

} // namespace

void print_text(const report& found, bool coloured, std::ostream& to) {
    page out(to, coloured);
    print_engines(found, out);
    print_choice(found.choice, out);
    print_host(found.host, out);
    if (found.place)
        print_place(*found.place, out);
    if (found.place && found.taste)
        print_taste(*found.taste, *found.place, out);
}

} // namespace info
