// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/path_ref.hpp>

#include <string>
#include <utility>

namespace asio_aio::detail {

/// The path of an asynchronous call. It refers to the caller's path; a copy of it owns the path.
/**
 * A completion token that starts the call later copies the arguments. One that starts it at once
 * does not, so the path is not copied twice.
 */
class path_argument {
public:
    explicit path_argument(const path_ref& path) noexcept
        : path_(path.c_str()), has_null_(path.has_null()) {}

    path_argument(const path_argument& other)
        : copy_(other.path_), path_(copy_.c_str()), has_null_(other.has_null_) {}
    path_argument& operator=(const path_argument&) = delete;

    const char* c_str() const noexcept { return path_; }
    bool has_null() const noexcept { return has_null_; }

private:
    const std::string copy_;
    const char* const path_;
    const bool has_null_;
};

} // namespace asio_aio::detail
