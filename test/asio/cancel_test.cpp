// SPDX-License-Identifier: BSL-1.0
// Cancellation by file and by slot.
#include "engine_support.hpp"
#include "threads.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <vector>

using namespace test;

namespace {

constexpr std::size_t block = 4096;

/// True if the operation was cancelled and moved nothing, or was not cancelled and moved
/// everything.
bool is_legal(const outcome& result, std::size_t full) {
    if (result.calls != 1)
        return false;
    return result.ec == asio::error::operation_aborted ? result.bytes == 0
                                                       : !result.ec && result.bytes == full;
}

/// A pool whose only thread is held, so that all operations after the first one wait in the queue.
struct blocked_pool {
    blocked_pool() { use_gated_pool(ctx, 1); }

    file open() {
        file f(ctx, folder.file("file"), file_base::read_write | file_base::create);
        f.resize(64 * block);
        return f;
    }

    /// Starts a write and waits until the pool's thread has it.
    void hold_thread(file& f) {
        f.async_write_some_at(0, asio::buffer(bytes), held.handler());
        ctx.poll();
        BOOST_REQUIRE(stop.wait_for_arrivals(1));
    }

    void finish() {
        stop.open();
        run_until_idle(ctx);
    }

    gate stop;
    temporary_directory folder;
    std::string bytes = pattern(block);
    outcome held;
    asio::io_context ctx;
};

} // namespace

BOOST_AUTO_TEST_CASE(one_of_many_queued_operations_is_cancelled_by_its_slot) {
    blocked_pool pool;
    file f = pool.open();
    pool.hold_thread(f);
    std::vector<outcome> results(8);
    std::deque<asio::cancellation_signal> signals(8);
    for (std::size_t i = 0; i != results.size(); ++i)
        f.async_write_some_at(
            i * block, asio::buffer(pool.bytes),
            asio::bind_cancellation_slot(signals[i].slot(), results[i].handler()));
    pool.ctx.poll(); // submits them to the pool's queue
    signals[3].emit(asio::cancellation_type::total);
    BOOST_TEST(results[3].calls == 0); // never inside `emit`
    while (results[3].calls == 0)
        BOOST_REQUIRE_EQUAL(pool.ctx.run_one(), 1u);
    BOOST_TEST(results[3].ec == asio::error::operation_aborted); // while the thread is still held
    pool.finish();
    for (std::size_t i = 0; i != results.size(); ++i)
        BOOST_TEST(
            (i == 3 ? results[i].ec == asio::error::operation_aborted
                    : !results[i].ec && results[i].bytes == block));
    BOOST_TEST(!pool.held.ec);
}

BOOST_AUTO_TEST_CASE(an_operation_that_no_turn_of_the_loop_has_submitted_is_cancelled) {
    blocked_pool pool;
    file f = pool.open();
    outcome result;
    asio::cancellation_signal signal;
    f.async_write_some_at(
        0, asio::buffer(pool.bytes), asio::bind_cancellation_slot(signal.slot(), result.handler()));
    signal.emit(asio::cancellation_type::terminal);
    run_until_idle(pool.ctx); // the gate is closed: a submitted write could not complete
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.ec == asio::error::operation_aborted);
    BOOST_TEST(pool.stop.arrived().empty());
}

BOOST_AUTO_TEST_CASE(a_running_operation_completes_with_its_result) {
    blocked_pool pool;
    file f = pool.open();
    pool.hold_thread(f);
    f.cancel();
    pool.finish();
    BOOST_TEST(pool.held.calls == 1);
    BOOST_TEST(!pool.held.ec);
    BOOST_TEST(pool.held.bytes == block);
}

BOOST_AUTO_TEST_CASE(cancelling_a_file_leaves_other_files_alone) {
    blocked_pool pool;
    file f = pool.open();
    file other(pool.ctx, pool.folder.file("other"), file_base::read_write | file_base::create);
    pool.hold_thread(f);
    outcome mine, others;
    f.async_write_some_at(0, asio::buffer(pool.bytes), mine.handler());
    other.async_write_some_at(0, asio::buffer(pool.bytes), others.handler());
    pool.ctx.poll();
    f.cancel();
    pool.finish();
    BOOST_TEST(mine.ec == asio::error::operation_aborted);
    BOOST_TEST(!others.ec);
}

BOOST_AUTO_TEST_CASE(a_slot_finds_its_operation_after_the_file_has_moved) {
    blocked_pool pool;
    file f = pool.open();
    pool.hold_thread(f);
    outcome result;
    asio::cancellation_signal signal;
    f.async_write_some_at(
        0, asio::buffer(pool.bytes), asio::bind_cancellation_slot(signal.slot(), result.handler()));
    pool.ctx.poll();
    const file moved(std::move(f));
    signal.emit(asio::cancellation_type::partial);
    pool.finish();
    BOOST_TEST(result.ec == asio::error::operation_aborted);
}

ENGINE_TEST(a_slot_may_fire_twice_late_and_after_the_file_and_the_context_are_gone) {
    outcome result;
    asio::cancellation_signal signal;
    const std::string bytes = pattern(block);
    {
        environment own(env.engine);
        {
            file f = own.open();
            f.async_write_some_at(
                0, asio::buffer(bytes),
                asio::bind_cancellation_slot(signal.slot(), result.handler()));
            signal.emit(asio::cancellation_type::terminal);
            signal.emit(asio::cancellation_type::terminal);
            own.run();
            BOOST_TEST(is_legal(result, block));
            signal.emit(asio::cancellation_type::terminal);
        }
        signal.emit(asio::cancellation_type::terminal);
        own.run();
    }
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(result.calls == 1);
}

ENGINE_TEST(an_unknown_type_of_cancellation_is_ignored) {
    file f = env.open();
    outcome result;
    asio::cancellation_signal signal;
    const std::string bytes = pattern(block);
    f.async_write_some_at(
        0, asio::buffer(bytes), asio::bind_cancellation_slot(signal.slot(), result.handler()));
    signal.emit(asio::cancellation_type::none);
    env.run();
    BOOST_TEST(!result.ec);
}

ENGINE_TEST(all_but_one_of_sixteen_reads_are_cancelled_fifty_times) {
    constexpr std::size_t bytes = 64 * 1024;
    set_content(env.path(), pattern(16 * bytes));
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
    file f = env.open("file", file_base::read_only);
    std::vector<std::string> buffers(16, std::string(bytes, '\0'));
    for (int round = 0; round != 50; ++round) {
        std::vector<outcome> results(16);
        std::deque<asio::cancellation_signal> signals(16);
        for (std::size_t i = 0; i != 16; ++i)
            f.async_read_some_at(
                i * bytes, asio::buffer(buffers[i]),
                asio::bind_cancellation_slot(signals[i].slot(), results[i].handler()));
        if (round % 2 == 1)
            env.ctx.poll_one(); // runs a round: the engine then has the reads
        for (std::size_t i = 1; i != 16; ++i)
            signals[i].emit(asio::cancellation_type::total);
        env.run();
        BOOST_TEST(!results[0].ec);
        for (const outcome& each : results)
            BOOST_TEST(is_legal(each, bytes));
    }
}

ENGINE_TEST(threads_cancel_while_others_complete) {
    constexpr int threads = 32;
    constexpr int rounds = 64;
    constexpr std::size_t reads = 8;
    set_content(env.path(), pattern(reads * block));
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
    file f = env.open("file", file_base::read_only);

    struct counted {
        std::atomic<int> calls{0};
        std::atomic<bool> legal{true};
    };
    std::vector<counted> counts(threads * rounds);
    constexpr std::size_t bytes = 64;
    // One buffer for each read: some cancelled reads are still running when the next reads start.
    std::vector<std::string> buffers(threads * rounds * reads, std::string(bytes, '\0'));
    auto work = asio::make_work_guard(env.ctx);
    std::vector<std::thread> runners;
    for (int i = 0; i != 2; ++i)
        runners.emplace_back([&] { env.ctx.run(); });
    std::vector<std::thread> users;
    for (int t = 0; t != threads; ++t)
        users.emplace_back([&, t] {
            for (int r = 0; r != rounds; ++r) {
                counted& mine = counts[std::size_t(t * rounds + r)];
                for (std::size_t i = 0; i != reads; ++i)
                    f.async_read_some_at(
                        i * block, asio::buffer(buffers[std::size_t(t * rounds + r) * reads + i]),
                        [&mine](error_code ec, std::size_t n) {
                            if (!(ec == asio::error::operation_aborted ? n == 0
                                                                       : !ec && n == bytes))
                                mine.legal = false;
                            ++mine.calls;
                        });
                f.cancel();
            }
        });
    for (std::thread& each : users)
        each.join();
    work.reset();
    for (std::thread& each : runners)
        each.join();
    for (const counted& each : counts) {
        BOOST_REQUIRE_EQUAL(each.calls.load(), int(reads));
        BOOST_REQUIRE(each.legal.load());
    }
}

ENGINE_TEST(a_slot_fires_on_another_thread_than_the_one_that_completes) {
    constexpr int rounds = 200;
    const std::string bytes = pattern(block);
    file f = env.open();
    auto work = asio::make_work_guard(env.ctx);
    std::thread runner([&] { env.ctx.run(); });
    for (int round = 0; round != rounds; ++round) {
        asio::cancellation_signal signal;
        std::promise<outcome> completed;
        f.async_write_some_at(
            0, asio::buffer(bytes),
            asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, std::size_t n) {
                completed.set_value({1, ec, n});
            }));
        signal.emit(asio::cancellation_type::terminal);
        const outcome result = completed.get_future().get();
        BOOST_TEST(is_legal(result, block));
    }
    work.reset();
    runner.join();
}

ENGINE_TEST(a_cancellation_leaves_alone_what_is_started_after_it) {
    constexpr int rounds = 1000;
    const std::string bytes = pattern(block);
    file f = env.open();
    file busy = env.open("busy"); // keeps the other threads in rounds, which overlap
    std::atomic<int> left{rounds}, aborted{0};
    std::function<void()> cancel_and_write = [&] {
        f.cancel();
        f.async_write_some_at(0, asio::buffer(bytes), [&](error_code ec, std::size_t) {
            aborted += ec == asio::error::operation_aborted;
            if (--left > 0)
                cancel_and_write();
        });
    };
    std::function<void(std::size_t)> keep_busy = [&](std::size_t i) {
        busy.async_write_some_at(i * block, asio::buffer(bytes), [&, i](error_code, std::size_t) {
            if (left > 0)
                keep_busy(i);
        });
    };
    asio::post(env.ctx, cancel_and_write);
    for (std::size_t i = 0; i != 8; ++i)
        keep_busy(i);
    run_on_threads(env.ctx, 4);
    BOOST_TEST(left == 0);
    BOOST_TEST(aborted == 0);
}

BOOST_AUTO_TEST_CASE(many_operations_are_cancelled_one_by_one) {
    // If each cancellation walked through all waiting operations, 2 * 10^10 steps would exceed the
    // deadline.
    constexpr std::size_t count = 200'000;
    blocked_pool pool;
    file f = pool.open();
    pool.hold_thread(f);
    std::vector<outcome> results(count);
    std::deque<asio::cancellation_signal> signals(count);
    for (std::size_t i = 0; i != count; ++i)
        f.async_write_some_at(
            0, asio::buffer(pool.bytes),
            asio::bind_cancellation_slot(signals[i].slot(), results[i].handler()));
    pool.ctx.poll(); // submits them to the pool's queue
    for (std::size_t i = count; i-- != 0;)
        signals[i].emit(asio::cancellation_type::total);
    pool.ctx.restart();
    pool.ctx.poll(); // the thread is still held
    std::size_t aborted = 0;
    for (const outcome& each : results)
        aborted += each.calls == 1 && each.ec == asio::error::operation_aborted;
    BOOST_TEST(aborted == count);
    pool.finish();
    BOOST_TEST(!pool.held.ec);
}

BOOST_AUTO_TEST_CASE(operations_of_many_files_are_cancelled_file_by_file) {
    constexpr std::size_t files = 300, operations = 300'000 / files;
    blocked_pool pool;
    file f = pool.open();
    pool.hold_thread(f);
    std::vector<file> opened;
    std::vector<outcome> results(files * operations);
    for (std::size_t i = 0; i != files; ++i)
        opened.emplace_back(pool.ctx, pool.folder.file("file"), file_base::read_write);
    for (std::size_t i = 0; i != results.size(); ++i)
        opened[i % files].async_write_some_at(0, asio::buffer(pool.bytes), results[i].handler());
    pool.ctx.poll(); // submits them to the pool's queue
    for (file& each : opened)
        each.close();
    pool.ctx.restart();
    pool.ctx.poll();
    std::size_t aborted = 0;
    for (const outcome& each : results)
        aborted += each.calls == 1 && each.ec == asio::error::operation_aborted;
    BOOST_TEST(aborted == results.size());
    pool.finish();
}

ENGINE_TEST(a_write_that_has_written_bytes_reports_them_when_its_rest_is_cancelled) {
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
    use_faulty_engine(env, [](detail::operation& op) -> std::optional<int> {
        op.advance(2);
        return -ECANCELED;
    });
    file f = env.open();
    const outcome written = write_at(env, f, 0, {asio::buffer("abcdef", 6)});
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == 2u);
    char back[6];
    // A cancelled read reports no bytes: the program can read them again.
    const outcome read = read_at(env, f, 0, {asio::buffer(back)});
    BOOST_TEST(read.ec == asio::error::operation_aborted);
    BOOST_TEST(read.bytes == 0u);
    BOOST_TEST(asio_aio::statistics(env.ctx).cancelled == 1u);
    BOOST_TEST(asio_aio::statistics(env.ctx).bytes_written == 2u);
}

ENGINE_TEST(cancelling_an_idle_or_closed_file_does_nothing) {
    file f = env.open();
    f.cancel();
    f.close();
    error_code ec;
    BOOST_TEST(f.cancel(ec) == asio::error::bad_descriptor);
    BOOST_CHECK_THROW(f.cancel(), boost::system::system_error);
}
