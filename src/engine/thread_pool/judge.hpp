// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/judgement.hpp"

namespace asio_aio::detail {

/// Judges the result of a system call.
judgement judge_call(const operation& op, int result) noexcept;

} // namespace asio_aio::detail
