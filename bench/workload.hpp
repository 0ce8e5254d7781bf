// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "option_set.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

/// What every contestant is given to do.
struct workload {
    std::string operation = "read"; ///< read, write or mixed.
    unsigned read_percent = 70;     ///< Of a mixed workload.
    bool direct = false;
    std::size_t block = 4096; ///< Bytes of one operation.
    unsigned depth = 1;       ///< Operations in flight for each thread.
    unsigned files = 1;
    unsigned threads = 1;
    std::uint64_t operations = 100'000;
    unsigned warm_up_percent = 5; ///< Of the operations: done before the clock starts.
    std::string dir = "build/bench-data";
    std::uint64_t size_mib = 1024; ///< Of all files together.
    std::uint64_t seed = 1;
    bool latency = false;
    bool json = false;

    std::uint64_t warm_up() const { return operations * warm_up_percent / 100; }
    std::uint64_t file_bytes() const;
    bool writes() const { return operation != "read"; }

    /// `O_RDONLY` or `O_RDWR`, with `O_DIRECT` where it is wanted.
    int open_flags() const;
};

/// Where the data files are and how large: for every program of this folder.
void add_data_options(option_set& options, workload& target);

void add_workload_options(option_set& options, workload& target);

/// Throws `usage_error` where options that are right each by itself exclude each other.
void check(const workload& wanted);

} // namespace bench
