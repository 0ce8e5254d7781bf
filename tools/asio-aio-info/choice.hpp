// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>

namespace info {

/// What a context that nobody configured chooses here: one is made, and opens a file.
asio_aio::description find_choice();

} // namespace info
