// SPDX-License-Identifier: BSL-1.0
// Which worker of the pool is woken, watches or stays, where system calls hang and threads cannot be
// started.
#include "engine_fixture.hpp"
#include "stage.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <deque>
#include <iterator>
#include <random>
#include <thread>
#include <vector>

using namespace test;
using detail::op_kind;
using detail::op_queue;
using detail::operation;

namespace {

/// Starts threads as long as there are some left. Then a start waits until the test lets it fail.
std::atomic<int> starts_left{0};
std::atomic<bool> is_failing{false}, may_fail{true};

int start_some(pthread_t& thread, void* (*entry)(void*), void* argument) noexcept {
    if (starts_left-- > 0)
        return detail::create_worker_thread(thread, entry, argument);
    is_failing = true;
    while (!may_fail)
        std::this_thread::yield();
    return EAGAIN;
}

struct workers_fixture : engine_fixture {
    explicit workers_fixture(const detail::thread_pool_settings& settings)
        : engine_fixture(make_pool(settings)) {}

    /// Makes an operation that can be told by its offset.
    plain_operation& make(op_kind kind) {
        plain_operation& made = ops.emplace_back(kind);
        prepare(made);
        made.offset = ops.size() - 1;
        return made;
    }

    plain_operation& begin_stuck(stage& kernel, op_kind kind) {
        plain_operation& made = make(kind);
        const std::size_t before = kernel.begun().size();
        kernel.hold(made);
        submit({&made});
        kernel.wait_for_begun(before + 1);
        return made;
    }

    std::deque<plain_operation> ops;
};

detail::thread_pool_settings with_starts(int count, unsigned max_threads) {
    starts_left = count;
    is_failing = false;
    may_fail = true;
    detail::thread_pool_settings settings = staged(max_threads);
    settings.processors = 1; // one worker at a time performs reads
    settings.start = &start_some;
    return settings;
}

} // namespace

BOOST_AUTO_TEST_CASE(an_idle_worker_watches_after_a_thread_could_not_be_started) {
    stage kernel;
    workers_fixture fixture(with_starts(3, 8));
    for (int i = 0; i != 3; ++i)
        fixture.begin_stuck(kernel, op_kind::sync_all);
    fixture.submit({&fixture.make(op_kind::sync_all)});
    BOOST_TEST(is_failing);
    kernel.let_go();
    fixture.reap(4);
    fixture.begin_stuck(kernel, op_kind::read);
    fixture.submit({&fixture.make(op_kind::read)});
    fixture.reap(1); // somebody noticed that the other read hangs
    BOOST_TEST(fixture.ops.back().result == 1);
    kernel.let_go();
    fixture.reap(1);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_is_called_when_the_thread_that_was_to_come_cannot_be_started) {
    stage kernel;
    workers_fixture fixture(with_starts(2, 8));
    may_fail = false;
    fixture.begin_stuck(kernel, op_kind::sync_all);
    plain_operation& second = fixture.begin_stuck(kernel, op_kind::sync_all);
    plain_operation& third = fixture.make(op_kind::sync_all);
    plain_operation& fourth = fixture.make(op_kind::sync_all);
    std::thread starter([&] { fixture.submit({&third}); });
    while (!is_failing)
        std::this_thread::yield();
    kernel.let_go(second);
    fixture.reap(2);           // its worker has also performed the third
    fixture.submit({&fourth}); // nobody is called, because a thread is being started
    may_fail = true;
    starter.join();
    fixture.reap(1);
    BOOST_TEST(fourth.result == 1);
    kernel.let_go();
    fixture.reap(1);
}

BOOST_AUTO_TEST_CASE(workers_that_are_busy_notice_one_that_hangs) {
    stage kernel;
    detail::thread_pool_settings settings = staged(2);
    settings.processors = 1; // one worker at a time reads
    workers_fixture fixture(settings);
    fixture.begin_stuck(kernel, op_kind::read);
    plain_operation& waiting = fixture.make(op_kind::read);
    // The other worker is never idle: each sync that has ended is submitted again.
    op_queue batch;
    for (int i = 0; i != 4; ++i)
        batch.push(&fixture.make(op_kind::sync_all));
    batch.push(&waiting);
    fixture.engines.submit(batch);
    for (bool has_ended = false; !has_ended;) {
        op_queue done;
        fixture.reap(done, 1);
        while (operation* op = done.pop()) {
            has_ended = has_ended || op == &waiting;
            if (op == &waiting)
                continue;
            auto& again = static_cast<plain_operation&>(*op);
            again.renew();
            fixture.prepare(again);
            batch.push(&again);
        }
        fixture.engines.submit(batch);
    }
    kernel.let_go();
    fixture.reap(5);
}

BOOST_AUTO_TEST_CASE(a_cancelled_operation_that_closes_its_file_waits_for_no_other) {
    stage kernel;
    workers_fixture fixture(staged(2)); // one worker for slow operations
    fixture.begin_stuck(kernel, op_kind::sync_all);
    for (const bool by_file : {false, true}) {
        plain_operation resize(op_kind::resize);
        const int number = ::fcntl(fixture.file->descriptor(), F_DUPFD_CLOEXEC, 0);
        resize.file = detail::file_ref::adopt(number);
        detail::file_handle& file = *resize.file.operator->();
        fixture.submit({&resize});
        if (by_file) {
            file.cancel_before(1);
            fixture.engines.cancel(file);
        } else {
            fixture.cancel(resize);
        }
        fixture.reap(1);
        BOOST_TEST(resize.result == -ECANCELED);
        BOOST_TEST(::fcntl(number, F_GETFD) == -1);
    }
    kernel.let_go();
    fixture.reap(1);
}

namespace {

std::atomic<unsigned> calls{0};

/// Some calls take longer than others, and some have to be repeated.
int perform_somehow(operation&) noexcept {
    const unsigned number = ++calls;
    if (number % 50 == 0)
        ::usleep(number % 3000);
    return number % 97 == 3 ? -EAGAIN : 1;
}

} // namespace

BOOST_AUTO_TEST_CASE(no_operation_is_lost_whatever_happens_to_workers) {
    std::mt19937 random(13);
    const auto below = [&](unsigned n) { return unsigned(random() % n); };
    constexpr op_kind kinds[] = {
        op_kind::read, op_kind::write, op_kind::write, op_kind::sync_data, op_kind::resize};
    for (int round = 0; round != 30; ++round) {
        detail::thread_pool_settings settings = with_starts(int(1 + below(8)), 1 + below(8));
        settings.perform = &perform_somehow;
        settings.idle_time = std::chrono::milliseconds(1 + below(5));
        settings.slow_from = std::chrono::microseconds(below(60));
        settings.processors = 1 + below(3);
        workers_fixture fixture(settings);
        std::vector<detail::file_ref> files;
        for (const char* name : {"file", "file", "other", "third"}) // two of one inode
            files.push_back(detail::file_ref::adopt(
                ::open(fixture.folder.file(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
        std::size_t ended = 0;
        for (int batch_number = 0; batch_number != 50; ++batch_number) {
            op_queue batch, done;
            for (unsigned left = 1 + below(20); left != 0; --left) {
                plain_operation& op = fixture.make(kinds[below(std::size(kinds))]);
                op.file = files[below(unsigned(files.size()))];
                batch.push(&op);
            }
            fixture.engines.submit(batch);
            if (below(10) == 0)
                fixture.cancel(files[below(unsigned(files.size()))]);
            else if (below(3) == 0)
                fixture.cancel(fixture.ops[below(unsigned(fixture.ops.size()))]);
            fixture.engines.reap(done);
            for (; done.pop(); ++ended) {
            }
        }
        fixture.reap(fixture.ops.size() - ended);
        for (const plain_operation& op : fixture.ops)
            BOOST_REQUIRE((op.result == 1 || op.result == -ECANCELED));
    }
}
