// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <liburing.h>
#include <sys/stat.h>
#include <cstddef>
#include <cstdint>

/// Encodes operations as submissions of io_uring.
namespace asio_aio::detail {

unsigned opcode_of(op_kind kind) noexcept;

/// True if a submission can express `op`; otherwise the pool performs it.
bool is_expressible(const operation& op) noexcept;

/// Fills in everything except the user_data.
/**
 * `status` receives the result of a `size` and must live until its completion. `registered` is the
 * number of buffers that are registered with the ring.
 */
void encode(
    io_uring_sqe* entry, const operation& op, struct statx* status,
    std::size_t registered) noexcept;

/// The bit of a kind in a set of kinds.
constexpr std::uint32_t bit_of(op_kind kind) noexcept {
    return std::uint32_t(1) << unsigned(kind);
}

} // namespace asio_aio::detail
