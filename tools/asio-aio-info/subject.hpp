// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "descriptor.hpp"
#include "report.hpp"

#include <cstdint>
#include <string>

namespace info {

/// The file that is tried: the one that was given, or one made in the folder that was given.
/** What is made has no name, so nothing is left behind, whatever ends the program. */
class subject {
public:
    /// Opens `path` for reading. Throws `usage_error` where it does not exist, is of no use, or
    /// cannot be opened.
    explicit subject(const std::string& path);

    place_kind kind() const noexcept { return kind_; }

    /// The open file, or the folder, as long as no file was made in it.
    int descriptor_number() const noexcept { return open_.get(); }

    /// For a folder: makes the file and fills it with `bytes` of data that no filesystem can store
    /// as a hole.
    /** Throws `std::system_error` where that fails. */
    void make_file(std::uint64_t bytes);

    /// By which every engine opens the file: a made one through /proc, since it has no other name.
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
    place_kind kind_;
    descriptor open_;
};

} // namespace info
