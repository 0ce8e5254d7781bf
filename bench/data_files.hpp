// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "workload.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace bench {

/// Descriptors that are closed at the end.
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

/// The files of a workload: made by the first program that needs them, as the workload wants to
/// find them.
class data_files {
public:
    /// Makes the files where they are missing. Brings them into the page cache, or out of it for a
    /// direct workload.
    /** Each block of a file that is written through the page cache has been written once before. */
    explicit data_files(const workload& wanted);
    data_files(const data_files&) = delete;
    data_files& operator=(const data_files&) = delete;

    const std::vector<std::string>& paths() const { return paths_; }

    /// Opens all of them as the workload wants them.
    descriptors open() const { return {paths_, flags_}; }

    /// Writes back what a workload has written, lest the next program pays for it.
    void write_back_all() const;

private:
    /// Brings one file into the page cache, or out of it.
    void settle(const std::string& path, const workload& wanted) const;
    void create(const std::filesystem::path& folder, const workload& wanted) const;

    std::vector<std::string> paths_;
    int flags_;
};

} // namespace bench
