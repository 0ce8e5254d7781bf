// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "selection/engine_trial.hpp"

/// The part of the io_uring engine that the table of engines uses, without liburing.
namespace asio_aio::detail {

/// Tries io_uring with the flags of `opts`: set-up, submission, wake-up, completion, cancellation.
/// The first engine that the result makes gets the ring of the trial.
engine_trial try_io_uring(const options& opts, trial_depth depth = trial_depth::with_operations);

} // namespace asio_aio::detail
