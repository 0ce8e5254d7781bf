// SPDX-License-Identifier: BSL-1.0
// Buffered writes of one file take turns on the pool: no Asio, only poll(2).
#include "child.hpp"
#include "engine_fixture.hpp"
#include "stage.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>
#include <thread>
#include <vector>

using namespace test;
using detail::op_kind;
using detail::op_queue;
using detail::operation;

namespace {

struct lanes_fixture : engine_fixture {
    explicit lanes_fixture(const detail::thread_pool_settings& settings)
        : engine_fixture(make_pool(settings)) {
        other = open("other");
    }

    detail::file_ref open(const char* name) {
        const int fd = ::open(folder.file(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        BOOST_REQUIRE(fd != -1);
        return detail::file_ref::adopt(fd);
    }

    /// Makes a write. The offsets of writes are 0, 1, 2 and so on, in the order of this call.
    plain_operation& write_to(const detail::file_ref& where) {
        plain_operation& made = writes.emplace_back(op_kind::write);
        made.file = where;
        made.offset = writes.size() - 1;
        return made;
    }

    void submit_writes(const detail::file_ref& where, std::size_t count) {
        op_queue batch;
        for (std::size_t i = 0; i != count; ++i)
            batch.push(&write_to(where));
        engines.submit(batch);
    }

    /// Begins a write to `file` that the kernel holds.
    void begin_stuck_write(stage& kernel) {
        plain_operation& stuck = write_to(file);
        kernel.hold(stuck);
        submit({&stuck});
        kernel.wait_for_begun(writes.size());
    }

    detail::file_ref other;
    std::deque<plain_operation> writes;
};

std::vector<std::uint64_t> from_to(std::uint64_t begin, std::uint64_t end) {
    std::vector<std::uint64_t> all;
    for (; begin != end; ++begin)
        all.push_back(begin);
    return all;
}

} // namespace

BOOST_AUTO_TEST_CASE(writes_of_one_inode_take_turns_in_the_order_of_arrival) {
    stage kernel;
    lanes_fixture fixture(staged(8, never));
    const detail::file_ref again = fixture.open("file"); // the same inode
    fixture.begin_stuck_write(kernel);
    for (int i = 0; i != 100; ++i)
        fixture.submit_writes(i % 2 == 0 ? fixture.file : again, 3);
    BOOST_TEST(kernel.begun().size() == 1u);
    kernel.let_go();
    fixture.reap(301);
    BOOST_TEST(kernel.begun() == from_to(0, 301), boost::test_tools::per_element());
    BOOST_TEST(kernel.peak() == 1);
    BOOST_TEST(fixture.engines.counters().threads <= 2u); // one writes, one watches
}

BOOST_AUTO_TEST_CASE(a_write_that_is_held_up_stops_no_other_file) {
    stage kernel;
    lanes_fixture fixture(staged(8, never));
    fixture.begin_stuck_write(kernel);
    fixture.submit_writes(fixture.file, 10);
    fixture.submit_writes(fixture.other, 10);
    fixture.reap(10); // no tick comes
    BOOST_TEST(fixture.writes.back().result == 1);
    kernel.let_go();
    fixture.reap(11);
}

BOOST_AUTO_TEST_CASE(another_worker_joins_the_one_that_is_held_up) {
    stage kernel;
    lanes_fixture fixture(staged(8));
    plain_operation& stuck = fixture.write_to(fixture.file);
    plain_operation& second = fixture.write_to(fixture.file);
    kernel.hold(stuck);
    kernel.hold(second);
    fixture.submit({&stuck, &second});
    fixture.submit_writes(fixture.file, 100);
    fixture.reap(100); // by a third worker
    kernel.let_go();
    fixture.reap(2);
}

BOOST_AUTO_TEST_CASE(finished_writes_are_announced_while_the_worker_is_held_up) {
    stage kernel;
    lanes_fixture fixture(staged(2)); // one writes, one watches
    plain_operation& finished = fixture.write_to(fixture.file);
    plain_operation& stuck = fixture.write_to(fixture.file);
    kernel.hold(stuck);
    fixture.submit({&finished, &stuck});
    fixture.submit_writes(fixture.file, 100);
    fixture.reap(1);
    BOOST_TEST(finished.result == 1);
    kernel.let_go();
    fixture.reap(101);
}

BOOST_AUTO_TEST_CASE(writes_that_are_held_up_leave_half_of_the_threads_to_others) {
    stage kernel;
    lanes_fixture fixture(staged(4));
    std::vector<plain_operation*> stuck;
    for (int i = 0; i != 10; ++i)
        kernel.hold(*stuck.emplace_back(&fixture.write_to(fixture.file)));
    for (plain_operation* each : stuck)
        fixture.submit({each});
    kernel.wait_for_begun(2);
    for (int i = 0; i != 20; ++i) { // the others stay free, whatever time passes
        plain_operation size(op_kind::size);
        fixture.prepare(size);
        BOOST_TEST(fixture.perform(size) == 1);
    }
    BOOST_TEST(kernel.begun().size() <= 20u + 2u);
    kernel.let_go();
    fixture.reap(10);
}

BOOST_AUTO_TEST_CASE(writes_that_sync_run_at_the_same_time) {
    stage kernel;
    detail::thread_pool_settings settings = staged(8, never);
    settings.slow_from = std::chrono::nanoseconds(0);
    lanes_fixture fixture(settings);
    plain_operation& first = fixture.write_to(fixture.file);
    first.flags = RWF_DSYNC;
    fixture.perform(first);        // it shows that such writes are slow
    for (int i = 0; i != 4; ++i) { // each of them waits for the device, and not for the others
        plain_operation& stuck = fixture.write_to(fixture.file);
        stuck.flags = RWF_DSYNC;
        kernel.hold(stuck);
        fixture.submit({&stuck});
    }
    kernel.wait_for_begun(5);
    for (int i = 0; i != 10; ++i)
        fixture.submit_writes(fixture.other, 1);
    fixture.reap(10);
    kernel.let_go();
    fixture.reap(4);
}

BOOST_AUTO_TEST_CASE(slow_writes_of_one_file_occupy_one_worker) {
    stage kernel;
    detail::thread_pool_settings settings = staged(8, never);
    settings.slow_from = std::chrono::nanoseconds(0);
    lanes_fixture fixture(settings);
    fixture.perform(fixture.write_to(fixture.file)); // it shows that writes are slow
    fixture.begin_stuck_write(kernel);
    fixture.submit_writes(fixture.file, 100);
    fixture.submit_writes(fixture.other, 10);
    plain_operation read(op_kind::read);
    fixture.prepare(read);
    read.offset = 1000;
    fixture.submit({&read});
    fixture.reap(11);
    BOOST_TEST(kernel.begun().size() == 13u);
    kernel.let_go();
    fixture.reap(101);
}

BOOST_AUTO_TEST_CASE(a_worker_joins_as_soon_as_another_lane_needs_none) {
    stage kernel;
    lanes_fixture fixture(staged(4)); // two may be held up where others join
    std::vector<plain_operation*> stuck;
    for (const auto& where : {fixture.file, fixture.other})
        kernel.hold(*stuck.emplace_back(&fixture.write_to(where)));
    fixture.submit({stuck[0], stuck[1]});
    kernel.wait_for_begun(2);
    fixture.submit_writes(fixture.file, 1); // nobody joins once both are known to be held up
    fixture.submit_writes(fixture.other, 1);
    std::deque<plain_operation> sizes;
    op_queue done;
    while (sizes.size() != 20) { // so that somebody notices that they are
        plain_operation& size = sizes.emplace_back(op_kind::size);
        fixture.prepare(size);
        fixture.submit({&size});
        fixture.reap(done, sizes.size());
    }
    kernel.let_go(*stuck[0]);
    fixture.reap(done, sizes.size() + 3); // also the write of the lane that did not change
    BOOST_TEST(fixture.writes.back().result == 1);
    kernel.let_go();
    fixture.reap(done, sizes.size() + 4);
    while (done.pop()) {
    }
}

BOOST_AUTO_TEST_CASE(a_pool_of_one_thread_writes_and_announces) {
    stage kernel;
    lanes_fixture fixture(staged(1));
    fixture.submit_writes(fixture.file, 100);
    fixture.submit_writes(fixture.other, 100);
    fixture.reap(200);
    BOOST_TEST(fixture.engines.counters().threads == 1u);
}

BOOST_AUTO_TEST_CASE(waiting_writes_are_cancelled_at_once_one_by_one_and_by_file) {
    stage kernel;
    lanes_fixture fixture(staged(8, never));
    fixture.begin_stuck_write(kernel);
    constexpr std::size_t count = 100'000;
    const std::size_t first = fixture.writes.size();
    fixture.submit_writes(fixture.file, count);
    for (std::size_t i = first + count; i-- > first + 10;) // the last one first
        fixture.cancel(fixture.writes[i]);
    fixture.reap(count - 10);
    BOOST_TEST(fixture.writes.back().result == -ECANCELED);
    const detail::file_ref again = fixture.open("file"); // shares the lane
    fixture.submit_writes(again, 10);
    fixture.cancel(fixture.file);
    fixture.reap(10);
    BOOST_TEST(fixture.writes[first].result == -ECANCELED);
    kernel.let_go();
    fixture.reap(11);
    BOOST_TEST(fixture.writes.back().result == 1);
}

BOOST_AUTO_TEST_CASE(stopping_hands_back_the_writes_that_wait) {
    stage kernel;
    lanes_fixture fixture(staged(4, never));
    fixture.begin_stuck_write(kernel);
    fixture.submit_writes(fixture.file, 1000);
    std::thread releaser([&] { kernel.let_go(); });
    op_queue abandoned;
    fixture.engines.stop(abandoned);
    releaser.join();
    BOOST_TEST(abandoned.size() == 1001u);
    while (operation* op = abandoned.pop())
        op->file.reset();
}

BOOST_AUTO_TEST_CASE(a_failed_write_fails_alone) {
    lanes_fixture fixture(detail::thread_pool_settings{});
    char text[] = "text";
    iovec good{text, 4}, bad{nullptr, 4};
    std::vector<plain_operation*> all;
    for (int i = 0; i != 9; ++i) {
        plain_operation& each = fixture.write_to(fixture.file);
        each.iovecs = i == 4 ? &bad : &good;
        each.iovec_count = 1;
        all.push_back(&each);
    }
    op_queue batch;
    for (plain_operation* each : all)
        batch.push(each);
    fixture.engines.submit(batch);
    fixture.reap(9);
    for (std::size_t i = 0; i != 9; ++i)
        BOOST_TEST(all[i]->result == (i == 4 ? -EFAULT : 4));
}

BOOST_AUTO_TEST_CASE(a_child_process_writes_and_its_parent_too) {
    stage kernel;
    lanes_fixture fixture(staged(4));
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    const int status = in_child([&] {
        if (fixture.engines.become_child() != 0)
            return 1;
        fixture.submit_writes(fixture.file, 100);
        fixture.submit_writes(fixture.other, 100);
        fixture.reap(200);
        return 0;
    });
    BOOST_TEST(status == 0);
    fixture.submit_writes(fixture.file, 100);
    fixture.reap(100);
}

BOOST_AUTO_TEST_CASE(lanes_of_many_files_cost_no_more_than_one) {
    lanes_fixture fixture(detail::thread_pool_settings{});
    char text[] = "text";
    iovec iov{text, 4};
    std::vector<iovec> iovecs(2000, iov);
    for (int round = 0; round != 3; ++round) { // so that lanes that have ended are removed
        std::vector<detail::file_ref> files;
        op_queue batch;
        for (std::size_t i = 0; i != 500; ++i) {
            files.push_back(fixture.open(("many" + std::to_string(i)).c_str()));
            plain_operation& each = fixture.write_to(files.back());
            iovecs[i] = iov;
            each.iovecs = &iovecs[i];
            each.iovec_count = 1;
            batch.push(&each);
        }
        fixture.engines.submit(batch);
        fixture.reap(500);
    }
    for (const plain_operation& each : fixture.writes)
        BOOST_REQUIRE(each.result == 4);
}
