// SPDX-License-Identifier: BSL-1.0
// The io_uring engine and its ring: behaviour that no other engine has.
#include "child.hpp"
#include "engine_fixture.hpp"
#include "seccomp.hpp"
#include "threads.hpp"

#include "engine/io_uring/encode.hpp"
#include "engine/io_uring/trial.hpp"
#include "engine/io_uring/queue.hpp"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <deque>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace test;
using detail::io_uring_ring;
using detail::op_kind;
using detail::op_queue;

namespace {

/// Whether io_uring works here with `opts`; if not, prints why the test is skipped.
bool has_io_uring(const asio_aio::options& opts = {}) {
    const asio_aio::engine_report found = detail::try_io_uring(opts).report;
    if (!found.available)
        say_skipped(found.reason);
    return found.available;
}

asio_aio::options for_one_thread() {
    asio_aio::options opts;
    opts.single_issuer = true;
    return opts;
}

/// A read of one byte.
struct byte_read : plain_operation {
    explicit byte_read(engine_fixture& fixture, std::uint64_t at = 0)
        : plain_operation(op_kind::read) {
        fixture.prepare(*this);
        offset = at;
        iovecs = &iov;
        iovec_count = 1;
    }
    byte_read(const byte_read&) = delete;
    byte_read& operator=(const byte_read&) = delete;

    char byte = 0;
    iovec iov{&byte, 1};
};

/// Submits reads of uncached data on a thread that ends at once.
void leave_in_kernel(engine_fixture& fixture, std::deque<byte_read>& reads) {
    set_content(fixture.folder.file("file"), std::string(1 << 20, 'x'));
    make_cold(fixture.folder.file("file"));
    for (std::uint64_t i = 0; i != 64; ++i)
        reads.emplace_back(fixture, i * 16384);
    std::thread([&] {
        op_queue batch;
        for (byte_read& each : reads)
            batch.push(&each);
        fixture.engines.submit(batch);
    }).join();
}

// --- Scripted errors of io_uring_enter(2) ---

int answer = 0;
int answers_left = 0;
int calls_seen = 0;

/// From now on io_uring_enter(2) fails with `error` while `answers_left` is not 0. False without
/// seccomp.
bool enter_answers(int error) {
    answer = error;
    return trapped_call::set(
        SYS_io_uring_enter, [](const trapped_call::arguments&) -> std::optional<long> {
            ++calls_seen;
            if (answers_left == 0)
                return std::nullopt;
            --answers_left;
            return -answer;
        });
}

} // namespace

// --- The ring ---

BOOST_AUTO_TEST_CASE(a_ring_that_overflows_loses_no_completion) {
    if (!has_io_uring())
        return;
    detail::event finished;
    BOOST_REQUIRE_EQUAL(finished.open(), 0);
    io_uring_ring ring;
    // two entries: the completion queue has four places
    BOOST_REQUIRE(!ring.open({2, 0, false, false}, finished.descriptor()));
    constexpr std::uint64_t count = 100;
    for (std::uint64_t i = 0; i != count; ++i) {
        io_uring_sqe* entry = ring.next_entry();
        BOOST_REQUIRE(entry);
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data64(entry, i);
        BOOST_REQUIRE_EQUAL(ring.submit(), 0);
    }
    std::vector<int> seen(count);
    io_uring_ring::completion batch[8];
    while (const std::size_t got = ring.take(batch, std::size(batch)))
        for (std::size_t i = 0; i != got; ++i)
            ++seen.at(batch[i].user_data);
    BOOST_TEST(seen == std::vector<int>(count, 1), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_ring_of_four_wraps_around_a_million_times) {
    if (!has_io_uring())
        return;
    engine_fixture fixture(backend::io_uring, with_depth(4));
    set_content(fixture.folder.file("file"), "x");
    constexpr std::size_t operations = 1'000'000, at_once = 1000;
    std::deque<byte_read> reads;
    for (std::size_t i = 0; i != at_once; ++i)
        reads.emplace_back(fixture);
    std::size_t right = 0;
    for (std::size_t started = 0; started != operations; started += at_once) {
        op_queue batch, done;
        for (byte_read& each : reads) {
            fixture.prepare(each); // a finished operation has no file
            each.byte = 0;
            if (each.state() == detail::op_state::finished)
                each.renew();
            batch.push(&each);
        }
        fixture.engines.submit(batch);
        fixture.reap(done, at_once);
        while (detail::operation* op = done.pop())
            right += op->result == 1 && static_cast<byte_read*>(op)->byte == 'x';
    }
    BOOST_TEST(right == operations);
}

BOOST_AUTO_TEST_CASE(a_batch_enters_the_kernel_once) {
    if (!has_io_uring())
        return;
    engine_fixture fixture(backend::io_uring);
    set_content(fixture.folder.file("file"), "x");
    std::deque<byte_read> reads;
    op_queue batch;
    for (int i = 0; i != 32; ++i)
        batch.push(&reads.emplace_back(fixture));
    fixture.engines.submit(batch);
    BOOST_TEST(fixture.engines.counters().kernel_entries == 1u);
    fixture.reap(32);
}

BOOST_AUTO_TEST_CASE(a_submission_that_the_kernel_refuses_for_a_moment_is_repeated) {
    if (!has_io_uring())
        return;
    for (int error : {EAGAIN, EBUSY, EINTR})
        for (int times : {1, 3}) {
            const int status = in_child([&] {
                engine_fixture fixture(backend::io_uring);
                plain_operation sync(op_kind::sync_data), left(op_kind::sync_data);
                fixture.prepare(sync);
                fixture.prepare(left);
                if (!enter_answers(error))
                    return could_not;
                answers_left = times;
                if (fixture.perform(sync) != 0)
                    return 1;
                answers_left = times; // once more while the engine stops
                op_queue batch, abandoned;
                batch.push(&left);
                fixture.engines.submit(batch);
                fixture.engines.stop(abandoned);
                return abandoned.size() == 1 && abandoned.pop() == &left ? 0 : 2;
            });
            if (status == could_not)
                return say_skipped("seccomp does not work here");
            BOOST_TEST(
                status == 0, "errno " << error << ", " << times << " times: status " << status);
        }
}

/// The number of submission entries that the map of this process's ring has room for; 0: no ring.
/** The test cannot use SqMask in /proc/self/fdinfo, which Linux 5.10 lacks. */
std::size_t mapped_ring_entries() {
    for (const memory_map& each : maps_of("[io_uring]"))
        if (each.offset == IORING_OFF_SQES)
            return (each.end - each.begin) / sizeof(io_uring_sqe);
    return 0;
}

BOOST_AUTO_TEST_CASE(describe_and_statistics_agree_with_what_the_kernel_sees) {
    if (!has_io_uring())
        return;
    if (asio_on_io_uring)
        return say_skipped("Asio's own ring enters the kernel as well");
    // Two pages of entries: the map has whole pages, so it is exactly as large as the entries.
    const auto depth = 2 * unsigned(::sysconf(_SC_PAGESIZE)) / unsigned(sizeof(io_uring_sqe));
    BOOST_TEST(mapped_ring_entries() == 0u); // the trial has closed its ring
    const int status = in_child([&] {
        temporary_directory folder;
        set_content(folder.file("file"), pattern(32));
        asio::io_context ctx;
        asio_aio::options opts = with_depth(depth);
        opts.choice = {backend::io_uring};
        opts.inline_read_limit = 0;
        asio_aio::configure(ctx, opts);
        file f(ctx, folder.file("file"), file_base::read_only);
        if (mapped_ring_entries() != depth || asio_aio::describe(ctx).chosen != backend::io_uring)
            return 1;
        if (!enter_answers(0))
            return could_not;
        std::string bytes(32, '\0');
        std::deque<outcome> results(bytes.size());
        for (std::size_t i = 0; i != bytes.size(); ++i)
            f.async_read_some_at(i, asio::buffer(&bytes[i], 1), results[i].handler());
        ctx.run();
        const asio_aio::context_statistics counted = asio_aio::statistics(ctx);
        const bool one_batch = counted.batches == 1 && counted.largest_batch == 32;
        return bytes == pattern(32) && one_batch &&
                counted.kernel_entries == std::uint64_t(calls_seen)
            ? 0
            : 2;
    });
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(little_lockable_memory_gives_a_smaller_ring_and_none_gives_a_reason) {
    if (!has_io_uring())
        return;
    if (::geteuid() != 0)
        return say_skipped("only root can become a user who has locked no memory yet");
    const int small = in_child([] {
        if (!limit_locked_memory(64 * 1024))
            return could_not;
        return detail::try_io_uring(with_depth(1024)).report.available ? 0 : 1;
    });
    BOOST_TEST(small == 0);
    const int none = in_child([] {
        if (!limit_locked_memory(0))
            return could_not;
        const asio_aio::engine_report found = detail::try_io_uring({}).report;
        if (found.available)
            return could_not; // this kernel does not count rings as locked memory
        return found.error == ENOMEM && found.remedy.find("RLIMIT_MEMLOCK") != std::string::npos
            ? 0
            : 1;
    });
    if (none == could_not)
        return say_skipped("this kernel does not count rings as locked memory");
    BOOST_TEST(none == 0);
}

BOOST_AUTO_TEST_CASE(
    contexts_one_after_another_all_get_a_whole_ring_where_little_memory_can_be_locked) {
    if (asio_on_io_uring)
        return say_skipped("Asio's own ring of 16 384 entries exceeds the limit of this test");
    if (!has_io_uring())
        return;
    if (::geteuid() != 0)
        return say_skipped("only root can become a user who has locked no memory yet");
    const int status = in_child([] {
        // the kernel counts locked memory per user; no other test uses this one
        constexpr uid_t nobody_else = 65531;
        if (!limit_locked_memory(64 * 1024, nobody_else))
            return could_not;
        // the kernel frees the locked memory of a closed ring some milliseconds later
        for (int i = 0; i != 50; ++i) {
            asio::io_context ctx;
            const file f(ctx, "/dev/null", file_base::read_only);
            if (asio_aio::describe(ctx).chosen != backend::io_uring)
                return 1;
            if (mapped_ring_entries() != asio_aio::options().queue_depth)
                return 2;
        }
        return 0;
    });
    if (status == could_not)
        return say_skipped("the limit cannot be set");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_ring_that_exceeds_the_limit_is_made_smaller_without_a_wait) {
    if (!has_io_uring())
        return;
    if (::geteuid() != 0)
        return say_skipped("only root can become a user who has locked no memory yet");
    const int status = in_child([] {
        constexpr uid_t nobody_else = 65530;
        if (!limit_locked_memory(64 * 1024, nobody_else))
            return could_not;
        detail::event finished;
        finished.open();
        static int pauses = 0;
        const bool trapped =
            trapped_call::set(poll_call, [](const trapped_call::arguments&) -> std::optional<long> {
                ++pauses;
                return std::nullopt;
            });
        if (!trapped)
            return could_not;
        io_uring_ring small, large;
        if (small.open({16, 0, false, false}, finished.descriptor()))
            return 1;
        small.close();
        if (large.open({4096, 0, false, false}, finished.descriptor()) || large.entries() >= 4096)
            return could_not; // this kernel does not count rings as locked memory
        return pauses == 0 ? 0 : 2;
    });
    if (status == could_not)
        return say_skipped("seccomp does not work here, or rings are not locked memory");
    BOOST_TEST(status == 0);
}

// --- The kernel's workers ---

/// The number of workers that the kernel allows the calling thread for reads and writes of files.
/// The function asks through a second ring.
unsigned worker_limit() {
    io_uring other{};
    BOOST_REQUIRE_EQUAL(io_uring_queue_init(2, &other, 0), 0);
    unsigned limits[2] = {0, 0}; // zeros change nothing; the kernel stores the limits here
    BOOST_REQUIRE_EQUAL(io_uring_register_iowq_max_workers(&other, limits), 0);
    io_uring_queue_exit(&other);
    return limits[0];
}

/// An engine that has submitted an operation on the calling thread.
struct used_engine {
    explicit used_engine(unsigned max_threads)
        : fixture(backend::io_uring, with_threads(max_threads)) {
        use();
    }

    void use() {
        plain_operation sync(op_kind::sync_data);
        fixture.prepare(sync);
        BOOST_TEST(fixture.perform(sync) == 0);
    }

    static asio_aio::options with_threads(unsigned max_threads) {
        asio_aio::options opts;
        opts.max_threads = max_threads;
        return opts;
    }

    engine_fixture fixture;
};

BOOST_AUTO_TEST_CASE(a_context_with_few_threads_takes_no_worker_from_another_of_its_thread) {
    if (!has_io_uring())
        return;
    std::thread([] {
        const unsigned usual = worker_limit();
        const used_engine few(1);
        BOOST_TEST(worker_limit() == usual);
        used_engine many(100);
        BOOST_TEST(worker_limit() == 100u);
        used_engine few_again(2);
        BOOST_TEST(worker_limit() == 100u);
        std::thread([&] { // a thread that has not used any ring
            few_again.use();
            BOOST_TEST(worker_limit() >= usual);
            many.use();
            BOOST_TEST(worker_limit() == 100u);
            few_again.use();
            BOOST_TEST(worker_limit() == 100u);
        })
            .join();
        const auto in_child_too = [&] {
            many.fixture.engines.become_child();
            many.use();
            return worker_limit() == 100 ? 0 : 1;
        };
        op_queue nothing_pending;
        many.fixture.prepare_fork(nothing_pending);
        BOOST_TEST(in_child(in_child_too) == 0);
    }).join();
}

// --- Options of a transfer ---

BOOST_AUTO_TEST_CASE(a_submission_carries_the_flags_and_the_priority_of_a_transfer) {
    char bytes[8];
    iovec parts[2] = {{bytes, 4}, {bytes + 4, 4}};
    for (const op_kind kind : {op_kind::read, op_kind::write})
        for (const auto& [count, buffer] :
             {std::pair(1u, -1), std::pair(2u, -1), std::pair(1u, 3)}) {
            plain_operation op(kind);
            op.iovecs = parts;
            op.iovec_count = count;
            op.flags = RWF_DSYNC | detail::rwf_uncached;
            op.priority = 2 << 13 | 7;
            io_uring_sqe entry{};
            detail::encode(&entry, op, nullptr, buffer);
            BOOST_TEST(int(entry.rw_flags) == op.flags);
            BOOST_TEST(entry.ioprio == op.priority);
        }
}

// --- Child processes ---

BOOST_AUTO_TEST_CASE(a_child_process_unmaps_the_parents_ring_and_nothing_else) {
    if (!has_io_uring())
        return;
    engine_fixture fixture(backend::io_uring);
    set_content(fixture.folder.file("file"), "x");
    const std::size_t maps = maps_of("[io_uring]").size();
    BOOST_TEST(maps != 0u);
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    const int status = in_child([&] {
        // The child process inherits the maps of the ring, so the child unmaps the parent's ring
        // and not other memory at that address.
        if (maps_of("[io_uring]").size() != maps)
            return 1;
        if (fixture.engines.become_child() != 0 || maps_of("[io_uring]").size() != maps)
            return 2;
        byte_read read(fixture);
        return fixture.perform(read) == 1 && read.byte == 'x' ? 0 : 3;
    });
    BOOST_TEST(status == 0);
    byte_read read(fixture);
    BOOST_TEST(fixture.perform(read) == 1);
    BOOST_TEST(read.byte == 'x');
}

BOOST_AUTO_TEST_CASE(a_child_process_that_only_ends_the_engine_takes_nothing_from_the_parent) {
    if (!has_io_uring())
        return;
    engine_fixture fixture(backend::io_uring);
    set_content(fixture.folder.file("file"), std::string(1 << 20, 'x'));
    make_cold(fixture.folder.file("file"));
    std::deque<byte_read> reads;
    op_queue batch;
    for (std::uint64_t i = 0; i != 64; ++i)
        batch.push(&reads.emplace_back(fixture, i * 16384));
    fixture.engines.submit(batch);
    const int status = in_child([&] {
        op_queue abandoned;
        fixture.engines.stop(abandoned);
        const bool all = abandoned.size() == reads.size();
        while (abandoned.pop()) {
        }
        return all && maps_of("[io_uring]").empty() ? 0 : 1;
    });
    BOOST_TEST(status == 0);
    fixture.reap(reads.size());
    for (const byte_read& each : reads)
        BOOST_TEST((each.result == 1 && each.byte == 'x'));
}

// --- Files that io_uring does not serve ---

BOOST_AUTO_TEST_CASE(the_pool_reads_devices) {
    if (!has_io_uring())
        return;
    asio::io_context ctx;
    asio_aio::options opts;
    opts.choice = {backend::io_uring};
    opts.inline_read_limit = 0;
    asio_aio::configure(ctx, opts);
    file zeros(ctx, "/dev/zero", file_base::read_only);
    std::string bytes(100, 'x');
    outcome result;
    zeros.async_read_some_at(7, asio::buffer(bytes), result.handler());
    run_until_idle(ctx);
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(bytes == std::string(100, '\0'));
    BOOST_TEST(asio_aio::statistics(ctx).passed_unsupported == 1u);
}

// --- Modes of the ring ---

BOOST_AUTO_TEST_CASE(with_sqpoll_a_thread_of_the_kernel_submits) {
    asio_aio::options opts;
    opts.sqpoll = true;
    opts.choice = {backend::io_uring};
    opts.inline_read_limit = 0;
    if (!has_io_uring(opts))
        return;
    temporary_directory folder;
    set_content(folder.file("file"), pattern(1000));
    asio::io_context ctx;
    asio_aio::configure(ctx, opts);
    file f(ctx, folder.file("file"), file_base::read_only);
    std::string bytes(1000, '\0');
    std::deque<outcome> results(1000);
    for (std::size_t i = 0; i != results.size(); ++i)
        f.async_read_some_at(i, asio::buffer(&bytes[i], 1), results[i].handler());
    run_until_idle(ctx);
    for (const outcome& each : results)
        BOOST_REQUIRE_EQUAL(each.calls, 1);
    BOOST_TEST(bytes == pattern(1000));
}

BOOST_AUTO_TEST_CASE(a_context_of_one_thread_may_be_made_on_another) {
    asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    opts.choice = {backend::io_uring};
    opts.inline_read_limit = 0;
    temporary_directory folder;
    set_content(folder.file("file"), pattern(100));
    asio::io_context ctx;
    asio_aio::configure(ctx, opts);
    file f(ctx, folder.file("file"), file_base::read_only); // the ring is made here
    std::string bytes(100, '\0');
    outcome result;
    f.async_read_some_at(0, asio::buffer(bytes), result.handler());
    meeting used(1), refused_there(1);
    std::thread one([&] {
        ctx.run(); // the ring is used here
        used.arrive();
        static_cast<void>(refused_there.wait());
    });
    BOOST_TEST(used.wait());
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(bytes == pattern(100));
    // A second thread breaks the promise of `single_issuer`, and the operation fails.
    outcome refused;
    f.async_read_some_at(0, asio::buffer(bytes), refused.handler());
    run_until_idle(ctx);
    BOOST_TEST(refused.calls == 1);
    BOOST_TEST((refused.ec == asio_aio::errc::wrong_thread));
    BOOST_TEST(refused.ec.message().find("single_issuer") != std::string::npos);
    refused_there.arrive();
    one.join();
    // After the first thread has ended, another one may use the ring.
    outcome later;
    f.async_read_some_at(0, asio::buffer(bytes), later.handler());
    run_until_idle(ctx);
    BOOST_TEST(!later.ec);
    BOOST_TEST(later.bytes == 100u);
}

BOOST_AUTO_TEST_CASE(another_thread_may_start_right_after_the_one_was_joined) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    engine_fixture fixture(backend::io_uring, opts);
    for (int i = 0; i != 500; ++i) { // the kernel removes a thread some time after its join
        plain_operation sync(op_kind::sync_data);
        fixture.prepare(sync);
        std::thread([&] { fixture.perform(sync); }).join();
        BOOST_REQUIRE_EQUAL(sync.result, 0);
    }
}

/// Gives the id `id` to the next thread or process of this namespace; false on failure.
bool choose_next_id(pid_t id) {
    std::ofstream last("/proc/sys/kernel/ns_last_pid");
    return bool(last << id - 1 << std::flush);
}

BOOST_AUTO_TEST_CASE(a_thread_with_the_id_of_the_one_that_ended_is_another_thread) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    // A new namespace, so that no other process takes the id.
    const int status = in_child([&] {
        if (::unshare(CLONE_NEWPID) != 0)
            return could_not;
        return in_child([&] {
            engine_fixture fixture(backend::io_uring, opts);
            constexpr pid_t chosen = 300;
            for (int i = 0; i != 3; ++i) {
                plain_operation sync(op_kind::sync_data);
                fixture.prepare(sync);
                if (!choose_next_id(chosen))
                    return could_not;
                pid_t got = 0;
                std::thread([&] {
                    got = pid_t(::syscall(SYS_gettid));
                    fixture.perform(sync);
                }).join();
                if (sync.result != 0)
                    return 1;
                if (got != chosen)
                    return could_not;
                // until the kernel has removed the thread, its id is not free
                while (::syscall(SYS_tgkill, ::getpid(), chosen, 0) == 0)
                    std::this_thread::yield();
                if (fixture.engines.failure())
                    return 2;
            }
            return 0;
        });
    });
    if (status == could_not)
        return say_skipped("the id of a thread cannot be chosen");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(operations_of_an_ended_thread_complete_after_another_thread_takes_its_place) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    std::deque<byte_read> reads;
    engine_fixture fixture(backend::io_uring, opts);
    leave_in_kernel(fixture, reads);
    fixture.reap(reads.size());
    for (const byte_read& each : reads)
        BOOST_TEST((each.result == 1 || each.result == detail::failure::wrong_thread), each.result);
}

BOOST_AUTO_TEST_CASE(a_fork_before_the_first_operation_does_not_choose_the_only_thread) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    engine_fixture fixture(backend::io_uring, opts);
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    plain_operation sync(op_kind::sync_data);
    fixture.prepare(sync);
    std::thread([&] { fixture.perform(sync); }).join();
    BOOST_TEST(sync.result == 0);
}

BOOST_AUTO_TEST_CASE(a_ring_of_one_thread_ends_on_another_with_operations_in_the_kernel) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    for (int round = 0; round != 20; ++round) {
        std::deque<byte_read> reads;
        engine_fixture fixture(backend::io_uring, opts);
        leave_in_kernel(fixture, reads);
        op_queue abandoned;
        fixture.engines.stop(abandoned);
        BOOST_TEST(abandoned.size() == reads.size());
        while (abandoned.pop()) {
        }
    }
}
