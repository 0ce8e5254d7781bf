// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/judge.hpp"

#include <cerrno>

namespace asio_aio::detail {
namespace {

/// True for results with which the kernel ends operations whose submitting thread has ended (Linux
/// 5.10 to 7.3). Such an operation was not performed, and nobody asked for that.
bool may_be_orphaned(op_kind kind, int result) noexcept {
    // the kernel's ERESTARTSYS, which an interrupted open of a FIFO ends in
    constexpr int restart = 512;
    return result == -ECANCELED || result == -EINTR || result == -restart ||
        (result == -EFAULT && is_transfer(kind));
}

/// True for results that concern the kernel's queue and not the file: a thread's system call can
/// perform the operation, or gets the true error. What open and close return is final.
bool is_refusal(op_kind kind, int result) noexcept {
    return (result == -EAGAIN || result == -EBUSY || result == -EOPNOTSUPP || result == -EINVAL) &&
        kind != op_kind::open && kind != op_kind::close;
}

} // namespace

judgement judge_ring_completion(const operation& op, int result, bool short_of_end) noexcept {
    if (op.kind == op_kind::close && result == -EINTR)
        return judgement::finished(0); // the number is free all the same
    const bool orphaned = may_be_orphaned(op.kind, result);
    const bool refused = is_refusal(op.kind, result);
    if (op.is_cancelled() && (orphaned || refused))
        return judgement::finished(-ECANCELED);
    if (orphaned && !op.tried_again)
        return judgement::retry();
    // another thread has ended, or the kernel can make no worker, or the error is true
    if (orphaned)
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
