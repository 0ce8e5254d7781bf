// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <libaio.h>

/// Encodes operations for io_submit(2).
namespace asio_aio::detail {

constexpr bool is_sync(op_kind kind) noexcept {
    return is_flush(kind);
}

/// Fills in everything except the user data. The completion raises `event_descriptor`.
void encode(iocb& entry, const operation& op, int event_descriptor) noexcept;

} // namespace asio_aio::detail
