// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The report as plain data. An optional number is empty if the machine does not report it.
namespace info {

struct host_report {
    std::string kernel;  ///< The release of uname(2), e.g. "6.1.0-18-amd64".
    std::string machine; ///< The machine of uname(2), e.g. "x86_64".
    std::optional<std::uint64_t> io_uring_disabled; ///< kernel.io_uring_disabled, since Linux 6.6.
    /// fs.aio-nr: the places of all Linux AIO contexts of the system.
    std::optional<std::uint64_t> aio_nr;
    std::optional<std::uint64_t> aio_max_nr;
    std::optional<std::uint64_t> memlock; ///< Soft limit in bytes; RLIM_INFINITY: no limit.
    std::optional<std::uint64_t> nofile;  ///< Soft limit.
    std::optional<std::uint64_t> seccomp; ///< The mode of this process: 0 none, 1 strict, 2 filter.
};

enum class place_kind { file, folder, block_device };

/// A path, and what its filesystem supports.
struct place_report {
    std::string path;
    place_kind kind = place_kind::file;
    std::string filesystem; ///< Its name; if unknown, the number of statfs(2), "0x…".
    std::optional<std::string> mount_point; ///< Empty if unknown.
    /// Why no file can be made in the folder, or why the file cannot be examined.
    std::string error;

    // Of the file, or of the file that was made in the folder. Empty without a file.
    std::optional<int> direct_error; ///< The errno of opening it with O_DIRECT, or 0.
    std::size_t memory_alignment = 0;
    /// Both alignments are 0 if the kernel reports that the file has no direct I/O.
    std::size_t offset_alignment = 0;
    std::optional<int> nowait_error; ///< The errno of preadv2 with RWF_NOWAIT, or 0.
};

/// The measurement of one engine.
struct engine_taste {
    asio_aio::backend engine = asio_aio::backend::thread_pool;
    /// The engine that serves the file. If it is another one than `engine`, nothing was measured.
    asio_aio::backend served_by = asio_aio::backend::thread_pool;
    /// Why the engine failed after its trial.
    std::string failure;
    std::uint64_t operations = 0;
    double per_second = 0;
    double median_us = 0;
    double p99_us = 0;
    /// User and system time of the whole process, per operation.
    double cpu_us = 0;
    std::uint64_t passed_to_pool = 0; ///< Operations that the engine passed to the pool.
    std::string error;
};

/// A short measurement of all engines with one file.
struct taste_report {
    std::size_t block = 0; ///< Bytes of one read.
    unsigned in_flight = 0;
    unsigned seconds = 0;
    /// The range that is read, from the start of the file: the whole file, or what stays in memory.
    std::uint64_t bytes = 0;
    bool temporary = false; ///< The file was made for this.
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

/// True if io_uring or libaio works, which is exit status 0.
inline bool works_better_than_pool(const report& found) {
    for (const auto& each : found.engines)
        if (each.available && each.which != asio_aio::backend::thread_pool)
            return true;
    return false;
}

} // namespace info
