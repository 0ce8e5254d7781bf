// SPDX-License-Identifier: BSL-1.0
// The thread pool as an engine alone: no Asio, only poll(2).
#include "engine_fixture.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
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
        settings.before_call = &gate::pass;
    return settings;
}

/// A pool with settings that `options` do not have.
struct pool_fixture : engine_fixture {
    explicit pool_fixture(const detail::thread_pool_settings& settings)
        : engine_fixture([settings](const asio_aio::options&, detail::event& finished) {
              detail::engine_list list;
              list.push_back(std::make_unique<detail::thread_pool_engine>(settings, finished));
              return list;
          }) {}

    explicit pool_fixture(unsigned max_threads = 4, bool gated = false)
        : pool_fixture(with_threads(max_threads, gated)) {}
};

} // namespace

BOOST_AUTO_TEST_CASE(never_makes_more_threads_than_allowed) {
    gate stop;
    pool_fixture fixture(3, true);
    std::deque<plain_operation> ops;
    op_queue batch;
    for (int i = 0; i != 20; ++i) {
        fixture.prepare(ops.emplace_back(op_kind::size));
        batch.push(&ops.back());
    }
    fixture.engines.submit(batch);
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
    std::deque<plain_operation> syncs;
    op_queue batch;
    for (int i = 0; i != 8; ++i) {
        fixture.prepare(syncs.emplace_back(op_kind::sync_data));
        batch.push(&syncs.back());
    }
    fixture.engines.submit(batch);
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
    std::deque<plain_operation> ops;
    op_queue batch;
    for (int i = 0; i != 16; ++i) {
        fixture.prepare(ops.emplace_back(op_kind::size));
        batch.push(&ops.back());
    }
    fixture.engines.submit(batch);
    BOOST_REQUIRE(stop.wait_for_arrivals(4));
    stop.open();
    op_queue nothing_pending;
    fixture.engines.prepare_fork(nothing_pending); // waits until everything is done
    eventfd_t count = 0;
    BOOST_REQUIRE_EQUAL(::eventfd_read(fixture.engines.event_descriptor(), &count), 0);
    BOOST_TEST(count == 1u);
    op_queue done;
    fixture.engines.reap(done);
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
    fixture.reap(1); // while the other is still held
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
    BOOST_TEST(::fcntl(fd, F_GETFD) != -1); // close(2) may wait: a thread of the pool is to call it
    stop.open();
    fixture.reap(2);
    BOOST_TEST(queued.result == -ECANCELED);
    BOOST_TEST(::fcntl(fd, F_GETFD) == -1);
}

BOOST_AUTO_TEST_CASE(an_operation_that_is_there_to_have_its_file_closed_keeps_its_result) {
    gate stop;
    pool_fixture fixture(1, true);
    plain_operation running(op_kind::size), written(op_kind::write);
    fixture.prepare(running);
    fixture.prepare(written);
    written.result = 4;
    written.passed = detail::pass_reason::to_close;
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
    BOOST_TEST(running.is_cancelled()); // and completes with its result all the same
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

BOOST_AUTO_TEST_CASE(idle_threads_end) {
    const std::size_t threads_before = count_threads();
    detail::thread_pool_settings settings;
    settings.idle_time = std::chrono::milliseconds(1);
    pool_fixture fixture(settings);
    for (int round = 0; round != 3; ++round) {
        plain_operation op(op_kind::size);
        fixture.prepare(op);
        BOOST_TEST(fixture.perform(op) == 0);
        while (fixture.engines.counters().threads != 0) // the test's deadline bounds it
            std::this_thread::yield();
    }
    op_queue abandoned;
    fixture.engines.stop(abandoned);
    BOOST_TEST(count_threads() == threads_before);
}

BOOST_AUTO_TEST_CASE(its_threads_receive_no_signals) {
    static std::atomic<bool> all_blocked;
    all_blocked = false;
    detail::thread_pool_settings settings;
    settings.before_call = [](const detail::operation&) {
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        all_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGXFSZ) && sigismember(&mask, SIGUSR1);
    };
    pool_fixture fixture(settings);
    plain_operation op(op_kind::size);
    fixture.prepare(op);
    fixture.perform(op);
    BOOST_TEST(all_blocked);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    BOOST_TEST(!sigismember(&mask, SIGUSR1)); // the maker of the thread has its mask back
}

BOOST_AUTO_TEST_CASE(without_any_thread_operations_fail_and_none_is_lost) {
    pool_fixture fixture;
    const pid_t child = ::fork();
    if (child == 0) { // where the limits and the user may change
        const rlimit none{0, 0};
        if ((::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) || ::setrlimit(RLIMIT_NPROC, &none) != 0)
            ::_exit(77);
        plain_operation ops[] = {plain_operation(op_kind::size), plain_operation(op_kind::sync_all)};
        op_queue batch;
        for (plain_operation& op : ops) {
            fixture.prepare(op);
            batch.push(&op);
        }
        fixture.engines.submit(batch);
        op_queue done;
        fixture.engines.reap(done);
        const bool good = done.size() == 2 && ops[0].result == -ENOMEM && ops[1].result == -ENOMEM && !ops[0].file;
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return say_skipped("this user may not lower its limits");
    BOOST_TEST(status == 0);
    plain_operation later(op_kind::size);
    fixture.prepare(later);
    BOOST_TEST(fixture.perform(later) == 0);
}
