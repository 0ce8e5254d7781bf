// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "workload.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace bench {

/// Owns open descriptors.
class descriptors {
public:
    descriptors() = default;
    descriptors(const std::vector<std::string>& paths, int flags);
    descriptors(descriptors&&) = default;
    descriptors& operator=(descriptors&&) = delete;
    ~descriptors();

    int operator[](std::size_t i) const { return all_[i]; }

private:
    std::vector<int> all_;
};

/// The data files of a workload. The first program that needs them makes them; they are kept.
class data_files {
public:
    /// Makes files that are missing, and prepares the page cache.
    /**
     * A cached workload finds all data in the page cache, a direct workload none of it. For cached
     * writes, each block has been written once before.
     */
    explicit data_files(const workload& wanted);
    data_files(const data_files&) = delete;
    data_files& operator=(const data_files&) = delete;

    const std::vector<std::string>& paths() const { return paths_; }

    /// Opens all files with the flags of the workload.
    descriptors open() const { return {paths_, flags_}; }

    /// Writes dirty pages to the device, so that the next program does not wait for them.
    void write_back_all() const;

private:
    /// Prepares the page cache for one file.
    void settle(const std::string& path, const workload& wanted) const;
    void create(const std::filesystem::path& folder, const workload& wanted) const;

    std::vector<std::string> paths_;
    int flags_;
};

} // namespace bench
