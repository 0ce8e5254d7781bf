// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <system_error>

namespace asio_aio::detail::path_calls {

/// Throws the error number of a system call.
[[noreturn]] inline void fail(int error = errno) {
    throw std::system_error(error, std::system_category());
}

/// Returns the answer of a system call; throws the error number of a call that failed.
inline int check(int answer) {
    if (answer == -1)
        fail();
    return answer;
}

} // namespace asio_aio::detail::path_calls
