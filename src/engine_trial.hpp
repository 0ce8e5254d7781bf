// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/event.hpp>
#include <asio_aio/options.hpp>

#include <functional>
#include <memory>

namespace asio_aio::detail {

using engine_maker = std::function<std::unique_ptr<engine>(const options&, event&)>;

/// What came of trying an engine.
struct engine_trial {
    engine_report report;
    engine_maker make; ///< Empty where it is not available.
};

} // namespace asio_aio::detail
