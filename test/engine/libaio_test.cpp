// SPDX-License-Identifier: BSL-1.0
// The libaio engine and its queue: behaviour that no other engine has.
#include "child.hpp"
#include "engine_fixture.hpp"
#include "seccomp.hpp"
#include "threads.hpp"

#include "engine/libaio/encode.hpp"
#include "engine/libaio/trial.hpp"
#include "engine/libaio/queue.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace test;
using detail::libaio_queue;
using detail::op_kind;
using detail::op_queue;
using detail::pass_reason;

namespace {

constexpr std::size_t block_bytes = 4096;

/// Memory that is aligned for direct I/O on any device.
struct alignas(block_bytes) block {
    char bytes[block_bytes] = {};

    std::string text() const { return {bytes, block_bytes}; }
    void fill(unsigned seed) { std::ranges::copy(pattern(block_bytes, seed), bytes); }
};

/// Whether libaio works here; if not, prints why the test is skipped.
bool has_libaio() {
    const asio_aio::engine_report found = detail::try_libaio({}).report;
    if (!found.available)
        say_skipped(found.reason);
    return found.available;
}

/// The engine and a direct file of `blocks` blocks, each filled with the pattern of its index.
struct direct_fixture : engine_fixture {
    explicit direct_fixture(unsigned blocks, asio_aio::options opts = {})
        : engine_fixture(backend::libaio, opts, O_DIRECT) {
        std::string all;
        for (unsigned i = 0; i != blocks; ++i)
            all += pattern(block_bytes, i);
        set_content(folder.file("file"), all);
        // a direct read waits until cached pages are written back
        make_cold(folder.file("file"));
    }
};

/// A read or write of one block.
struct block_operation : plain_operation {
    block_operation(op_kind what, engine_fixture& fixture, std::uint64_t index)
        : plain_operation(what) {
        fixture.prepare(*this);
        offset = index * block_bytes;
        iovecs = &iov;
        iovec_count = 1;
    }
    block_operation(const block_operation&) = delete;
    block_operation& operator=(const block_operation&) = delete;

    block memory;
    iovec iov{memory.bytes, block_bytes};
};

struct block_read : block_operation {
    block_read(engine_fixture& fixture, std::uint64_t index)
        : block_operation(op_kind::read, fixture, index) {}
    bool is_right() const {
        return result == int(block_bytes) && memory.text() == pattern(block_bytes, seed());
    }
    unsigned seed() const { return unsigned(offset / block_bytes); }
};

struct block_write : block_operation {
    block_write(engine_fixture& fixture, std::uint64_t index, unsigned seed)
        : block_operation(op_kind::write, fixture, index) {
        memory.fill(seed);
    }
};

template <typename Operation>
void push_all(std::deque<Operation>& from, op_queue& to) {
    for (Operation& each : from)
        to.push(&each);
}

template <typename Operation>
void submit_all(engine_fixture& fixture, std::deque<Operation>& ops) {
    op_queue batch;
    push_all(ops, batch);
    fixture.engines.submit(batch);
}

/// Reads of the first blocks of the file, in order.
std::deque<block_read> reads_of(engine_fixture& fixture, unsigned blocks) {
    std::deque<block_read> reads;
    for (unsigned i = 0; i != blocks; ++i)
        reads.emplace_back(fixture, i);
    return reads;
}

bool are_right(const std::deque<block_read>& reads) {
    return std::ranges::all_of(reads, [](const block_read& each) { return each.is_right(); });
}

// --- Scripted results of io_submit(2) ---

long answer = 0;
int answers_left = 0;
int calls_seen = 0;
// no result of the kernel: `io_submit` then takes one operation of the batch
constexpr long only_the_first = 0;

/// From now on io_submit(2) returns `with` while `answers_left` is not 0; false without seccomp.
bool submit_answers(long with) {
    answer = with;
    return trapped_call::set(
        SYS_io_submit, [](const trapped_call::arguments& a) -> std::optional<long> {
            ++calls_seen;
            if (answers_left == 0)
                return std::nullopt;
            --answers_left;
            if (answer != only_the_first)
                return answer;
            const trapped_call::arguments one = {a[0], 1, a[2], a[3], a[4]};
            return trapped_call::perform(one);
        });
}

} // namespace

// --- The queue ---

BOOST_AUTO_TEST_CASE(a_submission_carries_the_flags_and_the_priority_of_a_transfer) {
    char bytes[8];
    iovec parts[2] = {{bytes, 4}, {bytes + 4, 4}};
    for (const op_kind kind : {op_kind::read, op_kind::write})
        for (unsigned count : {1u, 2u}) {
            plain_operation op(kind);
            op.iovecs = parts;
            op.iovec_count = count;
            iocb entry;
            detail::encode(entry, op, 3);
            BOOST_TEST(entry.aio_rw_flags == RWF_NOWAIT);
            BOOST_TEST(entry.u.c.flags == 1u); // only IOCB_FLAG_RESFD
            op.flags = RWF_DSYNC;
            op.priority = 2 << 13 | 7;
            detail::encode(entry, op, 3);
            BOOST_TEST(entry.aio_rw_flags == (RWF_NOWAIT | RWF_DSYNC));
            BOOST_TEST(entry.aio_reqprio == op.priority);
            BOOST_TEST(entry.u.c.flags == 3u); // and IOCB_FLAG_IOPRIO
        }
}

BOOST_AUTO_TEST_CASE(a_queue_of_four_wraps_around_a_million_times) {
    if (!has_libaio())
        return;
    direct_fixture fixture(1, with_depth(4));
    constexpr std::size_t operations = 1'000'000, at_once = 1000;
    std::deque<block_read> reads;
    for (std::size_t i = 0; i != at_once; ++i)
        reads.emplace_back(fixture, 1); // at the end of the file: no I/O of the device
    std::size_t right = 0;
    for (std::size_t started = 0; started != operations; started += at_once) {
        op_queue batch, done;
        for (block_read& each : reads) {
            fixture.prepare(each); // a finished operation has no file
            if (each.state() == detail::op_state::finished)
                each.renew();
            batch.push(&each);
        }
        fixture.engines.submit(batch);
        fixture.reap(done, at_once);
        while (detail::operation* op = done.pop())
            right += op->result == 0;
    }
    BOOST_TEST(right == operations);
    BOOST_TEST(fixture.engines.passed(pass_reason::would_wait) == 0u);
}

BOOST_AUTO_TEST_CASE(where_the_kernel_shares_no_ring_the_engine_calls_io_getevents) {
    if (!has_libaio())
        return;
    check_in_child([] {
        // As on gVisor: the address of the context does not point to a ring.
        const bool trapped = trapped_call::set(
            SYS_io_setup, [](const trapped_call::arguments& a) -> std::optional<long> {
                const long result = trapped_call::perform(a);
                if (result == 0)
                    (*reinterpret_cast<unsigned**>(a[1]))[4] = 0; // the magic number
                return result;
            });
        if (!trapped)
            return could_not;
        direct_fixture fixture(64, with_depth(8));
        auto reads = reads_of(fixture, 64);
        submit_all(fixture, reads);
        fixture.reap(64);
        return are_right(reads) ? 0 : 1;
    });
}

// --- Submission ---

BOOST_AUTO_TEST_CASE(a_batch_enters_the_kernel_once) {
    if (!has_libaio())
        return;
    direct_fixture fixture(32);
    auto reads = reads_of(fixture, 32);
    submit_all(fixture, reads);
    BOOST_TEST(fixture.engines.counters().kernel_entries == 1u);
    fixture.reap(32);
    BOOST_TEST(fixture.engines.counters().kernel_entries == 1u); // taken from the ring
    for (const block_read& each : reads)
        BOOST_TEST(each.is_right());
}

BOOST_AUTO_TEST_CASE(a_submission_that_is_taken_in_parts_or_later_loses_nothing) {
    if (!has_libaio())
        return;
    for (long with : {only_the_first, long(-EAGAIN)})
        for (int times : {1, 5}) {
            check_in_child(
                [&] {
                    direct_fixture fixture(32);
                    auto reads = reads_of(fixture, 32);
                    if (!submit_answers(with))
                        return could_not;
                    answers_left = times;
                    submit_all(fixture, reads);
                    fixture.reap(32);
                    const bool right = are_right(reads);
                    const bool by_the_pool = fixture.engines.passed(pass_reason::unsupported) != 0;
                    return right && !by_the_pool && calls_seen > times && answers_left == 0 ? 0 : 1;
                },
                "answer " + std::to_string(with) + ", " + std::to_string(times) + " times");
        }
}

BOOST_AUTO_TEST_CASE(an_operation_that_io_submit_refuses_stops_no_other) {
    if (!has_libaio())
        return;
    struct refusal {
        int error;
        bool of_file; ///< The file stays on the pool, because the pool could read it.
    };
    // A security module may return EPERM or EACCES for one file.
    for (const refusal& each :
         {refusal{EINVAL, true},
          {EOPNOTSUPP, true},
          {EBADF, false},
          {ENOMEM, false},
          {EPERM, false},
          {EACCES, false}}) {
        check_in_child(
            [&] {
                direct_fixture fixture(3);
                auto reads = reads_of(fixture, 3);
                if (!submit_answers(-each.error))
                    return could_not;
                answers_left = 1;
                submit_all(fixture, reads);
                fixture.reap(3);
                const bool is_pools =
                    fixture.engines.backend_of(*fixture.file.operator->()) == backend::thread_pool;
                return are_right(reads) && is_pools == each.of_file && !fixture.engines.failure()
                    ? 0
                    : 1;
            },
            "errno " + std::to_string(each.error));
    }
}

BOOST_AUTO_TEST_CASE(a_filesystem_without_rwf_nowait_gets_one_submission) {
    if (!has_libaio())
        return;
    check_in_child([] {
        direct_fixture fixture(200, with_depth(64));
        auto reads = reads_of(fixture, 200);
        if (!submit_answers(-EOPNOTSUPP))
            return could_not;
        answers_left = 1;
        submit_all(fixture, reads);
        fixture.reap(200);
        const bool all_passed = fixture.engines.passed(pass_reason::refused) == 200;
        // the second call checks whether io_submit itself is allowed
        return are_right(reads) && all_passed && calls_seen == 2 ? 0 : 1;
    });
}

BOOST_AUTO_TEST_CASE(a_kernel_that_stops_taking_operations_leaves_everything_to_the_pool) {
    if (!has_libaio())
        return;
    check_in_child([] {
        environment env(backend::libaio);
        asio::io_context& ctx = env.ctx;
        set_content(env.path(), pattern(block_bytes));
        file f = env.open("file", file_base::read_only | file_base::direct);
        if (f.backend() != backend::libaio || !asio_aio::describe(ctx).failure.empty())
            return 1;
        if (!refuse_calls({SYS_io_submit}, EPERM))
            return could_not;
        block memory;
        outcome first, second;
        f.async_read_some_at(0, asio::buffer(memory.bytes), first.handler());
        ctx.run();
        const asio_aio::description what = asio_aio::describe(ctx);
        const bool told = what.failure.find("io_submit") != std::string::npos &&
            to_string(what).find("failed since") != std::string::npos;
        ctx.restart();
        f.async_read_some_at(0, asio::buffer(memory.bytes), second.handler());
        ctx.run();
        const bool read = first.bytes == block_bytes && second.bytes == block_bytes;
        if (!read || !told || f.backend() != backend::thread_pool ||
            memory.text() != pattern(block_bytes))
            return 2;
        // The result of the earlier trial is no longer valid: a strict choice of libaio fails.
        asio::io_context next;
        asio_aio::configure(next, env.options());
        file g(next);
        error_code ec;
        g.open(env.path(), file_base::read_only, ec);
        return ec == asio_aio::errc::engine_unavailable ? 0 : 3;
    });
}

// --- Operations that would wait ---

BOOST_AUTO_TEST_CASE(no_buffered_file_is_submitted_and_a_direct_one_is) {
    if (!has_libaio())
        return;
    check_in_child([] {
        environment env(backend::libaio);
        asio::io_context& ctx = env.ctx;
        set_content(env.path(), pattern(block_bytes));
        asio_aio::options opts = env.options();
        opts.inline_read_limit = 0;
        asio_aio::configure(ctx, opts);
        file buffered = env.open("file", file_base::read_write);
        file direct = env.open("file", file_base::read_only | file_base::direct);
        if (buffered.backend() != backend::thread_pool || direct.backend() != backend::libaio)
            return 1;
        if (!submit_answers(0))
            return could_not;
        block memory;
        std::deque<outcome> results(3);
        buffered.async_read_some_at(0, asio::buffer(memory.bytes), results[0].handler());
        buffered.async_write_some_at(0, asio::buffer("a", 1), results[1].handler());
        ctx.run();
        if (calls_seen != 0 || asio_aio::statistics(ctx).passed_buffered != 2 ||
            results[1].bytes != 1)
            return 2;
        ctx.restart();
        direct.async_read_some_at(0, asio::buffer(memory.bytes), results[2].handler());
        ctx.run();
        return calls_seen == 1 && results[2].bytes == block_bytes ? 0 : 3;
    });
}

BOOST_AUTO_TEST_CASE(a_write_that_needs_blocks_is_done_by_the_pool_and_lands) {
    if (!has_libaio())
        return;
    direct_fixture fixture(1);
    std::deque<block_write> writes;
    for (unsigned i = 0; i != 8; ++i)
        writes.emplace_back(fixture, 1 + i, 100 + i);
    submit_all(fixture, writes);
    fixture.reap(8);
    const std::uint64_t waited = fixture.engines.passed(pass_reason::would_wait);
    BOOST_TEST(waited >= 1u); // how many depends on the filesystem
    std::string expected = pattern(block_bytes, 0);
    for (unsigned i = 0; i != 8; ++i)
        expected += pattern(block_bytes, 100 + i);
    BOOST_TEST((content(fixture.folder.file("file")) == expected));
    // Refused writes do not affect the reads of the file.
    make_cold(fixture.folder.file("file"));
    block_read read(fixture, 0);
    BOOST_TEST(fixture.perform(read) == int(block_bytes));
    BOOST_TEST(read.is_right());
    BOOST_TEST(fixture.engines.passed(pass_reason::would_wait) == waited);
}

BOOST_AUTO_TEST_CASE(overwriting_is_done_by_the_kernel) {
    if (!has_libaio())
        return;
    direct_fixture fixture(8);
    std::deque<block_write> writes;
    for (unsigned i = 0; i != 8; ++i)
        writes.emplace_back(fixture, i, 50 + i);
    submit_all(fixture, writes);
    fixture.reap(8);
    std::string expected;
    for (unsigned i = 0; i != 8; ++i)
        expected += pattern(block_bytes, 50 + i);
    BOOST_TEST((content(fixture.folder.file("file")) == expected));
    // Some writes may wait: the filesystem may have to read the file's block map first, and XFS may
    // have to update the time stamps (Linux 6.0 to 6.19).
    BOOST_TEST(fixture.engines.passed(pass_reason::would_wait) < 8u);
}

BOOST_AUTO_TEST_CASE(a_read_across_the_end_is_short_and_one_after_it_reads_nothing) {
    if (!has_libaio())
        return;
    direct_fixture fixture(2);
    BOOST_REQUIRE_EQUAL(::truncate(fixture.folder.file("file").c_str(), block_bytes + 512), 0);
    block_read across(fixture, 1), after(fixture, 2);
    BOOST_TEST(fixture.perform(across) == 512);
    BOOST_TEST(fixture.perform(after) == 0);
    BOOST_TEST(across.memory.text().substr(0, 512) == pattern(block_bytes, 1).substr(0, 512));
}

BOOST_AUTO_TEST_CASE(several_buffers_are_one_operation) {
    if (!has_libaio())
        return;
    direct_fixture fixture(4);
    std::vector<block> memory(4);
    iovec parts[4];
    for (std::size_t i = 0; i != 4; ++i)
        parts[i] = {memory[i].bytes, block_bytes};
    plain_operation read(op_kind::read);
    fixture.prepare(read);
    read.iovecs = parts;
    read.iovec_count = 4;
    BOOST_TEST(fixture.perform(read) == int(4 * block_bytes));
    for (unsigned i = 0; i != 4; ++i)
        BOOST_TEST(memory[i].text() == pattern(block_bytes, i));
    BOOST_TEST(fixture.engines.counters().kernel_entries == 1u);
}

BOOST_AUTO_TEST_CASE(syncs_are_the_kernels_and_other_kinds_are_the_pools) {
    if (!has_libaio())
        return;
    direct_fixture fixture(1);
    plain_operation all(op_kind::sync_all), data(op_kind::sync_data), size(op_kind::size),
        range(op_kind::sync_range);
    for (plain_operation* each : {&all, &data, &size, &range}) {
        fixture.prepare(*each);
        BOOST_TEST(fixture.perform(*each) == 0);
    }
    BOOST_TEST(size.length == block_bytes);
    BOOST_TEST(fixture.engines.passed(pass_reason::unsupported) == 2u);
    BOOST_TEST(!fixture.file->refused());
}

BOOST_AUTO_TEST_CASE(a_kernel_without_syncs_still_reads) {
    if (!has_libaio())
        return;
    check_in_child([] { // as on kernels before Linux 4.18
        direct_fixture fixture(1);
        const bool trapped = trapped_call::set(
            SYS_io_submit, [](const trapped_call::arguments& a) -> std::optional<long> {
                if (a[1] == 0) // an empty batch, which checks whether the call is allowed
                    return std::nullopt;
                ++calls_seen;
                const iocb& first = **reinterpret_cast<iocb**>(a[2]);
                const bool is_sync =
                    first.aio_lio_opcode == IO_CMD_FSYNC || first.aio_lio_opcode == IO_CMD_FDSYNC;
                return is_sync ? std::optional<long>(-EINVAL) : std::nullopt;
            });
        if (!trapped)
            return could_not;
        for (int i = 0; i != 3; ++i) {
            plain_operation sync(op_kind::sync_data);
            fixture.prepare(sync);
            if (fixture.perform(sync) != 0)
                return 1;
        }
        block_read read(fixture, 0);
        fixture.perform(read);
        const bool remembered = calls_seen == 2; // the first sync, and the read
        return read.is_right() && remembered && !fixture.file->refused() ? 0 : 2;
    });
}

// --- Cancellation and end ---

BOOST_AUTO_TEST_CASE(
    operations_that_wait_are_cancelled_at_once_and_those_in_the_kernel_keep_their_result) {
    if (!has_libaio())
        return;
    check_in_child([] {
        direct_fixture fixture(8, with_depth(2));
        if (!submit_answers(-EAGAIN))
            return could_not;
        auto reads = reads_of(fixture, 8);
        op_queue batch, done;
        push_all(reads, batch);
        fixture.engines.submit(batch); // the kernel has two of them
        const std::size_t ended = [&] {
            op_queue early;
            fixture.engines.reap(early);
            const std::size_t count = early.size();
            done.splice(early);
            return count;
        }();
        fixture.cancel(fixture.file);
        fixture.reap(done, 8); // including those that ended before
        while (done.pop()) {
        }
        std::size_t cancelled = 0, right = 0;
        for (const block_read& each : reads) {
            cancelled += each.result == -ECANCELED && !each.file;
            right += each.is_right();
        }
        return cancelled + right == 8 && right >= ended && right < 8 ? 0 : 1;
    });
}

BOOST_AUTO_TEST_CASE(stopping_waits_for_the_kernel_even_where_its_calls_are_refused) {
    if (!has_libaio())
        return;
    constexpr unsigned depth = 32, blocks = 64;
    for (bool locked_in : {false, true})
        for (int round = 0; round != 10; ++round) {
            check_in_child([&] {
                direct_fixture fixture(blocks, with_depth(depth));
                auto reads = reads_of(fixture, blocks);
                submit_all(fixture, reads);
                if (locked_in && !refuse_calls({SYS_io_getevents, SYS_io_destroy}, EPERM))
                    return could_not;
                op_queue abandoned;
                fixture.engines.stop(abandoned);
                const std::size_t given_back = abandoned.size();
                while (abandoned.pop()) {
                }
                // Each block is complete or untouched: the kernel writes nothing afterwards.
                const auto is_done = [](const block_read& each) { return each.is_right(); };
                const auto is_untouched = [](const block_read& each) {
                    return each.result != int(block_bytes) && each.memory.text() == block().text();
                };
                const auto done = std::ranges::count_if(reads, is_done);
                return given_back == blocks && done >= long(depth) &&
                        done + std::ranges::count_if(reads, is_untouched) == long(blocks)
                    ? 0
                    : 1;
            });
        }
}

BOOST_AUTO_TEST_CASE(a_child_process_gets_a_queue_of_its_own_and_the_parent_keeps_its) {
    if (!has_libaio())
        return;
    direct_fixture fixture(64, with_depth(16));
    auto reads = reads_of(fixture, 64);
    op_queue pending;
    push_all(reads, pending);
    fixture.prepare_fork(pending);
    const auto arrives = [&] {
        op_queue done;
        fixture.reap(64);
        block_read again(fixture, 7);
        fixture.perform(again);
        return again.is_right() && fixture.engines.passed(pass_reason::refused) == 0 &&
            are_right(reads);
    };
    const int status = in_child([&] {
        if (fixture.engines.become_child() != 0)
            return 1;
        if (count_aio_contexts() != 1) // the child's context, without the parent's
            return 2;
        return arrives() ? 0 : 3;
    });
    BOOST_TEST(status == 0);
    BOOST_TEST(arrives());
}

BOOST_AUTO_TEST_CASE(
    a_child_process_has_no_part_in_the_parents_queue_and_leaves_alone_what_lies_there) {
    if (!has_libaio())
        return;
    direct_fixture fixture(1, with_depth(64));
    const std::vector<memory_map> rings = maps_of("[aio]");
    BOOST_REQUIRE_EQUAL(rings.size(), 1u);
    const std::size_t bytes = rings[0].end - rings[0].begin;
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    const int status = in_child([&] {
        if (count_aio_contexts() != 0)
            return 1;
        void* const there = reinterpret_cast<void*>(rings[0].begin);
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        if (::mmap(there, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) != there)
            return 2;
        std::memset(there, 'x', bytes);
        if (fixture.engines.become_child() != 0 || count_aio_contexts() != 1)
            return 3;
        block_read read(fixture, 0);
        fixture.perform(read);
        const bool untouched =
            std::string(static_cast<char*>(there), bytes) == std::string(bytes, 'x');
        return read.is_right() && untouched ? 0 : 4;
    });
    BOOST_TEST(status == 0);
    block_read read(fixture, 0);
    fixture.perform(read);
    BOOST_TEST(read.is_right());
}

BOOST_AUTO_TEST_CASE(a_child_process_that_only_ends_the_engine_takes_nothing_from_the_parent) {
    if (!has_libaio())
        return;
    direct_fixture fixture(64, with_depth(16));
    auto reads = reads_of(fixture, 64);
    submit_all(fixture, reads);
    const int status = in_child([&] {
        op_queue abandoned;
        fixture.engines.stop(abandoned);
        const bool all = abandoned.size() == reads.size();
        while (abandoned.pop()) {
        }
        return all ? 0 : 1;
    });
    BOOST_TEST(status == 0);
    fixture.reap(64);
    BOOST_TEST(are_right(reads));
}

BOOST_AUTO_TEST_CASE(where_the_ring_cannot_be_kept_from_a_child_process_the_child_leaves_it_alone) {
    if (!has_libaio())
        return;
    check_in_child([] {
        if (!refuse_calls({SYS_madvise}, EPERM))
            return could_not;
        direct_fixture fixture(1, with_depth(64));
        op_queue nothing_pending;
        fixture.prepare_fork(nothing_pending);
        return in_child([&] {
            const std::size_t inherited = count_aio_contexts(); // 0 from Linux 7.2 on
            if (fixture.engines.become_child() != 0 || count_aio_contexts() != inherited + 1)
                return 1;
            block_read read(fixture, 0);
            fixture.perform(read);
            return read.is_right() ? 0 : 2;
        });
    });
}

BOOST_AUTO_TEST_CASE(writes_past_the_limit_of_file_sizes_are_an_error_and_no_signal) {
    if (!has_libaio())
        return;
    const int status = in_child([] {
        direct_fixture fixture(4);
        const rlimit limit{2 * block_bytes, 2 * block_bytes};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 2;
        block_write within(fixture, 1, 9), beyond(fixture, 3, 9);
        return fixture.perform(within) == int(block_bytes) && fixture.perform(beyond) == -EFBIG ? 0
                                                                                                : 1;
    });
    BOOST_TEST(status == 0);
}

// --- A model with random operations ---

BOOST_AUTO_TEST_CASE(a_random_mix_of_direct_reads_and_writes_does_what_the_model_says) {
    if (!has_libaio())
        return;
    constexpr unsigned blocks = 256, steps = 20'000, at_once = 64;
    direct_fixture fixture(blocks, with_depth(16));
    // the seed of each block; only the first `written` blocks exist
    std::vector<unsigned> model(2 * blocks);
    for (unsigned i = 0; i != blocks; ++i)
        model[i] = i;
    unsigned written = blocks;
    std::mt19937 random(7);
    for (unsigned step = 0; step < steps; step += at_once) {
        std::deque<block_read> reads;
        std::deque<block_write> writes;
        std::vector<bool> taken(model.size());
        std::vector<std::pair<unsigned, unsigned>> changes;
        op_queue batch;
        for (unsigned i = 0; i != at_once; ++i) {
            const auto index = unsigned(random() % written);
            if (taken[index]) // overlapping operations have no order
                continue;
            taken[index] = true;
            if (random() % 3 != 0) {
                batch.push(&reads.emplace_back(fixture, index));
            } else {
                // One write in 20 adds a block at the end.
                const bool grows = random() % 20 == 0 && written != model.size() && !taken[written];
                const unsigned where = grows ? written : index;
                taken[where] = true;
                changes.emplace_back(where, unsigned(random()));
                batch.push(&writes.emplace_back(fixture, where, changes.back().second));
            }
        }
        const std::size_t count = batch.size();
        fixture.engines.submit(batch);
        fixture.reap(count);
        for (const block_read& each : reads)
            BOOST_REQUIRE(
                each.result == int(block_bytes) &&
                each.memory.text() == pattern(block_bytes, model[each.seed()]));
        for (const auto& [where, seed] : changes) {
            model[where] = seed;
            written = std::max(written, where + 1);
        }
        for (const block_write& each : writes)
            BOOST_REQUIRE_EQUAL(each.result, int(block_bytes));
    }
    BOOST_TEST(written > blocks);
    BOOST_TEST(fixture.engines.passed(pass_reason::refused) == 0u);
}
