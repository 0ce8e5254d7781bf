// SPDX-License-Identifier: BSL-1.0
// basic_stream_file_aio: order, position, cancellation and ends. drop_in_test.cpp compares the
// class with Asio's.
#include "engine_support.hpp"
#include "results.hpp"

#include <asio_aio/stream_file_aio.hpp>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace test;
using asio_aio::stream_file_aio;

namespace {

constexpr auto aborted = asio::error::operation_aborted;
constexpr auto read_write_create = file_base::read_write | file_base::create;

stream_file_aio open_stream(
    environment& env, file_base::flags flags = read_write_create, std::string_view name = "file") {
    return {env.ctx, env.path(name), flags};
}

outcome read(environment& env, stream_file_aio& f, const asio::mutable_buffer& into) {
    outcome result;
    f.async_read_some(into, result.handler());
    BOOST_TEST(result.calls == 0);
    env.run();
    BOOST_TEST(result.calls == 1);
    return result;
}

outcome write(environment& env, stream_file_aio& f, const std::string& bytes) {
    outcome result;
    f.async_write_some(asio::buffer(bytes), result.handler());
    BOOST_TEST(result.calls == 0);
    env.run();
    BOOST_TEST(result.calls == 1);
    return result;
}

std::uint64_t position(stream_file_aio& f) {
    return f.seek(0, file_base::seek_cur);
}

void run_until_called(environment& env, const outcome& result) {
    while (result.calls == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
}

/// Makes the context's reads go to an engine.
void read_without_inline(environment& env) {
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
}

template <typename Buffers, typename = void>
struct is_read_into : std::false_type {};
template <typename Buffers>
struct is_read_into<
    Buffers,
    std::void_t<decltype(std::declval<stream_file_aio&>().async_read_some(
        std::declval<Buffers>(), std::declval<void (*)(error_code, std::size_t)>()))>>
    : std::true_type {};

static_assert(is_read_into<asio::mutable_buffer>::value);
static_assert(!is_read_into<asio::const_buffer>::value);

/// An allocator without memory.
template <typename T>
struct no_memory {
    using value_type = T;

    no_memory() = default;
    template <typename U>
    no_memory(const no_memory<U>&) noexcept {}

    T* allocate(std::size_t) { throw std::bad_alloc(); }
    void deallocate(T*, std::size_t) noexcept {}
    friend bool operator==(const no_memory&, const no_memory&) { return true; }
};

} // namespace

ENGINE_TEST(a_read_of_a_pipe_gets_what_is_there) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    stream_file_aio f(env.ctx, ends[0]);
    BOOST_REQUIRE(::write(ends[1], "five!", 5) == 5);
    std::string back(100, '#');
    const outcome result = read(env, f, asio::buffer(back));
    BOOST_TEST(result.bytes == 5u);
    ::close(ends[1]);
    BOOST_TEST(read(env, f, asio::buffer(back)).ec == asio::error::eof);
}

ENGINE_TEST(an_initiation_that_throws_moves_no_position) {
    set_content(env.path(), pattern(100));
    stream_file_aio f = open_stream(env);
    char bytes[10];
    BOOST_TEST(f.read_some(asio::buffer(bytes)) == 10u); // now in memory
    const auto executor = asio::make_strand(env.ctx);
    BOOST_CHECK_THROW(
        f.async_read_some(
            asio::buffer(bytes),
            asio::bind_allocator(
                no_memory<void>(), asio::bind_executor(executor, [](error_code, std::size_t) {}))),
        std::bad_alloc);
    BOOST_TEST(f.seek(0, file_base::seek_cur) == 10u);
    BOOST_TEST(read(env, f, asio::buffer(bytes)).bytes == 10u); // its turn is free
    BOOST_TEST(std::string(bytes, 10) == pattern(100).substr(10, 10));
}

ENGINE_TEST(two_threads_that_start_reads_get_each_byte_once) {
    constexpr std::uint32_t records = 20'000;
    std::string all(records * sizeof(std::uint32_t), '#');
    for (std::uint32_t i = 0; i != records; ++i)
        std::memcpy(&all[i * sizeof i], &i, sizeof i);
    set_content(env.path(), all);
    stream_file_aio f = open_stream(env);
    std::vector<std::uint32_t> got(records, records);
    std::vector<std::atomic<int>> seen(records);
    const auto start = [&](std::size_t first) {
        for (std::size_t i = first; i != first + records / 2; ++i)
            f.async_read_some(
                asio::buffer(&got[i], sizeof got[i]), [&, i](error_code, std::size_t) {
                    if (got[i] < records)
                        ++seen[got[i]];
                });
    };
    std::thread other([&] { start(records / 2); });
    start(0);
    other.join();
    env.run();
    BOOST_TEST(std::ranges::count_if(seen, [](const auto& n) { return n != 1; }) == 0);
}

ENGINE_TEST(a_fork_completes_what_waits_for_a_lone_operation) {
    set_content(env.path(), pattern(100));
    asio_aio::options options = env.options();
    options.inline_read_limit = 0; // the ring itself reads cached data in the initiating function
    asio_aio::configure(env.ctx, options);
    stream_file_aio f = open_stream(env);
    char first[10], second[10];
    outcome one, other;
    asio::post(env.ctx, [&] {
        f.async_read_some(asio::buffer(first), one.handler());
        f.async_read_some(asio::buffer(second), other.handler());
    });
    BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
    env.ctx.notify_fork(asio::execution_context::fork_prepare);
    BOOST_TEST(f.seek(0, file_base::seek_cur) == 20u); // otherwise both processes would read
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    env.run();
    BOOST_TEST(one.bytes == 10u);
    BOOST_TEST(other.bytes == 10u);
}

ENGINE_TEST(handlers_are_called_in_the_order_of_their_operations) {
    set_content(env.path(), pattern(1000));
    stream_file_aio f = open_stream(env);
    char bytes[10];
    BOOST_TEST(f.read_some(asio::buffer(bytes)) == 10u); // now in memory
    for (int round = 0; round != 200; ++round) {
        f.seek(0, file_base::seek_set);
        std::vector<int> order;
        f.async_write_some(
            asio::buffer("x", 1), [&](error_code, std::size_t) { order.push_back(1); });
        f.async_read_some(
            asio::buffer(bytes), [&](error_code, std::size_t) { order.push_back(2); });
        env.run();
        BOOST_REQUIRE((order == std::vector{1, 2}));
    }
}

// --- Order and position ---

ENGINE_TEST(writes_that_are_started_at_once_are_appended_in_order) {
    stream_file_aio f = open_stream(env);
    std::string expected, order;
    std::deque<std::string> parts;
    for (unsigned i = 0; i != 1000; ++i) {
        parts.push_back(pattern(1 + i % 300, i));
        expected += parts.back();
        f.async_write_some(asio::buffer(parts.back()), [&, i](error_code ec, std::size_t n) {
            order += !ec && n == parts[i].size() ? 'w' : '?';
        });
    }
    env.run();
    BOOST_TEST(order == std::string(1000, 'w'));
    BOOST_TEST((content(env.path()) == expected));
    BOOST_TEST(position(f) == expected.size());
}

ENGINE_TEST(reads_that_are_started_at_once_get_consecutive_bytes) {
    for (const bool inline_reads : {true, false}) {
        environment own(env.engine, env.folder.path());
        if (!inline_reads)
            read_without_inline(own);
        const std::string bytes = pattern(100'000);
        set_content(own.path(), bytes);
        stream_file_aio f = open_stream(own, file_base::read_only);
        constexpr std::size_t count = 1000, size = 100;
        std::string back(count * size, '\0');
        std::deque<outcome> results(count);
        for (std::size_t i = 0; i != count; ++i)
            f.async_read_some(asio::buffer(back.data() + i * size, size), results[i].handler());
        own.run();
        for (const outcome& each : results)
            BOOST_REQUIRE(each.bytes == size);
        BOOST_TEST((back == bytes));
        BOOST_TEST(position(f) == bytes.size());
        char byte = 0;
        BOOST_TEST(read(own, f, asio::buffer(&byte, 1)).ec == asio::error::eof);
    }
}

ENGINE_TEST(reads_and_writes_share_the_position) {
    set_content(env.path(), "0123456789");
    stream_file_aio f = open_stream(env);
    outcome results[4];
    char first[2], second[3];
    f.async_read_some(asio::buffer(first), results[0].handler());
    f.async_write_some(asio::buffer("ab", 2), results[1].handler());
    f.async_read_some(asio::buffer(second), results[2].handler());
    f.async_write_some(asio::buffer("cdef", 4), results[3].handler());
    env.run();
    for (const outcome& each : results)
        BOOST_TEST(!each.ec);
    BOOST_TEST(std::string(first, 2) == "01");
    BOOST_TEST(std::string(second, 3) == "456");
    BOOST_TEST(content(env.path()) == "01ab456cdef");
    BOOST_TEST(position(f) == 11u);
}

ENGINE_TEST(a_short_read_moves_the_position_by_what_was_read) {
    const std::string bytes = pattern(5000);
    set_content(env.path(), bytes);
    for (const bool cold : {false, true}) {
        if (cold)
            make_cold(env.path());
        stream_file_aio f = open_stream(env);
        f.seek(4096, file_base::seek_set);
        std::string back(4096, '\0');
        BOOST_TEST(read(env, f, asio::buffer(back)).bytes == 904u);
        BOOST_TEST((back.substr(0, 904) == bytes.substr(4096)));
        BOOST_TEST(position(f) == 5000u);
        BOOST_TEST(read(env, f, asio::buffer(back)).ec == asio::error::eof);
        BOOST_TEST(position(f) == 5000u);
        file grower = env.open(); // the end moves
        BOOST_TEST(write_at(env, grower, 5000, {asio::buffer("xy", 2)}).bytes == 2u);
        BOOST_TEST(read(env, f, asio::buffer(back)).bytes == 2u);
        BOOST_TEST(back.substr(0, 2) == "xy");
        grower.resize(5000);
    }
}

ENGINE_TEST(a_failed_operation_leaves_the_position_and_lets_the_next_one_run) {
    set_content(env.path(), "0123456789");
    stream_file_aio f = open_stream(env, file_base::read_only);
    char back[4] = {};
    outcome first, failed, second;
    f.async_read_some(asio::buffer(back, 2), first.handler());
    f.async_write_some(asio::buffer("x", 1), failed.handler());
    f.async_read_some(asio::buffer(back + 2, 2), second.handler());
    env.run();
    BOOST_TEST(first.bytes == 2u);
    BOOST_TEST(failed.ec == asio::error::bad_descriptor);
    BOOST_TEST(second.bytes == 2u);
    BOOST_TEST(std::string(back, 4) == "0123");
    BOOST_TEST(position(f) == 4u);
}

ENGINE_TEST(seek_counts_from_each_basis_and_refuses_what_the_kernel_refuses) {
    set_content(env.path(), "0123456789");
    stream_file_aio f = open_stream(env);
    constexpr auto max = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(f.seek(4, file_base::seek_set) == 4u);
    BOOST_TEST(f.seek(-1, file_base::seek_cur) == 3u);
    BOOST_TEST(f.seek(-2, file_base::seek_end) == 8u);
    error_code ec;
    for (const auto& [offset, basis] :
         {std::pair{std::int64_t(-1), file_base::seek_set},
          std::pair{std::int64_t(-9), file_base::seek_cur}, std::pair{max, file_base::seek_cur}}) {
        BOOST_TEST(f.seek(offset, basis, ec) == 0u);
        BOOST_TEST(bool(ec));
        BOOST_TEST(position(f) == 8u);
    }
    BOOST_TEST((thrown_by([&] { f.seek(-1, file_base::seek_set); }) == errno_code(EINVAL)));
    BOOST_TEST(f.seek(20, file_base::seek_set, ec) == 20u);
    BOOST_TEST(!ec);
    BOOST_TEST(write(env, f, "end").bytes == 3u); // leaves a hole
    BOOST_TEST(content(env.path()) == "0123456789" + std::string(10, '\0') + "end");
    f.close();
    BOOST_TEST(f.seek(0, file_base::seek_set, ec) == 0u);
    BOOST_TEST(ec == asio::error::bad_descriptor);
}

ENGINE_TEST(an_appended_write_goes_to_the_end) {
    set_content(env.path(), "0123");
    stream_file_aio f = open_stream(env, file_base::read_write | file_base::append);
    char back[2];
    BOOST_TEST(read(env, f, asio::buffer(back)).bytes == 2u);
    BOOST_TEST(write(env, f, "ab").bytes == 2u);
    BOOST_TEST(content(env.path()) == "0123ab");
    BOOST_TEST(position(f) == 6u);
}

ENGINE_TEST(the_position_belongs_to_the_descriptor) {
    set_content(env.path(), "0123456789");
    const int fd = ::open(env.path().c_str(), O_RDONLY | O_CLOEXEC);
    BOOST_REQUIRE(::lseek(fd, 3, SEEK_SET) == 3);
    stream_file_aio f(env.ctx, fd);
    char back[2];
    BOOST_TEST(read(env, f, asio::buffer(back)).bytes == 2u);
    BOOST_TEST(std::string(back, 2) == "34");
    BOOST_TEST(f.read_some(asio::buffer(back)) == 2u);
    BOOST_TEST(std::string(back, 2) == "56");
    const int released = f.release();
    BOOST_TEST(::lseek(released, 0, SEEK_CUR) == 7);
    ::close(released);
}

ENGINE_TEST(a_pipe_is_a_stream) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    stream_file_aio reader(env.ctx, ends[0]), writer(env.ctx, ends[1]);
    outcome read, written;
    char back[8] = {};
    reader.async_read_some(asio::buffer(back), read.handler());
    env.ctx.poll();
    BOOST_TEST(read.calls == 0);
    writer.async_write_some(asio::buffer("pipe", 4), written.handler());
    env.run();
    BOOST_TEST(written.bytes == 4u);
    BOOST_TEST(read.bytes == 4u);
    BOOST_TEST(std::string(back) == "pipe");
    error_code ec;
    reader.seek(0, file_base::seek_set, ec);
    BOOST_TEST(ec == errno_code(ESPIPE));
    writer.close();
    reader.async_read_some(asio::buffer(back), read.handler());
    env.run();
    BOOST_TEST(read.ec == asio::error::eof);
}

ENGINE_TEST(cached_reads_are_inline_and_in_order) {
    const std::string bytes = pattern(64 * 1024);
    set_content(env.path(), bytes);
    stream_file_aio f = open_stream(env, file_base::read_only);
    std::string back(bytes.size(), '\0');
    for (std::size_t at = 0; at != back.size(); at += 4096)
        BOOST_REQUIRE(read(env, f, asio::buffer(back.data() + at, 4096)).bytes == 4096u);
    BOOST_TEST((back == bytes));
    BOOST_TEST(asio_aio::statistics(env.ctx).inline_hits == 16u);
}

// --- Asio's composed operations ---

ENGINE_TEST(the_composed_operations_of_asio_work_on_it) {
    std::string lines;
    for (unsigned i = 0; i != 2000; ++i)
        lines += std::string(i % 97, char('a' + i % 26)) + '\n';
    stream_file_aio f = open_stream(env);
    outcome written;
    asio::async_write(f, asio::buffer(lines), written.handler());
    env.run();
    BOOST_TEST(written.bytes == lines.size());
    f.seek(0, file_base::seek_set);

    std::string buffer, found;
    error_code last;
    std::function<void()> next = [&] {
        asio::async_read_until(
            f, asio::dynamic_buffer(buffer), '\n', [&](error_code ec, std::size_t n) {
                found += buffer.substr(0, n);
                buffer.erase(0, n);
                last = ec;
                if (!ec)
                    next();
            });
    };
    next();
    env.run();
    BOOST_TEST(last == asio::error::eof);
    BOOST_TEST((found == lines));

    f.seek(0, file_base::seek_set);
    std::string back(lines.size(), '\0');
    BOOST_TEST(asio::read(f, asio::buffer(back)) == lines.size());
    BOOST_TEST((back == lines));
    BOOST_TEST(asio::write(f, asio::buffer("tail", 4)) == 4u);
    f.seek(-4, file_base::seek_end);
    outcome tail;
    asio::async_read(f, asio::buffer(back.data(), 4), tail.handler());
    env.run();
    BOOST_TEST(back.substr(0, 4) == "tail");
}

// --- Cancellation and ends ---

ENGINE_TEST(operations_that_wait_for_their_turn_are_cancelled_at_once) {
    enum class how { file, slot, close, end };
    for (const how each : {how::file, how::slot, how::close, how::end}) {
        BOOST_TEST_CONTEXT("how " << int(each)) {
            environment own(env.engine, env.folder.path());
            int ends[2];
            BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);           // its reads wait
            const int spare = ::fcntl(ends[0], F_DUPFD_CLOEXEC, 0); // for a write after a close
            std::optional<stream_file_aio> f(std::in_place, own.ctx, ends[0]);
            asio::cancellation_signal signal;
            outcome running, waiting, last;
            char back[3] = {};
            f->async_read_some(asio::buffer(back, 1), running.handler());
            f->async_read_some(
                asio::buffer(back + 1, 1),
                asio::bind_cancellation_slot(signal.slot(), waiting.handler()));
            f->async_read_some(asio::buffer(back + 2, 1), last.handler());
            while (asio_aio::statistics(own.ctx).threads == 0)
                BOOST_REQUIRE(run_one_with_deadline(own.ctx) == 1u);
            switch (each) {
            case how::file: f->cancel(); break;
            case how::slot: signal.emit(asio::cancellation_type::terminal); break;
            case how::close: f->close(); break;
            case how::end: f.reset(); break;
            }
            run_until_called(own, waiting);
            BOOST_TEST(waiting.ec == aborted);
            if (each != how::slot) {
                run_until_called(own, last);
                BOOST_TEST(last.ec == aborted);
            }
            BOOST_REQUIRE(::write(ends[1], "xyz", 3) == 3);
            own.run();
            BOOST_TEST(running.calls == 1); // with its result, or cancelled before it began
            if (each == how::slot) {
                BOOST_TEST(running.bytes == 1u);
                BOOST_TEST(last.bytes == 1u); // in the order of the others
                BOOST_TEST(back[2] == 'y');
            }
            ::close(ends[1]);
            ::close(spare);
        }
    }
}

ENGINE_TEST(after_a_cancellation_the_file_goes_on_where_it_was) {
    set_content(env.path(), pattern(4000));
    for (unsigned round = 0; round != 50; ++round) {
        environment own(env.engine, env.folder.path());
        read_without_inline(own);
        stream_file_aio f(own.ctx, env.path(), file_base::read_only);
        std::deque<outcome> results(20);
        std::string back(2000, '\0');
        for (std::size_t i = 0; i != 20; ++i)
            f.async_read_some(asio::buffer(back.data() + 100 * i, 100), results[i].handler());
        for (unsigned turns = round % 5; turns != 0; --turns)
            own.ctx.poll_one();
        f.cancel();
        run_until_idle(own.ctx);
        std::size_t moved = 0;
        for (std::size_t i = 0; i != 20; ++i) {
            BOOST_REQUIRE(results[i].calls == 1);
            BOOST_REQUIRE((results[i].ec == aborted || results[i].bytes == 100));
            if (!results[i].ec) {
                BOOST_REQUIRE((back.substr(100 * i, 100) == pattern(4000).substr(moved, 100)));
                moved += 100;
            }
        }
        BOOST_REQUIRE(position(f) == moved);
        std::string rest(100, '\0');
        BOOST_REQUIRE(read(own, f, asio::buffer(rest)).bytes == 100u);
        BOOST_REQUIRE((rest == pattern(4000).substr(moved, 100)));
    }
}

ENGINE_TEST(a_hundred_thousand_operations_wait_and_are_cancelled) {
    stream_file_aio f = open_stream(env);
    constexpr unsigned count = 100'000;
    unsigned ended = 0, cancelled = 0;
    for (unsigned i = 0; i != count; ++i)
        f.async_write_some(asio::buffer("x", 1), [&](error_code ec, std::size_t) {
            ++ended;
            cancelled += ec == aborted;
        });
    f.cancel();
    run_until_idle(env.ctx);
    BOOST_TEST(ended == count);
    BOOST_TEST(cancelled == count); // none had begun
    BOOST_TEST(content(env.path()).empty());
}

ENGINE_TEST(a_stream_moves_while_operations_are_in_flight) {
    std::optional<stream_file_aio> f(std::in_place, open_stream(env));
    std::deque<outcome> results(20);
    for (std::size_t i = 0; i != 10; ++i)
        f->async_write_some(asio::buffer("a", 1), results[i].handler());
    stream_file_aio g(std::move(*f));
    f.reset();
    for (std::size_t i = 10; i != 20; ++i)
        g.async_write_some(asio::buffer("b", 1), results[i].handler());
    env.run();
    for (const outcome& each : results)
        BOOST_TEST(each.bytes == 1u);
    BOOST_TEST(content(env.path()) == std::string(10, 'a') + std::string(10, 'b'));
}

ENGINE_TEST(a_stream_is_closed_after_the_operation_that_runs) {
    stream_file_aio f = open_stream(env);
    const std::size_t before = count_descriptors();
    int calls = 0;
    for (int i = 0; i != 10; ++i)
        f.async_write_some(asio::buffer("a", 1), [&](error_code, std::size_t) { ++calls; });
    f.async_close([&](error_code ec) {
        BOOST_TEST(!ec);
        BOOST_TEST(calls == 10);
        calls = 100;
    });
    env.run();
    BOOST_TEST(calls == 100);
    BOOST_TEST(count_descriptors() < before + 2); // the engine may have opened one
}

ENGINE_TEST(a_context_is_destroyed_while_operations_wait_for_their_turn) {
    const auto alive = std::make_shared<int>(0);
    for (const unsigned turns : {0u, 1u, 3u}) {
        environment own(env.engine, env.folder.path());
        stream_file_aio f(own.ctx, own.path(), read_write_create);
        for (int i = 0; i != 100; ++i)
            f.async_write_some(
                asio::buffer("a", 1), [alive](error_code, std::size_t) { ++*alive; });
        for (unsigned i = 0; i != turns; ++i)
            own.ctx.poll_one();
    }
    BOOST_TEST(alive.use_count() == 1);
}

ENGINE_TEST(a_process_may_fork_while_operations_wait_for_their_turn) {
    stream_file_aio f = open_stream(env);
    std::deque<outcome> results(50);
    for (outcome& each : results)
        f.async_write_some(asio::buffer("a", 1), each.handler());
    env.ctx.notify_fork(asio::execution_context::fork_prepare); // completes all of them
    BOOST_TEST(content(env.path()) == std::string(50, 'a'));
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    env.run();
    for (const outcome& each : results)
        BOOST_TEST(each.bytes == 1u);
}

ENGINE_TEST(streams_do_not_wait_for_each_other) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    stream_file_aio blocked(env.ctx, ends[0]), f = open_stream(env);
    outcome waiting[2], written[3];
    char back[2];
    for (outcome& each : waiting)
        blocked.async_read_some(asio::buffer(back, 1), each.handler());
    for (outcome& each : written)
        f.async_write_some(asio::buffer("a", 1), each.handler());
    run_until_called(env, written[2]);
    BOOST_TEST(content(env.path()) == "aaa");
    BOOST_TEST(waiting[0].calls == 0);
    BOOST_REQUIRE(::write(ends[1], "xy", 2) == 2);
    env.run();
    BOOST_TEST(waiting[1].bytes == 1u);
    ::close(ends[1]);
}
