// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "descriptor.hpp"
#include "report.hpp"

#include <cstdint>
#include <string>

namespace info {

/// The file that is examined: the file at the path, or a file that is made in the folder there.
/** The file that is made has no name, so nothing is left behind when the program ends. */
class subject {
public:
    /// Opens `path` for reading.
    /** @throws usage_error if the path cannot be opened, or is not of a kind of `place_kind`. */
    explicit subject(const std::string& path);

    place_kind kind() const noexcept { return kind_; }

    /// The open file, or the open folder before make_file().
    int descriptor_number() const noexcept { return open_.get(); }

    /// Makes a file in the folder and fills it with `bytes` of random data.
    /** @throws std::system_error if that fails. */
    void make_file(std::uint64_t bytes);

    /// The path by which the engines open the file. A file without a name has a path in /proc.
    const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
    place_kind kind_;
    descriptor open_;
};

} // namespace info
