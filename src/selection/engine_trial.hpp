// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/engine.hpp"
#include "core/event.hpp"

#include <asio_aio/backend.hpp>
#include <asio_aio/options.hpp>

#include <functional>
#include <memory>

namespace asio_aio::detail {

using engine_maker = std::function<std::unique_ptr<engine>(const options&, event&)>;

/// How much of an engine a trial covers. Each trial sets up a ring or a context, because the kernel
/// can run out of them.
enum class trial_depth : unsigned char {
    set_up, ///< The process saw operations work with the same options.
    with_operations
};

/// The result of the trial of an engine.
struct engine_trial {
    engine_report report;
    engine_maker make; ///< Makes the engine from what was tried. Empty if it is not available.
};

} // namespace asio_aio::detail
