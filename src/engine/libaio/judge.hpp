// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/judgement.hpp"

namespace asio_aio::detail {

/// Judges the result of a completion. `short_of_end`: a read returned fewer bytes than the file has
/// there.
judgement judge_aio_completion(const operation& op, int result, bool short_of_end) noexcept;

/// Judges the error with which io_submit(2) refuses an operation.
judgement judge_aio_submission(const operation& op, int error) noexcept;

} // namespace asio_aio::detail
