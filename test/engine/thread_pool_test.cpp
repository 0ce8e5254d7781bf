// SPDX-License-Identifier: BSL-1.0
// The thread pool as the only engine: no Asio, only poll(2).
#include "child.hpp"
#include "engine_fixture.hpp"

#include "core/priority_guard.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <string>
#include <thread>

using namespace test;
using detail::op_kind;
using detail::op_queue;

namespace {

detail::thread_pool_settings with_threads(unsigned max_threads, bool gated = false) {
    detail::thread_pool_settings settings;
    settings.max_threads = max_threads;
    if (gated)
        settings.perform = &gate::perform;
    return settings;
}

struct pool_fixture : engine_fixture {
    explicit pool_fixture(const detail::thread_pool_settings& settings)
        : engine_fixture(make_pool(settings)) {}

    explicit pool_fixture(unsigned max_threads = 4, bool gated = false)
        : pool_fixture(with_threads(max_threads, gated)) {}
};

/// Submits `count` operations of one kind in one batch.
std::deque<plain_operation> submit_many(engine_fixture& fixture, op_kind kind, int count) {
    std::deque<plain_operation> ops;
    op_queue batch;
    for (int i = 0; i != count; ++i) {
        fixture.prepare(ops.emplace_back(kind));
        batch.push(&ops.back());
    }
    fixture.engines.submit(batch);
    return ops;
}

/// The I/O priority of the calling thread; 0 if it has none.
long own_priority() {
    constexpr int of_thread = 1;
    const long found = ::syscall(SYS_ioprio_get, of_thread, 0);
    // Linux 5.10 reports a level for "none" as long as none was ever set
    return found >> detail::priority_class_shift == 0 ? 0 : found;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_thread_has_the_priority_of_a_transfer_and_then_its_own_again) {
    constexpr std::uint16_t idle = 3 << detail::priority_class_shift;
    constexpr std::uint16_t last = 2 << detail::priority_class_shift | 7;
    const long usual = own_priority();
    {
        const detail::priority_guard outer(last);
        BOOST_TEST(!outer.is_refused());
        BOOST_TEST(own_priority() == last);
        {
            const detail::priority_guard inner(idle);
            BOOST_TEST(own_priority() == idle);
        }
        BOOST_TEST(own_priority() == last);
        const detail::priority_guard none(0);
        BOOST_TEST(own_priority() == last);
        const detail::priority_guard invalid(7 << detail::priority_class_shift);
        BOOST_TEST(invalid.is_refused());
        BOOST_TEST(own_priority() == last);
    }
    BOOST_TEST(own_priority() == usual);
}

BOOST_AUTO_TEST_CASE(never_makes_more_threads_than_allowed) {
    gate stop;
    pool_fixture fixture(3, true);
    const auto ops = submit_many(fixture, op_kind::size, 20);
    BOOST_REQUIRE(stop.wait_for_arrivals(3));
    BOOST_TEST(fixture.engines.counters().threads == 3u);
    BOOST_TEST(stop.arrived().size() == 3u);
    stop.open();
    fixture.reap(20);
    BOOST_TEST(fixture.engines.counters().kernel_entries == 20u);
}

BOOST_AUTO_TEST_CASE(slow_operations_leave_half_of_the_threads_to_reads) {
    gate stop;
    pool_fixture fixture(4, true);
    const auto syncs = submit_many(fixture, op_kind::sync_data, 8);
    BOOST_REQUIRE(stop.wait_for_arrivals(2));
    plain_operation first(op_kind::size);
    plain_operation second(op_kind::size);
    fixture.prepare(first);
    fixture.prepare(second);
    fixture.submit({&first, &second});
    BOOST_REQUIRE(stop.wait_for_arrivals(4));
    const auto arrived = stop.arrived();
    BOOST_TEST(std::count(arrived.begin(), arrived.end(), op_kind::sync_data) == 2);
    BOOST_TEST(std::count(arrived.begin(), arrived.end(), op_kind::size) == 2);
    stop.open();
    fixture.reap(10);
}

BOOST_AUTO_TEST_CASE(a_pool_of_one_thread_serves_slow_operations_too) {
    pool_fixture fixture(1);
    plain_operation sync(op_kind::sync_all);
    fixture.prepare(sync);
    BOOST_TEST(fixture.perform(sync) == 0);
}

BOOST_AUTO_TEST_CASE(neither_slow_nor_fast_operations_starve) {
    pool_fixture fixture(1);
    std::deque<plain_operation> ops;
    op_queue batch;
    for (int i = 0; i != 200; ++i) {
        fixture.prepare(ops.emplace_back(i % 2 == 0 ? op_kind::sync_data : op_kind::size));
        batch.push(&ops.back());
    }
    fixture.engines.submit(batch);
    fixture.reap(200);
}

BOOST_AUTO_TEST_CASE(many_completions_cost_one_wake_up) {
    gate stop;
    pool_fixture fixture(4, true);
    const auto ops = submit_many(fixture, op_kind::size, 16);
    BOOST_REQUIRE(stop.wait_for_arrivals(4));
    stop.open();
    op_queue nothing_pending, done;
    fixture.engines.prepare_fork(nothing_pending, done); // waits until all are finished
    eventfd_t count = 0;
    BOOST_REQUIRE_EQUAL(::eventfd_read(fixture.engines.finished().descriptor(), &count), 0);
    BOOST_TEST(count == 1u);
    BOOST_TEST(done.size() == 16u);
}

BOOST_AUTO_TEST_CASE(a_queued_operation_is_cancelled_at_once_and_lets_go_of_its_file) {
    gate stop;
    pool_fixture fixture(1, true);
    plain_operation running(op_kind::size);
    plain_operation queued(op_kind::size);
    fixture.prepare(running);
    fixture.prepare(queued);
    fixture.submit({&running, &queued});
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    fixture.cancel(queued);
    fixture.reap(1); // while the gate still holds the other operation
    BOOST_TEST(queued.result == -ECANCELED);
    BOOST_TEST(!queued.file);
    stop.open();
    fixture.reap(1);
    BOOST_TEST(running.result == 0);
    BOOST_TEST(!running.is_cancelled());
}

BOOST_AUTO_TEST_CASE(a_cancellation_closes_no_descriptor_itself) {
    gate stop;
    pool_fixture fixture(1, true);
    plain_operation running(op_kind::size), queued(op_kind::size);
    fixture.prepare(running);
    const int fd = ::open(fixture.folder.file("other").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    BOOST_REQUIRE(fd != -1);
    queued.file = detail::file_ref::adopt(fd); // its only user
    fixture.submit({&running, &queued});
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    fixture.cancel(queued);
    BOOST_TEST(::fcntl(fd, F_GETFD) != -1); // close(2) may wait, so a pool thread calls it
    stop.open();
    fixture.reap(2);
    BOOST_TEST(queued.result == -ECANCELED);
    BOOST_TEST(::fcntl(fd, F_GETFD) == -1);
}

BOOST_AUTO_TEST_CASE(a_finished_operation_that_waits_for_the_close_of_its_file_keeps_its_result) {
    gate stop;
    pool_fixture fixture(1, true);
    plain_operation running(op_kind::size), written(op_kind::write);
    fixture.prepare(running);
    fixture.prepare(written);
    written.result = 4;
    written.become(detail::op_state::to_close);
    fixture.submit({&running, &written});
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    fixture.cancel(written);
    stop.open();
    fixture.reap(2);
    BOOST_TEST(written.result == 4);
    BOOST_TEST(!written.file);
}

BOOST_AUTO_TEST_CASE(cancelling_a_file_leaves_other_files_alone) {
    gate stop;
    pool_fixture fixture(1, true);
    plain_operation running(op_kind::size);
    plain_operation mine(op_kind::size);
    plain_operation other(op_kind::size);
    for (plain_operation* op : {&running, &mine, &other})
        fixture.prepare(*op);
    const int fd = ::open(fixture.folder.file("other").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    BOOST_REQUIRE(fd != -1);
    other.file = detail::file_ref::adopt(fd);
    fixture.submit({&running, &mine, &other});
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    fixture.cancel(fixture.file);
    fixture.reap(1);
    BOOST_TEST(mine.result == -ECANCELED);
    BOOST_TEST(running.is_cancelled()); // it still completes with its result
    stop.open();
    fixture.reap(2);
    BOOST_TEST(running.result == 0);
    BOOST_TEST(other.result == 0);
}

BOOST_AUTO_TEST_CASE(stopping_hands_back_what_is_queued_and_what_was_running) {
    gate stop;
    pool_fixture fixture(1, true);
    plain_operation running(op_kind::size);
    plain_operation queued(op_kind::size);
    fixture.prepare(running);
    fixture.prepare(queued);
    fixture.submit({&running, &queued});
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    std::thread opener([&] { stop.open(); });
    op_queue abandoned;
    fixture.engines.stop(abandoned);
    opener.join();
    BOOST_TEST(abandoned.size() == 2u);
    BOOST_TEST(fixture.engines.counters().threads == 0u);
    while (abandoned.pop()) {
    }
}

BOOST_AUTO_TEST_CASE(idle_threads_end_but_for_one) {
    const std::size_t threads_before = count_threads();
    detail::thread_pool_settings settings = with_threads(4, true);
    settings.idle_time = std::chrono::milliseconds(1);
    pool_fixture fixture(settings);
    for (int round = 0; round != 3; ++round) {
        gate stop;
        const auto ops = submit_many(fixture, op_kind::size, 3);
        BOOST_REQUIRE(stop.wait_for_arrivals(3));
        BOOST_TEST(fixture.engines.counters().threads == 3u);
        stop.open();
        fixture.reap(3);
        while (fixture.engines.counters().threads != 1) // the test's deadline bounds it
            std::this_thread::yield();
    }
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending); // ends the last thread, too
    BOOST_TEST(count_threads() == threads_before);
}

BOOST_AUTO_TEST_CASE(its_threads_receive_no_signals) {
    static std::atomic<bool> all_blocked;
    all_blocked = false;
    detail::thread_pool_settings settings;
    settings.perform = [](detail::operation& op) noexcept {
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        all_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGXFSZ) &&
            sigismember(&mask, SIGUSR1);
        return detail::posix_file::perform(op);
    };
    pool_fixture fixture(settings);
    plain_operation op(op_kind::size);
    fixture.prepare(op);
    fixture.perform(op);
    BOOST_TEST(all_blocked);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    BOOST_TEST(!sigismember(&mask, SIGUSR1)); // this thread has its own mask back
}

namespace {

std::atomic<int> repeats{0};
std::atomic<bool> answers{false};

/// A system call that fails with EAGAIN until `answers` is set.
int fail_with_eagain(detail::operation&) noexcept {
    if (answers)
        return 1;
    ++repeats;
    return -EAGAIN;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_child_does_not_perform_a_write_that_its_parent_repeats) {
    repeats = 0;
    answers = false;
    detail::thread_pool_settings settings = with_threads(2);
    settings.perform = &fail_with_eagain;
    pool_fixture fixture(settings);
    plain_operation write(op_kind::write);
    plain_operation read(op_kind::read);
    fixture.prepare(write);
    fixture.prepare(read);
    fixture.submit({&write, &read});
    while (repeats < 4)
        std::this_thread::yield();
    op_queue none, done;
    fixture.engines.prepare_fork(none, done);
    BOOST_TEST(done.empty());
    BOOST_TEST(fixture.engines.become_child() == 0); // as the child would; there is no child here
    answers = true;
    fixture.reap(2);
    BOOST_TEST(write.result == -ECANCELED);
    BOOST_TEST(read.result == 1);
}

// --- Hosts that refuse threads ---

namespace {

/// Forbids or allows this process, a child, to make threads from now on; false on failure.
bool allow_threads(bool allowed) {
    static const rlim_t most = [] {
        rlimit limit{};
        ::getrlimit(RLIMIT_NPROC, &limit);
        return limit.rlim_max;
    }();
    const rlimit limit{allowed ? most : 0, most};
    return ::setrlimit(RLIMIT_NPROC, &limit) == 0 &&
        (::geteuid() != 0 || ::setresuid(65534, 65534, 65534) == 0);
}

/// Runs `body(fixture)` in a child process whose pool cannot make threads. Fails unless the result
/// is 0.
template <typename Body>
void check_without_threads(std::chrono::milliseconds patience, Body body) {
    detail::thread_pool_settings settings;
    settings.thread_patience = patience;
    pool_fixture fixture(settings);
    const int status = in_child([&] { return allow_threads(false) ? body(fixture) : could_not; });
    if (status == could_not)
        return say_skipped("this user may not lower its limits");
    BOOST_TEST(status == 0);
}

constexpr auto no_patience = std::chrono::milliseconds(0);
constexpr auto long_patience = std::chrono::hours(1);

} // namespace

BOOST_AUTO_TEST_CASE(operations_wait_for_the_first_thread) {
    check_without_threads(long_patience, [](pool_fixture& fixture) {
        plain_operation ops[] = {
            plain_operation(op_kind::size), plain_operation(op_kind::sync_all)};
        op_queue done;
        for (plain_operation& op : ops) {
            fixture.prepare(op);
            fixture.submit({&op});
        }
        for (int turns = 5; turns != 0; --turns) {
            if (!fixture.wait_for_event()) // the pool asks for another turn of the loop
                return 1;
            fixture.engines.clear_wake_up();
            fixture.engines.reap(done);
        }
        if (!done.empty() || fixture.engines.counters().threads != 0)
            return 2;
        allow_threads(true);
        fixture.reap(done, 2);
        return ops[0].result == 0 && ops[1].result == 0 ? 0 : 3;
    });
}

BOOST_AUTO_TEST_CASE(a_new_operation_brings_the_first_thread_to_those_that_wait) {
    check_without_threads(long_patience, [](pool_fixture& fixture) {
        plain_operation early(op_kind::size), late(op_kind::size);
        fixture.prepare(early);
        fixture.prepare(late);
        fixture.submit({&early});
        allow_threads(true);
        fixture.submit({&late});
        if (fixture.engines.counters().threads == 0)
            return 1;
        fixture.reap(2);
        return early.result == 0 && late.result == 0 ? 0 : 2;
    });
}

BOOST_AUTO_TEST_CASE(operations_fail_when_no_thread_comes_for_long_and_none_is_lost) {
    check_without_threads(no_patience, [](pool_fixture& fixture) {
        plain_operation ops[] = {
            plain_operation(op_kind::size), plain_operation(op_kind::sync_all)};
        for (plain_operation& op : ops) {
            fixture.prepare(op);
            fixture.submit({&op});
        }
        fixture.reap(2);
        if (ops[0].result != -ENOMEM || ops[1].result != -ENOMEM || ops[0].file)
            return 1;
        allow_threads(true);
        plain_operation later(op_kind::size);
        fixture.prepare(later);
        return fixture.perform(later) == 0 ? 0 : 2;
    });
}

BOOST_AUTO_TEST_CASE(a_close_is_performed_when_no_thread_comes_for_long) {
    check_without_threads(no_patience, [](pool_fixture& fixture) {
        plain_operation last_user(op_kind::size), close(op_kind::close);
        const int number = fixture.file->descriptor();
        fixture.prepare(last_user);
        const int other = ::fcntl(number, F_DUPFD_CLOEXEC, 0);
        close.file = detail::file_ref::adopt(other);
        fixture.submit({&close});
        fixture.reap(1);
        if (close.result != 0 || ::fcntl(other, F_GETFD) != -1)
            return 1;
        fixture.file.reset(); // the operation is the last user now
        fixture.submit({&last_user});
        fixture.reap(1);
        return last_user.result == -ENOMEM && ::fcntl(number, F_GETFD) == -1 ? 0 : 2;
    });
}

BOOST_AUTO_TEST_CASE(an_operation_that_waits_for_a_thread_can_be_cancelled) {
    check_without_threads(long_patience, [](pool_fixture& fixture) {
        plain_operation op(op_kind::size);
        fixture.prepare(op);
        fixture.submit({&op});
        fixture.cancel(fixture.file);
        fixture.reap(1);
        return op.result == -ECANCELED ? 0 : 1;
    });
}

BOOST_AUTO_TEST_CASE(a_fork_does_not_wait_for_threads_for_ever) {
    check_without_threads(std::chrono::milliseconds(50), [](pool_fixture& fixture) {
        plain_operation op(op_kind::size);
        fixture.prepare(op);
        fixture.submit({&op});
        op_queue nothing_pending;
        fixture.prepare_fork(nothing_pending);
        fixture.reap(1);
        return op.result == -ENOMEM ? 0 : 1;
    });
}

BOOST_AUTO_TEST_CASE(a_pool_that_has_had_a_thread_works_where_no_other_can_be_made) {
    const int status = in_child([] {
        detail::thread_pool_settings settings;
        settings.idle_time = std::chrono::milliseconds(1);
        settings.thread_patience = no_patience;
        pool_fixture fixture(settings);
        plain_operation first(op_kind::size);
        fixture.prepare(first);
        if (fixture.perform(first) != 0)
            return 1;
        if (!allow_threads(false))
            return could_not;
        for (int i = 0; i != 20; ++i) {
            ::poll(nullptr, 0, 2); // longer than `idle_time`
            plain_operation op(op_kind::sync_all);
            fixture.prepare(op);
            if (fixture.perform(op) != 0)
                return 2;
        }
        return 0;
    });
    if (status == could_not)
        return say_skipped("this user may not lower its limits");
    BOOST_TEST(status == 0);
}

namespace {

bool starts_threads = true;
gate* first_call = nullptr;

/// The second thread cannot be started. Meanwhile the first one ends its call and is idle for
/// longer than `idle_time`.
int start_one(pthread_t& thread, void* (*entry)(void*), void* argument) noexcept {
    if (std::exchange(starts_threads, false))
        return detail::create_worker_thread(thread, entry, argument);
    first_call->open();
    constexpr int while_idle_ms = 50;
    ::poll(nullptr, 0, while_idle_ms);
    return EAGAIN;
}

} // namespace

BOOST_AUTO_TEST_CASE(the_only_thread_stays_while_another_one_is_being_started) {
    gate stop;
    first_call = &stop;
    starts_threads = true;
    detail::thread_pool_settings settings = with_threads(4, true);
    settings.idle_time = std::chrono::milliseconds(1);
    settings.start = &start_one;
    pool_fixture fixture(settings);
    plain_operation one(op_kind::size), other(op_kind::size);
    fixture.prepare(one);
    fixture.prepare(other);
    fixture.submit({&one});
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    fixture.submit({&other});
    BOOST_TEST(fixture.engines.counters().threads == 1u);
    fixture.reap(2);
}
