// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/judge.hpp"

#include <cerrno>

namespace asio_aio::detail {
namespace {

/// True for results with which the kernel ends operations whose submitting thread has exited (Linux
/// 5.10 to 7.3). The kernel did not perform them, although nobody requested a cancellation.
bool may_be_orphaned(op_kind kind, int result) noexcept {
    // the kernel's internal ERESTARTSYS: the result of an interrupted operation
    constexpr int restart = 512;
    return result == -ECANCELED || result == -EINTR || result == -restart ||
        (result == -EFAULT && is_transfer(kind));
}

/// True for results with which the kernel may refuse an option of a transfer.
bool may_refuse_option(const operation& op, int result) noexcept {
    return op.has_options() && (result == -EOPNOTSUPP || result == -EINVAL || result == -EPERM);
}

/// True for results that concern the kernel's queue and not the file. A system call on a thread may
/// succeed, or returns the true error.
bool is_refusal(int result) noexcept {
    return result == -EAGAIN || result == -EBUSY || result == -EOPNOTSUPP || result == -EINVAL;
}

} // namespace

judgement judge_ring_completion(const operation& op, int result, bool short_of_end) noexcept {
    const bool orphaned = may_be_orphaned(op.kind, result);
    const bool refused = is_refusal(result);
    if (op.is_cancelled() && (orphaned || refused))
        return judgement::finished(-ECANCELED);
    if (orphaned && !op.tried_again)
        return judgement::retry();
    // another thread has exited, the kernel cannot make a worker, or the error is true
    if (orphaned)
        return judgement::pass(pass_reason::unsupported);
    if (may_refuse_option(op, result)) // the pool drops a hint, or gets the same error
        return judgement::pass(pass_reason::unsupported);
    if (refused) {
        const bool by_file = result == -EOPNOTSUPP || result == -EINVAL;
        return judgement::pass(by_file ? pass_reason::refused : pass_reason::unsupported);
    }
    if (result > 0 && short_of_end && !op.is_cancelled())
        return judgement::proceed();
    return judgement::finished(result);
}

} // namespace asio_aio::detail
