// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <filesystem>
#include <string>
#include <type_traits>

namespace asio_aio {

/// A path for open(2), from any of the usual types. It refers to its argument, except after a
/// conversion: then it owns a copy.
class path_ref {
    template <typename Path>
    using if_converts = std::enable_if_t<
        std::is_convertible_v<const Path&, std::string> ||
            std::is_convertible_v<const Path&, std::filesystem::path>,
        int>;

public:
    path_ref(const char* path) noexcept : path_(path) {}
    path_ref(const std::string& path) noexcept
        : path_(path.c_str()), has_null_(path.find('\0') != path.npos) {}
    path_ref(const std::filesystem::path& path) noexcept : path_ref(path.native()) {}

    /// From a type that converts to a string or a filesystem path.
    template <typename Path, if_converts<Path> = 0>
    path_ref(const Path& path)
        : copy_(to_string(path)), path_(copy_.c_str()), has_null_(copy_.find('\0') != copy_.npos) {}

    path_ref(const path_ref&) = delete;
    path_ref& operator=(const path_ref&) = delete;

    const char* c_str() const noexcept { return path_; }

    /// True if the path contains a null character, so the kernel would see only its beginning.
    bool has_null() const noexcept { return has_null_; }

private:
    template <typename Path>
    static std::string to_string(const Path& path) {
        if constexpr (std::is_convertible_v<const Path&, std::string>)
            return path;
        else
            return static_cast<const std::filesystem::path&>(path).string();
    }

    std::string copy_;
    const char* path_;
    bool has_null_ = false;
};

} // namespace asio_aio
