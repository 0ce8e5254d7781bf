// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "progress.hpp"
#include "report.hpp"
#include "subject.hpp"

#include <vector>

namespace info {

/// Reads `file` for `seconds` with each available engine.
taste_report take_taste(
    const subject& file, unsigned seconds, const std::vector<asio_aio::engine_report>& engines,
    progress& shown);

} // namespace info
