// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <liburing.h>
#include <sys/stat.h>
#include <cstddef>
#include <cstdint>

/// How each kind of operation is told to the kernel.
namespace asio_aio::detail {

unsigned opcode_of(op_kind kind) noexcept;

/// Whether a submission can say what `op` wants; the rest is the pool's.
bool is_expressible(const operation& op) noexcept;

/// Fills in all but the user_data. `status` takes the answer of a `size`, and must live until its
/// completion; `registered` is the number of buffers that the ring knows.
void encode(
    io_uring_sqe* entry, const operation& op, struct statx* status,
    std::size_t registered) noexcept;

/// The bit of a kind in a set of kinds.
constexpr std::uint32_t bit_of(op_kind kind) noexcept {
    return std::uint32_t(1) << unsigned(kind);
}

} // namespace asio_aio::detail
