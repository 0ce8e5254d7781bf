// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/judge.hpp"

#include <cerrno>

namespace asio_aio::detail {

judgement judge_call(const operation& op, int result) noexcept {
    if (!is_to_be_repeated(op.kind, result))
        return judgement::finished(result);
    return op.is_cancelled() ? judgement::finished(-ECANCELED) : judgement::retry();
}

} // namespace asio_aio::detail
