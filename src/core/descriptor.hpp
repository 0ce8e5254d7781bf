// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <unistd.h>
#include <cerrno>
#include <utility>

namespace asio_aio::detail {

/// Owns a descriptor, or none (-1). The destructor leaves errno alone.
class descriptor {
public:
    explicit descriptor(int number = -1) noexcept : number_(number) {}
    descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~descriptor() {
        const int error = errno;
        if (number_ != -1)
            ::close(number_);
        errno = error;
    }

    explicit operator bool() const noexcept { return number_ != -1; }
    int get() const noexcept { return number_; }

private:
    int number_;
};

} // namespace asio_aio::detail
