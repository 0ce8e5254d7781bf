// SPDX-License-Identifier: BSL-1.0
#include "engine/libaio/judge.hpp"

#include <cerrno>
#include <cstddef>

namespace asio_aio::detail {
namespace {

/// True for results with which the kernel reports that it would have waited.
/**
 * Linux 4 may report EIO instead (scylladb issue 3996). After a true EIO the pool gets EIO as well.
 */
bool would_wait(op_kind kind, int result) noexcept {
    return result == -EAGAIN || result == -EBUSY || result == -EINTR ||
        (result == -EIO && is_transfer(kind));
}

bool is_refusal(int result) noexcept {
    return result == -EINVAL || result == -EOPNOTSUPP;
}

/// Why the pool performs an operation that the kernel refused.
/**
 * The kernel may have refused an option of a transfer. The pool then drops a hint, or gets the same
 * error. This says nothing about other operations on the file.
 */
pass_reason reason_of_refusal(const operation& op) noexcept {
    return is_transfer(op.kind) && !op.has_options() ? pass_reason::refused
                                                     : pass_reason::unsupported;
}

/// True if a transfer stopped early, and not at the end of the file.
bool is_unfinished(const operation& op, int result, bool short_of_end) noexcept {
    if (result < 0 || !is_transfer(op.kind) || std::size_t(result) == op.total_bytes())
        return false;
    return op.kind == op_kind::write || short_of_end;
}

} // namespace

judgement judge_aio_completion(const operation& op, int result, bool short_of_end) noexcept {
    const bool waits = would_wait(op.kind, result);
    if (op.is_cancelled())
        return judgement::finished(waits || is_refusal(result) ? -ECANCELED : result);
    if (waits)
        return judgement::pass(pass_reason::would_wait);
    if (is_refusal(result))
        return judgement::pass(reason_of_refusal(op));
    if (is_unfinished(op, result, short_of_end))
        return judgement::proceed();
    return judgement::finished(result);
}

judgement judge_aio_submission(const operation& op, int error) noexcept {
    if (op.is_cancelled())
        return judgement::finished(-ECANCELED);
    if (!is_transfer(op.kind))
        return judgement::pass(pass_reason::unsupported);
    if (is_refusal(error) || (error == -EPERM && op.priority != 0))
        return judgement::pass(reason_of_refusal(op));
    return judgement::pass(pass_reason::would_wait);
}

} // namespace asio_aio::detail
