// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/basic_random_access_file_aio.hpp>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// A random-access file that takes any executor.
using random_access_file_aio = basic_random_access_file_aio<>;

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
