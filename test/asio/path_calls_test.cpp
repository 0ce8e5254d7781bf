// SPDX-License-Identifier: BSL-1.0
// async_rename, async_remove, async_status, async_create_directory, async_sync_directory.
#include "engine_support.hpp"
#include "inline_executor.hpp"
#include "results.hpp"

#include <asio_aio/path_calls.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/co_spawn.hpp>

#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

using namespace test;
using asio_aio::file_status;
using asio_aio::link_mode;
using asio_aio::rename_mode;

namespace {

error_code rename(
    environment& env, const std::string& from, const std::string& to,
    rename_mode mode = rename_mode::replace) {
    return error_of(
        env, [&](auto handler) { asio_aio::async_rename(env.ctx, from, to, mode, handler); });
}

error_code remove(environment& env, const std::string& path) {
    return error_of(env, [&](auto handler) { asio_aio::async_remove(env.ctx, path, handler); });
}

error_code create_directory(environment& env, const std::string& path) {
    return error_of(
        env, [&](auto handler) { asio_aio::async_create_directory(env.ctx, path, handler); });
}

error_code sync_directory(environment& env, const std::string& path) {
    return error_of(
        env, [&](auto handler) { asio_aio::async_sync_directory(env.ctx, path, handler); });
}

std::pair<error_code, file_status> status_of(
    environment& env, const std::string& path, link_mode mode = link_mode::target) {
    std::pair<error_code, file_status> result;
    int calls = 0;
    asio_aio::async_status(env.ctx, path, mode, [&](error_code ec, const file_status& found) {
        ++calls;
        result = {ec, found};
    });
    env.run();
    BOOST_TEST(calls == 1);
    return result;
}

bool exists(const std::string& path) {
    struct stat found;
    return ::lstat(path.c_str(), &found) == 0;
}

} // namespace

// --- Results ---

ENGINE_TEST(a_status_that_fails_at_its_start_gives_an_empty_status) {
    const auto check = [&](const auto& executor) {
        int calls = 0;
        asio_aio::async_status(
            executor, std::string("a\0b", 3),
            [&](error_code ec, const asio_aio::file_status& found) {
                ++calls;
                BOOST_TEST(ec == asio::error::invalid_argument);
                BOOST_TEST(found.size == 0u);
            });
        BOOST_TEST(calls == 0);
        env.run();
        BOOST_TEST(calls == 1);
    };
    check(env.ctx.get_executor());
    check(asio::make_strand(env.ctx));
    check(asio::any_io_executor(asio::make_strand(env.ctx)));
    check(inline_executor{&env.ctx});
}

ENGINE_TEST(rename_replaces_keeps_or_exchanges) {
    const std::string a = env.path("a"), b = env.path("b");
    set_content(a, "A");
    BOOST_TEST(!rename(env, a, b));
    BOOST_TEST(!exists(a));
    BOOST_TEST(content(b) == "A");
    set_content(a, "new");
    BOOST_TEST(rename(env, a, b, rename_mode::no_replace) == errno_code(EEXIST));
    BOOST_TEST(content(b) == "A");
    BOOST_TEST(!rename(env, a, b, rename_mode::exchange));
    BOOST_TEST(content(a) == "A");
    BOOST_TEST(content(b) == "new");
    BOOST_TEST(!rename(env, a, b));
    BOOST_TEST(content(b) == "A");
    BOOST_TEST(rename(env, a, b) == errno_code(ENOENT));
    BOOST_TEST(rename(env, b, a, rename_mode::exchange) == errno_code(ENOENT));
    BOOST_TEST(!rename(env, b, a, rename_mode::no_replace));
    BOOST_TEST(!create_directory(env, env.path("folder")));
    BOOST_TEST(rename(env, a, env.path("folder")) == errno_code(EISDIR));
    BOOST_TEST(rename(env, env.path("folder"), a) == errno_code(ENOTDIR));
    BOOST_TEST(rename(env, env.path("folder"), env.path("folder/in")) == errno_code(EINVAL));
}

ENGINE_TEST(rename_does_not_leave_the_filesystem) {
    const temporary_directory elsewhere("/dev/shm");
    set_content(env.path(), "x");
    struct stat here, there;
    BOOST_REQUIRE(::stat(env.path().c_str(), &here) == 0);
    BOOST_REQUIRE(::stat(elsewhere.path().c_str(), &there) == 0);
    if (here.st_dev == there.st_dev)
        return say_skipped("the tests' folder is on the filesystem of /dev/shm");
    BOOST_TEST(rename(env, env.path(), elsewhere.file("file")) == errno_code(EXDEV));
    BOOST_TEST(content(env.path()) == "x");
}

ENGINE_TEST(remove_takes_files_links_and_empty_directories) {
    set_content(env.path("target"), "t");
    std::filesystem::create_symlink("target", env.path("link"));
    BOOST_TEST(!remove(env, env.path("link")));
    BOOST_TEST(!exists(env.path("link")));
    BOOST_TEST(content(env.path("target")) == "t");

    file f = env.open("target");
    BOOST_TEST(!remove(env, env.path("target")));
    BOOST_TEST(!exists(env.path("target")));
    char byte = 0;
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(&byte, 1)}).bytes == 1u); // still open
    BOOST_TEST(byte == 't');

    BOOST_TEST(!create_directory(env, env.path("folder")));
    set_content(env.path("folder/file"), "");
    BOOST_TEST(remove(env, env.path("folder")) == errno_code(ENOTEMPTY));
    BOOST_TEST(!remove(env, env.path("folder/file")));
    BOOST_TEST(!remove(env, env.path("folder")));
    BOOST_TEST(!exists(env.path("folder")));
    BOOST_TEST(remove(env, env.path("folder")) == errno_code(ENOENT));
}

ENGINE_TEST(status_is_what_stat_reports) {
    set_content(env.path(), "12345");
    BOOST_REQUIRE(::chmod(env.path().c_str(), 02640) == 0);
    std::filesystem::create_hard_link(env.path(), env.path("other"));
    std::filesystem::create_symlink("file", env.path("link"));
    struct stat expected;
    BOOST_REQUIRE(::stat(env.path().c_str(), &expected) == 0);
    const auto [ec, found] = status_of(env, env.path("link"));
    BOOST_TEST(!ec);
    BOOST_TEST((found.type == std::filesystem::file_type::regular));
    BOOST_TEST(found.permissions == 02640u);
    BOOST_TEST(found.size == 5u);
    BOOST_TEST(found.links == 2u);
    BOOST_TEST(found.owner == ::geteuid());
    BOOST_TEST(found.group == expected.st_gid);
    BOOST_TEST(found.inode == expected.st_ino);
    BOOST_TEST(found.device == expected.st_dev);
    const auto since_epoch = [](const timespec& time) {
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    BOOST_TEST((found.modified.time_since_epoch() == since_epoch(expected.st_mtim)));
    BOOST_TEST((found.changed.time_since_epoch() == since_epoch(expected.st_ctim)));
    BOOST_TEST((found.accessed.time_since_epoch() == since_epoch(expected.st_atim)));
    if (found.created)
        BOOST_TEST((*found.created <= found.changed));

    const auto [link_ec, link] = status_of(env, env.path("link"), link_mode::link);
    BOOST_TEST(!link_ec);
    BOOST_TEST((link.type == std::filesystem::file_type::symlink));
    BOOST_TEST(link.size == 4u);
    BOOST_TEST(link.inode != found.inode);
    BOOST_TEST(!remove(env, env.path()));
    BOOST_TEST(status_of(env, env.path("link")).first == errno_code(ENOENT));
    BOOST_TEST(
        (status_of(env, env.folder.path()).second.type == std::filesystem::file_type::directory));
}

ENGINE_TEST(a_directory_gets_the_permissions_without_the_umask) {
    const mode_t before = ::umask(027);
    BOOST_TEST(!create_directory(env, env.path("usual")));
    BOOST_TEST(!error_of(env, [&](auto handler) {
        asio_aio::async_create_directory(env.ctx, env.path("private"), 0707, handler);
    }));
    ::umask(before);
    BOOST_TEST(status_of(env, env.path("usual")).second.permissions == 0750u);
    BOOST_TEST(status_of(env, env.path("private")).second.permissions == 0700u);
    BOOST_TEST(create_directory(env, env.path("usual")) == errno_code(EEXIST));
    BOOST_TEST(create_directory(env, env.path("missing/below")) == errno_code(ENOENT));
    BOOST_TEST(!sync_directory(env, env.path("usual")));
    set_content(env.path(), "");
    BOOST_TEST(sync_directory(env, env.path()) == errno_code(ENOTDIR));
    BOOST_TEST(sync_directory(env, env.path("missing")) == errno_code(ENOENT));
}

ENGINE_TEST(a_bad_path_is_an_error_of_the_handler) {
    const std::string null = env.path("a") + std::string("\0b", 2);
    set_content(env.path("a"), "");
    const struct {
        std::string path;
        int error;
    } paths[] = {
        {"", ENOENT},
        {null, EINVAL},
        {env.path(std::string(255, 'x')), ENOENT},
        {env.path(std::string(256, 'x')), ENAMETOOLONG},
        {env.path(std::string(4096, 'x')), ENAMETOOLONG},
        {env.path("a/below"), ENOTDIR},
    };
    for (const auto& each : paths) {
        BOOST_TEST_CONTEXT(each.path.size() << " bytes") {
            const error_code expected = errno_code(each.error);
            BOOST_TEST(remove(env, each.path) == expected);
            BOOST_TEST(rename(env, each.path, env.path("to")) == expected);
            BOOST_TEST(status_of(env, each.path).first == expected);
            BOOST_TEST(sync_directory(env, each.path) == expected);
        }
    }
    BOOST_TEST(rename(env, env.path("a"), null) == errno_code(EINVAL));
    BOOST_TEST(create_directory(env, null) == errno_code(EINVAL));
    BOOST_TEST(exists(env.path("a")));
    BOOST_TEST(asio_aio::statistics(env.ctx).failed == 4 * std::size(paths) + 2);
}

// --- Tokens and executors ---

ENGINE_TEST(a_call_takes_any_token_and_executor) {
    set_content(env.path("a"), "1");
    auto renamed = asio_aio::async_rename(env.ctx, env.path("a"), env.path("b"), asio::use_future);
    env.run();
    renamed.get();

    auto later = asio_aio::async_status( // both strings are copied
        env.ctx.get_executor(), std::string(env.path("b")), asio::deferred);
    std::uint64_t size = 0;
    std::move(later)([&](error_code, const file_status& found) { size = found.size; });
    env.run();
    BOOST_TEST(size == 1u);

    const auto coroutine = [&]() -> asio::awaitable<void> {
        const auto here = co_await asio::this_coro::executor;
        co_await asio_aio::async_create_directory(here, env.path("folder"), asio::use_awaitable);
        const file_status found =
            co_await asio_aio::async_status(here, env.path("folder"), asio::use_awaitable);
        BOOST_TEST((found.type == std::filesystem::file_type::directory));
        co_await asio_aio::async_remove(here, env.path("folder"), asio::use_awaitable);
    };
    asio::co_spawn(env.ctx, coroutine, [](std::exception_ptr e) { BOOST_TEST(!e); });
    env.run();

    const auto strand = asio::make_strand(env.ctx);
    bool in_strand = false;
    asio_aio::async_remove(strand, env.path("b"), [&](error_code ec) {
        BOOST_TEST(!ec);
        in_strand = strand.running_in_this_thread();
    });
    env.run();
    BOOST_TEST(in_strand);

    using awaiting = asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
    const auto with_default = [&](awaiting here) -> asio::awaitable<void> {
        co_await asio_aio::async_create_directory(here, env.path("again"));
        co_await asio_aio::async_remove(here, env.path("again"));
    };
    asio::co_spawn(
        env.ctx, with_default(awaiting(env.ctx.get_executor())), [](auto e) { BOOST_TEST(!e); });
    env.run();
}

// --- Ends ---

ENGINE_TEST(a_call_that_waits_is_cancelled_and_one_that_runs_is_not) {
    gate at_the_gate;
    environment own(backend::thread_pool, env.folder.path());
    use_gated_pool(own.ctx, 1);
    asio::cancellation_signal first_signal, second_signal;
    error_code first, second;
    asio_aio::async_create_directory(
        own.ctx, own.path("first"),
        asio::bind_cancellation_slot(first_signal.slot(), [&](error_code ec) { first = ec; }));
    asio_aio::async_create_directory(
        own.ctx, own.path("second"),
        asio::bind_cancellation_slot(second_signal.slot(), [&](error_code ec) { second = ec; }));
    while (asio_aio::statistics(own.ctx).threads == 0)
        BOOST_REQUIRE(run_one_with_deadline(own.ctx) == 1u);
    BOOST_REQUIRE(at_the_gate.wait_for_arrivals(1));
    first_signal.emit(asio::cancellation_type::terminal);
    second_signal.emit(asio::cancellation_type::terminal);
    while (!second)
        BOOST_REQUIRE(run_one_with_deadline(own.ctx) == 1u);
    BOOST_TEST(second == asio::error::operation_aborted);
    at_the_gate.open();
    own.run();
    BOOST_TEST(!first);
    BOOST_TEST(exists(own.path("first")));
    BOOST_TEST(!exists(own.path("second")));
}

ENGINE_TEST(a_call_is_destroyed_with_its_context) {
    const auto alive = std::make_shared<int>(0);
    {
        environment own(env.engine, env.folder.path());
        for (int i = 0; i != 10; ++i)
            asio_aio::async_status(
                own.ctx, own.path(), [alive](error_code, const file_status&) { ++*alive; });
        if (env.engine == backend::thread_pool)
            own.ctx.poll();
    }
    BOOST_TEST(alive.use_count() == 1);
}
