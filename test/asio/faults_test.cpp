// SPDX-License-Identifier: BSL-1.0
// Errors, refusals and short results of the kernel, injected between the service and the engine.
#include "engine_support.hpp"

#include <algorithm>
#include <boost/asio/write_at.hpp>

#include <fcntl.h>
#include <atomic>
#include <cerrno>
#include <thread>

using namespace test;
using detail::operation;

namespace {

/// Completes the first `times` operations with `result`.
faulty_engine::script first(int times, int result) {
    return [times, result](operation&) mutable -> std::optional<int> {
        if (times == 0)
            return std::nullopt;
        --times;
        return result;
    };
}

} // namespace

BOOST_AUTO_TEST_CASE(the_pool_repeats_after_a_transient_error_and_nobody_sees_it) {
    static int error, left;
    for (int each : {EINTR, EAGAIN, EBUSY}) {
        error = each;
        left = 3;
        environment own(backend::thread_pool);
        use_pool_that_calls(own.ctx, [](operation& op) noexcept {
            return left-- > 0 ? -error : detail::posix_file::perform(op);
        });
        file f = own.open();
        const std::string text = "written at the fourth try";
        const outcome written = write_at(own, f, 0, {asio::buffer(text)});
        BOOST_TEST(!written.ec);
        BOOST_TEST(written.bytes == text.size());
        BOOST_TEST(content(own.path()) == text);
        BOOST_TEST(asio_aio::statistics(own.ctx).retried == 3u);
    }
}

ENGINE_TEST(a_filesystem_that_returns_ecanceled_is_reported_and_the_operation_is_not_repeated) {
    int submitted = 0;
    use_faulty_engine(env, [&](operation&) -> std::optional<int> {
        ++submitted;
        return -ECANCELED;
    });
    file f = env.open();
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).ec == asio::error::operation_aborted);
    BOOST_TEST(submitted == 1);
}

ENGINE_TEST(a_cancellation_that_comes_while_the_operation_is_handed_over_is_not_lost) {
    file* opened = nullptr;
    int submitted = 0;
    use_faulty_engine(env, [&](operation&) -> std::optional<int> {
        ++submitted;
        opened->cancel(); // the operation is neither pending nor with the engine
        return std::nullopt;
    });
    file f = env.open();
    opened = &f;
    const outcome result = write_at(env, f, 0, {asio::buffer("abc", 3)});
    BOOST_TEST(result.ec == asio::error::operation_aborted);
    BOOST_TEST(submitted == 1);
}

ENGINE_TEST(an_error_of_the_device_is_reported_once_and_the_file_goes_on) {
    use_faulty_engine(env, first(1, -EIO));
    file f = env.open();
    const outcome failed = write_at(env, f, 0, {asio::buffer("abc", 3)});
    BOOST_TEST(failed.ec == error_code(EIO, asio::error::get_system_category()));
    BOOST_TEST(failed.bytes == 0u);
    const outcome written = write_at(env, f, 0, {asio::buffer("abc", 3)});
    BOOST_TEST(!written.ec);
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.failed == 1u);
    BOOST_TEST(counted.completed == 2u);
}

ENGINE_TEST(a_short_result_is_a_short_transfer) {
    use_faulty_engine(env, [](operation& op) -> std::optional<int> {
        const_cast<iovec*>(op.iovecs)->iov_len = 2;
        return std::nullopt;
    });
    file f = env.open();
    const outcome written = write_at(env, f, 0, {asio::buffer("abcdef", 6)});
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == 2u);
    BOOST_TEST(content(env.path()) == "ab");
}

ENGINE_TEST(short_results_do_not_stop_composed_operations) {
    use_faulty_engine(env, [](operation& op) -> std::optional<int> {
        const_cast<iovec*>(op.iovecs)->iov_len = std::min<std::size_t>(op.iovecs->iov_len, 7);
        return std::nullopt;
    });
    file f = env.open();
    const std::string bytes = pattern(1000);
    outcome written;
    asio::async_write_at(f, 0, asio::buffer(bytes), written.handler());
    env.run();
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == bytes.size());
    BOOST_TEST((content(env.path()) == bytes));
}

BOOST_AUTO_TEST_CASE(an_operation_that_the_pool_repeats_can_be_cancelled) {
    static std::atomic<int> tries;
    static file* opened;
    static asio::io_context* context;
    tries = 0;
    environment env(backend::thread_pool);
    use_pool_that_calls(env.ctx, [](operation&) noexcept {
        if (++tries == 5)
            asio::post(*context, [] { opened->cancel(); });
        return -EAGAIN; // never succeeds
    });
    file f = env.open();
    opened = &f;
    context = &env.ctx;
    const outcome result = write_at(env, f, 0, {asio::buffer("abc", 3)});
    BOOST_TEST(result.ec == asio::error::operation_aborted);
    BOOST_TEST(result.bytes == 0u);
    BOOST_TEST(tries >= 5);
}

BOOST_AUTO_TEST_CASE(a_context_ends_though_the_pool_repeats_an_operation_for_ever) {
    static std::atomic<int> tries;
    tries = 0;
    bool called = false;
    {
        environment env(backend::thread_pool);
        use_pool_that_calls(env.ctx, [](operation&) noexcept {
            ++tries;
            return -EAGAIN;
        });
        file f = env.open();
        f.async_write_some_at(
            0, asio::buffer("abc", 3), [&](error_code, std::size_t) { called = true; });
        env.ctx.poll();
        while (tries == 0)
            std::this_thread::yield();
        ::close(f.release());
    }
    BOOST_TEST(!called);
}

ENGINE_TEST(what_an_inline_read_moved_is_not_lost_by_an_error_after_it) {
    constexpr std::size_t page = 4096;
    const std::string bytes = pattern(2 * page);
    set_content(env.path(), bytes);
    make_cold(env.path());
    use_faulty_engine(env, [](operation&) -> std::optional<int> { return -EIO; });
    file f = env.open("file", file_base::read_only);
    // Another descriptor reads the first page into memory, without read-ahead.
    {
        file other(env.ctx, env.path(), file_base::read_only);
        BOOST_REQUIRE_EQUAL(::posix_fadvise(other.native_handle(), 0, 0, POSIX_FADV_RANDOM), 0);
        char one;
        BOOST_REQUIRE_EQUAL(other.read_some_at(0, asio::buffer(&one, 1)), 1u);
    }
    std::string back(2 * page, '\0');
    const outcome result = read_at(env, f, 0, {asio::buffer(back)});
    if (!result.ec && result.bytes == bytes.size()) {
        say_skipped("the kernel kept the file in memory"); // dropping pages is only advice
        BOOST_TEST(back == bytes);
    } else if (!result.ec) {
        BOOST_TEST(result.bytes == page);
        BOOST_TEST(asio_aio::statistics(env.ctx).failed == 0u);
        BOOST_TEST(asio_aio::statistics(env.ctx).bytes_read == page);
        BOOST_TEST(back.substr(0, page) == bytes.substr(0, page));
    } else {
        say_skipped("this filesystem refuses RWF_NOWAIT, or did not keep just one page in memory");
        BOOST_TEST(result.ec == error_code(EIO, asio::error::get_system_category()));
    }
}
