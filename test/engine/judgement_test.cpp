// SPDX-License-Identifier: BSL-1.0
// How each engine judges each result of the kernel, as a table.
#define BOOST_TEST_MODULE judgement
#include "engine/libaio/judge.hpp"
#include "engine/io_uring/judge.hpp"
#include "engine/thread_pool/judge.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/uio.h>
#include <cerrno>
#include <ostream>
#include <string>

namespace detail = asio_aio::detail;
using detail::judgement;
using detail::op_kind;
using detail::pass_reason;
using detail::verdict;

namespace asio_aio::detail {

std::ostream& operator<<(std::ostream& out, const judgement& what) {
    const char* names[] = {"finished", "retry", "proceed", "pass"};
    return out << names[int(what.what)] << ", result " << what.result << ", reason "
               << int(what.why);
}

} // namespace asio_aio::detail

namespace {

struct plain_operation final : detail::operation {
    explicit plain_operation(op_kind what) : operation(what, ends) {
        if (detail::is_transfer(what)) {
            iovecs = &all;
            iovec_count = 1;
        }
    }

    iovec all{nullptr, 100};

    static constexpr fates ends{
        [](operation&, operation*& owner) { owner = nullptr; }, [](operation&) noexcept {}};
};

/// What the judge gets in addition to the operation's kind and the result.
enum class circumstances {
    plain,
    cancelled,
    tried_again,
    short_of_end,
    with_options,
    with_priority
};

struct row {
    op_kind kind;
    circumstances how;
    int result;
    judgement expected;
};

template <typename Judge, std::size_t Count>
void check(const row (&table)[Count], Judge judge) {
    for (const row& each : table) {
        plain_operation op(each.kind);
        op.cancel_asked = each.how == circumstances::cancelled;
        op.tried_again = each.how == circumstances::tried_again;
        op.flags = each.how == circumstances::with_options ? RWF_DSYNC : 0;
        op.priority = each.how == circumstances::with_priority ? 1 << 13 : 0;
        BOOST_TEST_CONTEXT(
            "kind " << int(each.kind) << ", circumstances " << int(each.how) << ", result "
                    << each.result) {
            BOOST_TEST(
                judge(op, each.result, each.how == circumstances::short_of_end) == each.expected);
        }
    }
}

const judgement retry = judgement::retry(), proceed = judgement::proceed();
const judgement unsupported = judgement::pass(pass_reason::unsupported);
const judgement refused = judgement::pass(pass_reason::refused);
const judgement would_wait = judgement::pass(pass_reason::would_wait);

judgement finished(int result) {
    return judgement::finished(result);
}

} // namespace

BOOST_AUTO_TEST_CASE(io_uring_judges_completions) {
    using enum op_kind;
    using enum circumstances;
    const row table[] = {
        {read, plain, 100, finished(100)},
        {read, plain, 0, finished(0)},
        {read, plain, 40, finished(40)},
        {read, short_of_end, 40, proceed},
        {read, short_of_end, 0, finished(0)},
        {write, plain, 40, finished(40)},
        {read, plain, -EIO, finished(-EIO)},
        {read, cancelled, -EIO, finished(-EIO)},
        {read, cancelled, 40, finished(40)},
        {sync_all, plain, 0, finished(0)},
        // The submitting thread may have ended.
        {read, plain, -ECANCELED, retry},
        {read, plain, -EINTR, retry},
        {read, plain, -EFAULT, retry},
        {read, plain, -512, retry},
        {sync_all, plain, -EFAULT, finished(-EFAULT)},
        {read, tried_again, -ECANCELED, unsupported},
        {read, tried_again, -EFAULT, unsupported},
        {read, cancelled, -ECANCELED, finished(-ECANCELED)},
        {read, cancelled, -EINTR, finished(-ECANCELED)},
        // The ring refuses the operation.
        {read, plain, -EAGAIN, unsupported},
        {write, plain, -EBUSY, unsupported},
        {read, plain, -EOPNOTSUPP, refused},
        {write, plain, -EINVAL, refused},
        {sync_data, plain, -EINVAL, refused},
        {write, cancelled, -EAGAIN, finished(-ECANCELED)},
        {write, cancelled, -EINVAL, finished(-ECANCELED)},
        // The ring refuses an option.
        {write, with_options, -EOPNOTSUPP, unsupported},
        {write, with_options, -EINVAL, unsupported},
        {read, with_priority, -EPERM, unsupported},
        {read, plain, -EPERM, finished(-EPERM)},
        {write, with_options, -ENOSPC, finished(-ENOSPC)},
        {allocate, with_options, -EOPNOTSUPP, refused}, // its flags are no options
    };
    check(table, detail::judge_ring_completion);
}

BOOST_AUTO_TEST_CASE(libaio_judges_completions) {
    using enum op_kind;
    using enum circumstances;
    const row table[] = {
        {read, plain, 100, finished(100)},
        {read, plain, 40, finished(40)}, // at the end of the file
        {read, short_of_end, 40, proceed},
        {read, short_of_end, 0, proceed},
        {write, plain, 100, finished(100)},
        {write, plain, 40, proceed},
        {write, cancelled, 40, finished(40)},
        {read, cancelled, 40, finished(40)},
        {read, plain, -ENOSPC, finished(-ENOSPC)},
        {sync_all, plain, 0, finished(0)},
        {sync_all, plain, -EIO, finished(-EIO)},
        // The kernel would have waited.
        {read, plain, -EAGAIN, would_wait},
        {write, plain, -EBUSY, would_wait},
        {read, plain, -EINTR, would_wait},
        {read, plain, -EIO, would_wait},
        {sync_data, plain, -EAGAIN, would_wait},
        {read, cancelled, -EAGAIN, finished(-ECANCELED)},
        {read, cancelled, -EIO, finished(-ECANCELED)},
        // The filesystem refuses.
        {read, plain, -EINVAL, refused},
        {write, plain, -EOPNOTSUPP, refused},
        {sync_all, plain, -EINVAL, unsupported},
        {write, cancelled, -EOPNOTSUPP, finished(-ECANCELED)},
        {write, with_options, -EOPNOTSUPP, unsupported},
        {write, with_priority, -EINVAL, unsupported},
    };
    check(table, detail::judge_aio_completion);
}

BOOST_AUTO_TEST_CASE(libaio_judges_what_the_kernel_does_not_take) {
    using enum op_kind;
    using enum circumstances;
    const row table[] = {
        {read, plain, -EINVAL, refused},
        {write, plain, -EOPNOTSUPP, refused},
        {read, plain, -EIO, would_wait},
        {write, plain, -EBADF, would_wait},
        {sync_all, plain, -EINVAL, unsupported},
        {sync_data, plain, -EIO, unsupported},
        {read, cancelled, -EINVAL, finished(-ECANCELED)},
        {sync_all, cancelled, -EINVAL, finished(-ECANCELED)},
        {write, with_options, -EOPNOTSUPP, unsupported},
        {read, with_priority, -EPERM, unsupported},
        {read, plain, -EPERM, would_wait},
    };
    check(table, [](const detail::operation& op, int error, bool) {
        return detail::judge_aio_submission(op, error);
    });
}

BOOST_AUTO_TEST_CASE(the_pool_judges_system_calls) {
    using enum op_kind;
    using enum circumstances;
    const row table[] = {
        {read, plain, 100, finished(100)},
        {write, plain, 40, finished(40)},
        {write, plain, -ENOSPC, finished(-ENOSPC)},
        {read, plain, -EINTR, retry},
        {write, plain, -EAGAIN, retry},
        {sync_all, plain, -EBUSY, retry},
        {read, cancelled, -EINTR, finished(-ECANCELED)},
        {sync_all, cancelled, -EAGAIN, finished(-ECANCELED)},
        {read, cancelled, 100, finished(100)},
        {read, cancelled, -EIO, finished(-EIO)},
        {open, plain, -EBUSY, finished(-EBUSY)},
        {open, plain, -EINTR, finished(-EINTR)},
        {close, plain, -EINTR, finished(-EINTR)},
        {call, plain, -EBUSY, finished(-EBUSY)},
    };
    check(table, [](const detail::operation& op, int result, bool) {
        return detail::judge_call(op, result);
    });
}
