// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "selection/engine_trial.hpp"

/// What the table of engines needs of Linux AIO, without libaio.
namespace asio_aio::detail {

/// Does what the engine will do: set up, submit without waiting, be woken, reap. The engine that is
/// made of it has the very context that was tried.
engine_trial try_libaio(const options& opts, trial_depth depth = trial_depth::with_operations);

} // namespace asio_aio::detail
