// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/judgement.hpp"

namespace asio_aio::detail {

/// Judges the result of a completion. `short_of_end`: a read returned fewer bytes than the file has
/// there.
judgement judge_ring_completion(const operation& op, int result, bool short_of_end) noexcept;

} // namespace asio_aio::detail
