// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "selection/engine_trial.hpp"

/// The part of the libaio engine that the table of engines uses, without libaio.
namespace asio_aio::detail {

/// Tries Linux AIO: set-up, submission with RWF_NOWAIT, wake-up, completion. The engine that the
/// result makes gets the context of the trial.
engine_trial try_libaio(const options& opts, trial_depth depth = trial_depth::with_operations);

} // namespace asio_aio::detail
