// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>

namespace info {

/// The choice of a context without `configure`: opens a file on such a context.
asio_aio::description find_choice();

} // namespace info
