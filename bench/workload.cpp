// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "outcome.hpp"

#include <fcntl.h>

namespace bench {

namespace {

// The smallest logical sector of disks: O_DIRECT needs lengths that are a multiple of it.
constexpr std::size_t sector = 512;
constexpr std::uint64_t page = 4096;

} // namespace

std::uint64_t workload::file_bytes() const {
    return size_mib * 1024 * 1024 / files / page * page;
}

int workload::open_flags() const {
    return (writes() ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0);
}

void add_data_options(option_set& options, workload& target) {
    options.text("dir", target.dir, "folder of the data files, which are made once and kept");
    options.number("size", target.size_mib, 1, 1024 * 1024, "MiB of all files together");
    options.number("files", target.files, 1, 10'000, "number of files");
    options.number(
        "block", target.block, sector, 16 * 1024 * 1024,
        "bytes of one operation, a multiple of 512");
    options.number("seed", target.seed, 0, UINT64_MAX, "seed of the random offsets");
    options.flag("direct", target.direct, "open the files with O_DIRECT");
    options.flag("json", target.json, "print a JSON object instead of text");
}

void add_workload_options(option_set& options, workload& target) {
    options.word(
        "operation", target.operation, {"read", "write", "mixed"}, "kind of the operations");
    options.number(
        "read-percent", target.read_percent, 0, 100, "per cent of reads in a mixed workload");
    options.number("depth", target.depth, 1, 100'000, "operations in flight for each thread");
    options.number("threads", target.threads, 1, 64, "threads that start operations");
    options.number(
        "operations", target.operations, 1, 1'000'000'000'000,
        "operations of all threads together");
    options.number(
        "warm-up", target.warm_up_percent, 0, 90,
        "per cent of the operations that are not measured, at the start");
    options.flag(
        "latency", target.latency,
        "also measure the latency of each operation, which costs two clock readings");
    add_data_options(options, target);
}

void check(const workload& wanted) {
    if (wanted.block % sector != 0)
        throw usage_error(
            "--block: " + std::to_string(wanted.block) + " is not a multiple of " +
            std::to_string(sector));
    if (wanted.file_bytes() < wanted.block)
        throw usage_error(
            "--block: " + std::to_string(wanted.block) + " is more than the " +
            std::to_string(wanted.file_bytes()) +
            " bytes that --size and --files give to each file");
}

} // namespace bench
