// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <unistd.h>

namespace file_server {

/// Owns a file descriptor.
class descriptor {
public:
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }

    int get() const noexcept { return fd_; }

private:
    int fd_ = -1;
};

} // namespace file_server
