// SPDX-License-Identifier: BSL-1.0
// Many operations in flight at once.
#include "results.hpp"

#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <deque>
#include <memory>
#include <thread>

using namespace test;

namespace {

/// Fails unless every operation completed once, without an error, and moved `bytes` bytes.
void expect_all(const std::deque<outcome>& results, std::size_t bytes) {
    for (std::size_t i = 0; i < results.size(); ++i)
        BOOST_TEST_CONTEXT("operation " << i) {
            BOOST_TEST(results[i].calls == 1);
            BOOST_TEST(!results[i].ec);
            BOOST_TEST(results[i].bytes == bytes);
        }
}

/// Turns inline reads off, and limits the engine's queue to `depth` operations.
void limit(environment& env, unsigned depth) {
    asio_aio::options opts = env.options();
    opts.queue_depth = depth;
    opts.max_threads = depth;
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
}

/// Starts `count` adjacent writes of `size` bytes at once, and then as many reads of the same
/// bytes.
void write_and_read_back(environment& env, file& f, std::size_t count, std::size_t size) {
    const std::string bytes = pattern(count * size);
    std::deque<outcome> written(count);
    for (std::size_t i = 0; i < count; ++i)
        f.async_write_some_at(
            i * size, asio::buffer(bytes.data() + i * size, size), written[i].handler());
    env.run();
    expect_all(written, size);
    BOOST_TEST((content(env.path()) == bytes));
    std::string back(bytes.size(), '\0');
    std::deque<outcome> read(count);
    for (std::size_t i = 0; i < count; ++i)
        f.async_read_some_at(
            i * size, asio::buffer(back.data() + i * size, size), read[i].handler());
    env.run();
    expect_all(read, size);
    BOOST_TEST((back == bytes));
}

/// Raises the limit of descriptors by `count` until the destructor.
class raised_descriptor_limit {
public:
    explicit raised_descriptor_limit(rlim_t count) {
        BOOST_REQUIRE_EQUAL(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const rlim_t wanted = count + count_descriptors();
        enough_ = before_.rlim_cur >= wanted;
        rlimit raised = before_;
        raised.rlim_cur = std::min(wanted, before_.rlim_max);
        if (!enough_)
            enough_ = ::setrlimit(RLIMIT_NOFILE, &raised) == 0 && raised.rlim_cur == wanted;
    }
    raised_descriptor_limit(const raised_descriptor_limit&) = delete;
    raised_descriptor_limit& operator=(const raised_descriptor_limit&) = delete;
    ~raised_descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    bool enough() const { return enough_; }

private:
    rlimit before_{};
    bool enough_;
};

/// A handler that counts its calls; `called.use_count()` counts the handlers that exist.
struct counted_handler {
    void operator()(error_code, std::size_t) { ++*called; }

    std::shared_ptr<int> called;
};

} // namespace

ENGINE_TEST(thirty_two_small_writes_at_once_all_land) {
    file f = env.open();
    std::string bytes;
    std::deque<outcome> written(32);
    for (std::size_t i = 0; i < written.size(); ++i)
        bytes += {char('a' + i % 26), char(i), char(~i), '.'};
    for (std::size_t i = 0; i < written.size(); ++i)
        f.async_write_some_at(4 * i, asio::buffer(bytes.data() + 4 * i, 4), written[i].handler());
    env.run();
    expect_all(written, 4);
    f.sync_data();
    std::string back(128, '\0');
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 128u);
    BOOST_TEST((back == bytes));
}

ENGINE_TEST(thirty_two_cold_reads_at_once_each_get_their_own_bytes) {
    constexpr std::size_t count = 32, size = 8192;
    const std::string bytes = pattern(count * size);
    set_content(env.path(), bytes);
    make_cold(env.path());
    file f = env.open();
    std::vector<std::string> back(count, std::string(size, '\0'));
    std::deque<outcome> read(count);
    for (std::size_t i = count; i-- != 0;) // backwards: no read-ahead
        f.async_read_some_at(i * size, asio::buffer(back[i]), read[i].handler());
    env.run();
    expect_all(read, size);
    for (std::size_t i = 0; i < count; ++i)
        BOOST_TEST((back[i] == bytes.substr(i * size, size)), "read " << i);
}

ENGINE_TEST(more_operations_than_the_queue_holds_wait_for_their_turn) {
    limit(env, 2);
    file f = env.open();
    write_and_read_back(env, f, 40, 100);
}

ENGINE_TEST(sixty_four_times_the_depth_of_the_queue_is_no_error) {
    for (const unsigned depth : {1u, 4u, 32u}) {
        BOOST_TEST_CONTEXT("depth " << depth) {
            environment narrow(env.engine);
            limit(narrow, depth);
            file f = narrow.open();
            write_and_read_back(narrow, f, 64 * depth, 64);
            const auto counted = asio_aio::statistics(narrow.ctx);
            BOOST_TEST(counted.started == 2u * 64 * depth);
            BOOST_TEST(counted.completed == counted.started);
            BOOST_TEST(counted.failed == 0u);
            BOOST_TEST(counted.in_flight == 0u);
        }
    }
}

ENGINE_TEST(a_context_destroyed_half_way_drops_the_other_half) {
    constexpr int count = 64 * 4;
    const std::string bytes = pattern(64);
    const auto called = std::make_shared<int>(0);
    {
        asio::io_context ctx;
        asio_aio::options opts = env.options();
        opts.queue_depth = opts.max_threads = 4;
        asio_aio::configure(ctx, opts);
        file f(ctx, env.path(), file_base::read_write | file_base::create);
        for (int i = 0; i < count; ++i)
            f.async_write_some_at(
                std::uint64_t(i) * 64, asio::buffer(bytes), counted_handler{called});
        while (*called < count / 2)
            BOOST_REQUIRE(run_one_with_deadline(ctx) == 1u);
        BOOST_TEST(*called == count / 2);
        BOOST_TEST(called.use_count() == 1 + count / 2);
    }
    BOOST_TEST(*called == count / 2);
    BOOST_TEST(called.use_count() == 1); // all handlers are destroyed
}

ENGINE_TEST(four_thousand_syncs_at_once_all_complete) {
    file f = env.open();
    f.write_some_at(0, asio::buffer("12345", 5));
    constexpr int count = 4000;
    int completed = 0;
    for (int i = 0; i < count; ++i)
        f.async_sync_data([&](error_code ec) {
            BOOST_TEST(!ec);
            ++completed;
        });
    BOOST_TEST(completed == 0);
    env.run();
    BOOST_TEST(completed == count);
}

ENGINE_TEST(reads_of_a_file_that_is_cut_meanwhile_get_its_bytes_or_eof) {
    constexpr std::size_t size = 16 << 10, count = 64;
    limit(env, 4);
    file other = env.open("file");
    for (int round = 0; round < 20; ++round) {
        BOOST_TEST_CONTEXT("round " << round) {
            set_content(env.path(), std::string(size * count, 'x'));
            file f = env.open();
            std::vector<std::string> back(count, std::string(size, '#'));
            std::deque<outcome> read(count);
            for (std::size_t i = 0; i < count; ++i)
                f.async_read_some_at(i * size, asio::buffer(back[i]), read[i].handler());
            env.ctx.restart();
            env.ctx.poll(); // submits them to the engine
            other.resize(std::size_t(round) * size + 100);
            env.run();
            for (std::size_t i = 0; i < count; ++i) {
                BOOST_TEST(read[i].calls == 1);
                BOOST_TEST(
                    (read[i].ec ==
                     (read[i].bytes == 0 ? error_code(asio::error::eof) : error_code())));
                // The kernel may already have zeroed a page that is being cut off.
                BOOST_TEST(
                    back[i].substr(0, read[i].bytes).find_first_not_of(std::string("x\0", 2)) ==
                    std::string::npos);
                BOOST_TEST(back[i].find_first_not_of('#', read[i].bytes) == std::string::npos);
            }
        }
    }
}

ENGINE_TEST(a_thousand_files_are_read_at_once) {
    constexpr std::size_t count = 1000;
    const raised_descriptor_limit room(count + 50);
    if (!room.enough())
        return say_skipped("not enough descriptors");
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0; // every read goes to the engine
    asio_aio::configure(env.ctx, opts);
    std::vector<file> files;
    for (std::size_t i = 0; i < count; ++i) {
        files.push_back(env.open(std::to_string(i)));
        files.back().write_some_at(0, asio::buffer(pattern(100, unsigned(i))));
    }
    std::vector<std::string> back(count, std::string(200, '\0'));
    std::deque<outcome> read(count);
    for (std::size_t i = 0; i < count; ++i)
        files[i].async_read_some_at(0, asio::buffer(back[i]), read[i].handler());
    env.run();
    expect_all(read, 100);
    for (std::size_t i = 0; i < count; ++i)
        BOOST_TEST((back[i].substr(0, 100) == pattern(100, unsigned(i))), "file " << i);
}

ENGINE_TEST(a_lone_operation_is_submitted_at_once_and_a_burst_as_one_batch) {
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
    constexpr std::size_t burst = 1000;
    const std::string bytes = pattern(burst);
    set_content(env.path(), bytes);
    file f = env.open();
    std::string back(burst, '\0'), lone(burst, '\0');
    std::deque<outcome> results(1 + burst);
    asio::post(env.ctx, [&] {
        f.async_read_some_at(0, asio::buffer(lone), results[burst].handler());
        BOOST_TEST(asio_aio::statistics(env.ctx).batches == 1u);
        BOOST_TEST(results[burst].calls == 0);
        for (std::size_t i = 0; i != burst; ++i)
            f.async_read_some_at(i, asio::buffer(&back[i], 1), results[i].handler());
        BOOST_TEST(asio_aio::statistics(env.ctx).batches == 1u);
    });
    env.run();
    BOOST_TEST(asio_aio::statistics(env.ctx).batches == 2u);
    BOOST_TEST(asio_aio::statistics(env.ctx).largest_batch == burst);
    BOOST_TEST(std::all_of(
        results.begin(), results.end(), [](const outcome& one) { return one.calls == 1; }));
    BOOST_TEST((lone == bytes));
    BOOST_TEST((back == bytes));
}

ENGINE_TEST(one_file_is_used_from_several_threads_at_once) {
    constexpr std::size_t threads = 4, each = 100, size = 512;
    const std::string bytes = pattern(threads * each * size);
    file f = env.open();
    std::vector<std::deque<outcome>> written(threads, std::deque<outcome>(each));
    {
        std::vector<std::jthread> starters;
        for (std::size_t t = 0; t < threads; ++t)
            starters.emplace_back([&, t] {
                for (std::size_t i = 0; i < each; ++i) {
                    const std::size_t at = (t * each + i) * size;
                    const auto buffer = asio::buffer(bytes.data() + at, size);
                    if (i % 2 == 0) {
                        f.async_write_some_at(at, buffer, written[t][i].handler());
                        continue;
                    }
                    written[t][i].handler()(error_code(), f.write_some_at(at, buffer));
                    std::string back(size, '\0');
                    f.read_some_at(at, asio::buffer(back));
                    if (i % 50 == 1)
                        f.sync_data();
                }
            });
        // Some operations start while `run` runs, others after `run` has returned.
        starters.emplace_back([&] { run_with_deadline(env.ctx); });
    }
    env.run();
    for (const auto& of_thread : written)
        expect_all(of_thread, size);
    BOOST_TEST((content(env.path()) == bytes));
}
