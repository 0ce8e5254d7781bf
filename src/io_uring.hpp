// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/event.hpp>
#include <asio_aio/options.hpp>

#include <memory>

/// What the table of engines needs of io_uring, without liburing.
namespace asio_aio::detail {

/// Does what the engine will do, with the flags of `opts`: set up, submit, be woken, reap.
engine_report probe_io_uring(const options& opts);

/// The engine; where the kernel refuses now what it allowed to the probe, everything goes to the pool.
std::unique_ptr<engine> make_io_uring(const options& opts, event& finished);

} // namespace asio_aio::detail
