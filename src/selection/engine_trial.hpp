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

/// How much of an engine is tried: what the kernel gives (a ring, a context) is made each time,
/// since it can run out.
enum class trial_depth : unsigned char {
    set_up, ///< Operations were seen to work in this process, with the same options.
    with_operations
};

/// What came of trying an engine.
struct engine_trial {
    engine_report report;
    engine_maker make; ///< Makes the engine of what was tried. Empty where it is not available.
};

} // namespace asio_aio::detail
