// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "selection/engine_trial.hpp"

/// What the table of engines needs of io_uring, without liburing.
namespace asio_aio::detail {

/// Does what the engine will do, with the flags of `opts`: set up, submit, be woken, reap, cancel.
/// The first engine that is made of it has the very ring that was tried.
engine_trial try_io_uring(const options& opts, trial_depth depth = trial_depth::with_operations);

} // namespace asio_aio::detail
