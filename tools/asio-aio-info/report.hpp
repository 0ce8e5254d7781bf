// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What was found out, as plain data. Numbers are empty where the machine does not tell them.
namespace info {

struct host_report {
    std::string kernel;                             ///< As uname(2) has it, e.g. "6.1.0-18-amd64".
    std::string machine;                            ///< The same, e.g. "x86_64".
    std::optional<std::uint64_t> io_uring_disabled; ///< kernel.io_uring_disabled, since Linux 6.6.
    /// fs.aio-nr: requests that all Linux AIO contexts have room for.
    std::optional<std::uint64_t> aio_nr;
    std::optional<std::uint64_t> aio_max_nr;
    std::optional<std::uint64_t> memlock; ///< Soft limits; RLIM_INFINITY for no limit.
    std::optional<std::uint64_t> nofile;
    std::optional<std::uint64_t> seccomp; ///< The mode of this process: 0 none, 1 strict, 2 filter.
};

enum class place_kind { file, folder, block_device };

/// A path, and what its filesystem can do.
struct place_report {
    std::string path;
    place_kind kind = place_kind::file;
    std::string filesystem; ///< Its name; "0x…", the number of statfs(2), where there is none.
    std::optional<std::string> mount_point; ///< Empty where the kernel does not tell.
    /// Why no file can be made in a folder, or the file not be tried.
    std::string error;

    // Of the file, or of one made in the folder; empty where there is none.
    std::optional<int> direct_error; ///< The errno of opening it with O_DIRECT; 0 where that works.
    std::size_t memory_alignment = 0;
    /// Both 0: the kernel reports that the file has no direct I/O.
    std::size_t offset_alignment = 0;
    std::optional<int> nowait_error; ///< The errno of preadv2 with RWF_NOWAIT; 0 where that works.
};

/// What one engine did with the file.
struct engine_taste {
    asio_aio::backend engine = asio_aio::backend::thread_pool;
    /// Where it is another one, nothing was measured.
    asio_aio::backend served_by = asio_aio::backend::thread_pool;
    /// Why the engine failed since it was tried.
    std::string failure;
    std::uint64_t operations = 0;
    double per_second = 0;
    double median_us = 0;
    double p99_us = 0;
    /// Of one operation, user and system time of the whole process.
    double cpu_us = 0;
    std::uint64_t passed_to_pool = 0; ///< Operations that the engine did not take.
    std::string error;
};

struct taste_report {
    std::size_t block = 0; ///< Bytes of one read.
    unsigned in_flight = 0;
    unsigned seconds = 0;
    /// From the file's start, that reads are spread over: all, or what is kept in memory.
    std::uint64_t bytes = 0;
    bool temporary = false; ///< The file was made for it.
    bool direct = false;
    std::string why_buffered;
    std::string skipped; ///< Why nothing was measured.
    std::vector<engine_taste> engines;
};

struct report {
    std::vector<asio_aio::engine_report> engines;
    asio_aio::description choice;
    host_report host;
    std::optional<place_report> place;
    std::optional<taste_report> taste;
};

/// What the exit status says.
inline bool works_better_than_pool(const report& found) {
    for (const auto& each : found.engines)
        if (each.available && each.which != asio_aio::backend::thread_pool)
            return true;
    return false;
}

} // namespace info
