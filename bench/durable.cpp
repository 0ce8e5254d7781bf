// SPDX-License-Identifier: BSL-1.0
// The contestant durable: writers append to one file, and each makes its write durable before it
// starts the next one.
#include "durable.hpp"

#include <functional>
#include <map>
#include <string>

namespace {

struct settings {
    std::string way = "asio_aio";
    std::string engine = "automatic";

    void add_to(bench::option_set& all) {
        all.word(
            "way", way, {"asio_aio", "pwrite_fdatasync", "rwf_dsync", "libuv", "liburing"},
            "how a write becomes durable");
        all.word(
            "engine", engine, {"automatic", "io_uring", "libaio", "thread_pool"},
            "engine of asio_aio");
    }
};

/// The ways that this program was built with.
std::map<std::string, std::function<void(bench::job&)>> all_ways(const settings& wanted) {
    return {
        {"asio_aio",
         [&wanted](bench::job& task) { bench::append_with_asio_aio(task, wanted.engine); }},
        {"pwrite_fdatasync", bench::append_with_fdatasync},
        {"rwf_dsync", bench::append_with_rwf_dsync},
#ifdef BENCH_HAS_LIBUV
        {"libuv", bench::append_with_libuv},
#endif
#ifdef BENCH_HAS_LIBURING
        {"liburing", bench::append_with_liburing},
#endif
    };
}

void check_writers(const bench::workload& wanted) {
    if (wanted.operation != "write")
        throw bench::usage_error("--operation: must be write");
    if (wanted.threads != 1 || wanted.files != 1)
        throw bench::usage_error(
            "--threads and --files: must be 1; --depth is the number of writers");
}

void run(bench::job& task, const settings& wanted) {
    check_writers(task.wanted);
    const auto ways = all_ways(wanted);
    const auto found = ways.find(wanted.way);
    if (found == ways.end())
        throw bench::cannot_run("built without " + wanted.way);
    // The preparation of the files left dirty pages, which the first syncs would write.
    task.files.write_back_all();
    task.notes = wanted.way;
    found->second(task);
}

bench::workload defaults() {
    bench::workload appends;
    appends.operation = "write";
    appends.appends = true;
    appends.operations = 10'000;
    appends.size_mib = 16;
    return appends;
}

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("Writers append to one file and make each write durable. --depth is "
                              "the number of writers. The file keeps its size: its blocks exist, "
                              "and after its end the writers go on at its start.");
    settings wanted;
    wanted.add_to(options);
    return bench::run_contestant(
        argc, argv, "durable", options, [&](bench::job& task) { run(task, wanted); }, defaults());
}
