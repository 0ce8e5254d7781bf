// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <poll.h>
#include <cerrno>

namespace asio_aio::detail::posix_file {

/// Returns the result of `call`, or -errno if `call` returned -1. Repeats the call while a signal
/// interrupts it.
template <typename Call>
int uninterrupted(Call call) noexcept {
    for (;;) {
        const auto result = call();
        if (result != -1)
            return int(result);
        const int error = errno;
        if (error != EINTR)
            return -error;
    }
}

/// Returns the result of `step`, which is -errno after an error. Waits and calls it again while it
/// returns -EAGAIN or -EBUSY.
template <typename Step>
int until_ready(Step step) noexcept {
    for (;;) {
        const int result = step();
        if (result != -EAGAIN && result != -EBUSY)
            return result;
        // poll(2) cannot wait for the file: a regular file is always ready
        constexpr int pause_ms = 1;
        ::poll(nullptr, 0, pause_ms);
    }
}

} // namespace asio_aio::detail::posix_file
