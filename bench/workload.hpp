// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "option_set.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

/// The task: the same for every contestant.
struct workload {
    std::string operation = "read"; ///< read, write or mixed.
    unsigned read_percent = 70;     ///< Per cent of reads, if mixed.
    bool appends = false;           ///< Writes follow each other in one file. Not an option.
    bool direct = false;
    std::size_t block = 4096; ///< Bytes of one operation.
    unsigned depth = 1;       ///< Operations in flight for each thread.
    unsigned files = 1;
    unsigned threads = 1;
    std::uint64_t operations = 100'000;
    unsigned warm_up_percent = 5; ///< Per cent of the operations, not measured.
    std::string dir = "build/bench-data";
    std::uint64_t size_mib = 1024; ///< Of all files together.
    std::uint64_t seed = 1;
    bool latency = false;
    bool json = false;

    std::uint64_t warm_up() const { return operations * warm_up_percent / 100; }
    std::uint64_t file_bytes() const;
    bool writes() const { return operation != "read"; }

    /// `O_RDONLY` or `O_RDWR`, and `O_DIRECT` if `direct` is set.
    int open_flags() const;
};

/// Adds the options about data files and output, which every contestant and timer_delay has.
void add_data_options(option_set& options, workload& target);

/// Adds all options of a contestant that depend on the workload.
void add_workload_options(option_set& options, workload& target);

/// Throws `usage_error` if options do not fit together.
void check(const workload& wanted);

} // namespace bench
