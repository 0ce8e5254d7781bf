// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <liburing.h>
#include <sys/stat.h>
#include <cstdint>

/// Encodes operations as submissions of io_uring.
namespace asio_aio::detail {

unsigned opcode_of(op_kind kind) noexcept;

/// True if a submission can express `op`; otherwise the pool performs it.
bool is_expressible(const operation& op) noexcept;

/// Fills in everything except the user_data.
/**
 * `status` receives the result of a `size` and must live until its completion. `buffer` is the
 * place of the registered buffer that contains the memory of a transfer, or -1.
 */
void encode(io_uring_sqe* entry, const operation& op, struct statx* status, int buffer) noexcept;

/// The bit of a kind in a set of kinds.
constexpr std::uint32_t bit_of(op_kind kind) noexcept {
    return std::uint32_t(1) << unsigned(kind);
}

} // namespace asio_aio::detail
