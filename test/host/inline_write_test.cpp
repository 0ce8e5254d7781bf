// SPDX-License-Identifier: BSL-1.0
// Small writes to tmpfs, which need no engine.
#include "child.hpp"
#include "engine_support.hpp"
#include "mounts.hpp"
#include "results.hpp"

#include <boost/asio/write_at.hpp>

#include <sys/resource.h>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace test;

namespace {

/// An environment whose folder is on a tmpfs; null, and a message, if there is no tmpfs.
std::unique_ptr<environment> on_tmpfs(environment& env) {
    if (is_tmpfs("/dev/shm"))
        return std::make_unique<environment>(env.engine, "/dev/shm");
    say_skipped("/dev/shm is not a tmpfs");
    return nullptr;
}

std::uint64_t inline_writes(environment& env) {
    return asio_aio::statistics(env.ctx).inline_writes;
}

} // namespace

ENGINE_TEST(a_small_write_to_tmpfs_needs_no_engine) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    file f = own->open();
    const std::string bytes = pattern(1000);
    const auto parts = [&](std::size_t from) {
        return std::vector{
            asio::buffer(bytes.data() + from, 10), asio::buffer(bytes.data() + from + 10, 90)};
    };
    for (std::size_t from = 0; from != 1000; from += 100) {
        const auto two = parts(from);
        BOOST_TEST(write_at(*own, f, from, {two[0], two[1]}).bytes == 100u);
    }
    BOOST_TEST(content(own->path()) == bytes);
    const auto counted = asio_aio::statistics(own->ctx);
    BOOST_TEST(counted.inline_writes == 10u);
    BOOST_TEST(counted.batches == 0u);
    BOOST_TEST(counted.started == 10u);
    BOOST_TEST(counted.completed == 10u);
    BOOST_TEST(counted.bytes_written == 1000u);
    BOOST_TEST(counted.bytes_read == 0u);
}

ENGINE_TEST(a_large_write_uses_an_engine_and_so_does_one_beside_it) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    file f = own->open();
    const std::string large = pattern(1024 * 1024), small = pattern(100, 2);
    outcome first, beside, after;
    f.async_write_some_at(0, asio::buffer(large), first.handler());
    f.async_write_some_at(large.size(), asio::buffer(small), beside.handler());
    own->run();
    BOOST_TEST(first.bytes == large.size());
    BOOST_TEST(beside.bytes == small.size());
    BOOST_TEST(inline_writes(*own) == 0u);
    own->ctx.restart();
    f.async_write_some_at(large.size() + 100, asio::buffer(small), after.handler());
    own->run();
    BOOST_TEST(inline_writes(*own) == 1u);
    BOOST_TEST(content(own->path()) == large + small + small);
}

ENGINE_TEST(a_write_beside_a_resize_or_an_allocation_uses_an_engine) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    file f = own->open();
    outcome beside, after;
    status changed;
    for (const bool allocates : {false, true}) {
        if (allocates)
            f.async_allocate(
                asio_aio::allocate_mode::extend, 0, 1 << 20, changed.handler()); // has the lock
        else
            f.async_resize(0, changed.handler());
        const std::uint64_t before = inline_writes(*own);
        f.async_write_some_at(0, asio::buffer("abc", 3), beside.handler());
        BOOST_TEST(inline_writes(*own) == before);
        own->run();
        own->ctx.restart();
        f.async_write_some_at(0, asio::buffer("abc", 3), after.handler());
        BOOST_TEST(inline_writes(*own) == before + 1);
        own->run();
        own->ctx.restart();
    }
    BOOST_TEST(changed.calls == 2);
    BOOST_TEST(beside.calls == 2);
    BOOST_TEST(after.calls == 2);
}

ENGINE_TEST(an_appending_write_is_not_made_twice_where_a_program_repeats_it) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    file f = own->open("file", file_base::write_only | file_base::append | file_base::create);
    BOOST_TEST(write_at(*own, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    BOOST_TEST(inline_writes(*own) == 0u); // an initiating function that throws wrote nothing
    BOOST_TEST(content(own->path()) == "abc");
}

ENGINE_TEST(the_option_turns_inline_writes_off) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    asio_aio::options options = own->options();
    options.inline_read_limit = 0;
    asio_aio::configure(own->ctx, options);
    file f = own->open();
    BOOST_TEST(write_at(*own, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    BOOST_TEST(inline_writes(*own) == 0u);
}

ENGINE_TEST(errors_of_inline_writes_are_those_of_the_engines) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    set_content(own->path(), "old");
    file read_only = own->open("file", file_base::read_only);
    BOOST_TEST(
        write_at(*own, read_only, 0, {asio::buffer("new", 3)}).ec == asio::error::bad_descriptor);
    file f = own->open();
    const outcome bad = write_at(*own, f, 0, {asio::buffer(reinterpret_cast<char*>(8), 10)});
    BOOST_TEST(bad.ec == errno_code(EFAULT));
    BOOST_TEST(inline_writes(*own) == 0u);
    file appended = own->open("file", file_base::write_only | file_base::append);
    BOOST_TEST(write_at(*own, appended, 0, {asio::buffer("er", 2)}).bytes == 2u);
    BOOST_TEST(content(own->path()) == "older");
}

ENGINE_TEST(a_full_tmpfs_reports_the_bytes_that_fit_and_then_the_error) {
    if (!may_mount())
        return say_skipped("no right to mount");
    const mounted small("tmpfs", env.path("small"), "size=64k");
    BOOST_REQUIRE(small.works());
    file f = env.open("small/file");
    const std::string bytes = pattern(40 * 1024);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer(bytes)}).bytes == bytes.size());
    const outcome short_write = write_at(env, f, bytes.size(), {asio::buffer(bytes)});
    BOOST_TEST(!short_write.ec);
    BOOST_TEST(short_write.bytes == 24u * 1024);
    BOOST_TEST(write_at(env, f, 64 * 1024, {asio::buffer(bytes)}).ec == errno_code(ENOSPC));
}

ENGINE_TEST(a_limit_of_file_sizes_is_an_error_and_no_signal) {
    if (!is_tmpfs("/dev/shm"))
        return say_skipped("/dev/shm is not a tmpfs");
    check_in_child([&] {
        environment own(env.engine, "/dev/shm");
        file f = own.open();
        const rlimit limit{1000, 1000};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 1;
        std::signal(SIGXFSZ, SIG_DFL);
        if (write_at(own, f, 990, {asio::buffer(pattern(100))}).bytes != 10)
            return 2;
        return write_at(own, f, 1000, {asio::buffer(pattern(100))}).ec == errno_code(EFBIG) ? 0 : 3;
    });
}

ENGINE_TEST(threads_that_write_inline_lose_nothing) {
    const auto own = on_tmpfs(env);
    if (!own)
        return;
    constexpr std::size_t count = 5000, block = 64;
    file f = own->open();
    const std::string bytes = pattern(count * block);
    const auto write_every_second = [&](std::size_t first) {
        for (std::size_t i = first; i < count; i += 2)
            asio::async_write_at(
                f, i * block, asio::buffer(bytes.data() + i * block, block),
                [](error_code, std::size_t) {});
        own->ctx.run();
    };
    std::thread other([&] { write_every_second(1); });
    write_every_second(0);
    other.join();
    own->ctx.restart();
    own->run();
    BOOST_TEST((content(own->path()) == bytes));
}
