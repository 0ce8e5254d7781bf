// SPDX-License-Identifier: BSL-1.0
// Errors, short results and hanging calls of a FUSE filesystem that the test serves.
#include "results.hpp"
#include "scripted_filesystem.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read_at.hpp>
#include <boost/asio/write_at.hpp>

#include <memory>
#include <optional>
#include <string>

using namespace test;

namespace {

/// A call that may report an error, and the request that the call makes.
struct call {
    const char* name;
    request kind;
    error_code (*run)(environment&, file&);
};

const call calls[] = {
    {"async_read_some_at", request::read,
     [](environment& env, file& f) {
         char c = 0;
         return read_at(env, f, 0, {asio::buffer(&c, 1)}).ec;
     }},
    {"read_some_at", request::read,
     [](environment&, file& f) {
         char c = 0;
         error_code ec;
         f.read_some_at(0, asio::buffer(&c, 1), ec);
         return ec;
     }},
    {"async_write_some_at", request::write,
     [](environment& env, file& f) { return write_at(env, f, 0, {asio::buffer("x", 1)}).ec; }},
    {"write_some_at", request::write,
     [](environment&, file& f) {
         return thrown_by([&] { f.write_some_at(0, asio::buffer("x", 1)); });
     }},
    {"sync_all", request::sync,
     [](environment&, file& f) { return thrown_by([&] { f.sync_all(); }); }},
    {"sync_data", request::sync,
     [](environment&, file& f) { return thrown_by([&] { f.sync_data(); }); }},
    {"resize", request::resize,
     [](environment&, file& f) { return thrown_by([&] { f.resize(10); }); }},
};

/// Runs the context until the operation of `result` is complete; others may hang.
void run_until_called(environment& env, const outcome& result) {
    env.ctx.restart();
    while (result.calls == 0)
        BOOST_REQUIRE_EQUAL(run_one_with_deadline(env.ctx), 1u);
}

error_code open_now(environment& env, file& f, const std::string& path) {
    return error_of(env, [&](auto handler) { f.async_open(path, file_base::read_write, handler); });
}

error_code close_now(environment& env, file& f) {
    return error_of(env, [&](auto handler) { f.async_close(handler); });
}

/// Submits the started operations, and waits until the server has received `count` requests of this
/// kind in total.
void hand_over(environment& env, scripted_filesystem& fs, request kind, unsigned count = 1) {
    env.ctx.restart();
    env.ctx.poll();
    fs.await(kind, count);
}

/// Fails unless the handler was called once, with a cancellation or with the real result.
void expect_aborted_or_done(const outcome& result, std::size_t bytes) {
    BOOST_TEST(result.calls == 1);
    if (result.ec)
        BOOST_TEST((result.ec == asio::error::operation_aborted));
    BOOST_TEST(result.bytes == (result.ec ? 0u : bytes));
}

} // namespace

// --- Errors and short results ---

ENGINE_TEST(an_error_of_the_filesystem_is_reported_once_and_the_file_stays_usable) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    file f = fs.open(env);
    for (const call& each : calls)
        for (const int error : {EIO, ENOSPC, EDQUOT, ESTALE}) {
            BOOST_TEST_CONTEXT(each.name << ", " << errno_code(error).message()) {
                const unsigned before = fs.seen(each.kind);
                fs.script(each.kind, {error});
                BOOST_TEST(each.run(env, f) == errno_code(error));
                BOOST_TEST(fs.seen(each.kind) == before + 1); // not repeated
                BOOST_TEST(!each.run(env, f));
            }
        }
}

ENGINE_TEST(transient_errors_of_the_filesystem_are_never_reported) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    for (const call& each : calls)
        for (const int error : {EINTR, EAGAIN, EBUSY}) {
            BOOST_TEST_CONTEXT(each.name << ", " << errno_code(error).message()) {
                file f = fs.open(env);
                const unsigned before = fs.seen(each.kind);
                fs.script(each.kind, {error}, 3);
                BOOST_TEST(!each.run(env, f));
                const unsigned tries = fs.seen(each.kind) - before;
                BOOST_TEST(tries == 4u);
                for (unsigned i = tries; i < 4; ++i)
                    each.run(env, f); // uses the rest of the script
            }
        }
}

ENGINE_TEST(a_full_filesystem_takes_what_it_can_and_then_reports_an_error) {
    scripted_filesystem fs(env, "");
    if (!fs.works_or_skipped())
        return;
    const std::string bytes = pattern(10000);
    file f = fs.open(env);
    fs.script(request::write, {.limit = 4096});
    const outcome first = write_at(env, f, 0, {asio::buffer(bytes)});
    BOOST_TEST(!first.ec);
    BOOST_TEST(first.bytes == 4096u);
    fs.script(request::write, {ENOSPC}, 3);
    // three scripted errors: `write_both_ways` writes three times
    const outcome second = write_both_ways(env, f, 4096, {asio::buffer(bytes) + 4096});
    BOOST_TEST(second.ec == errno_code(ENOSPC));
    BOOST_TEST(second.bytes == 0u);
    BOOST_TEST((content(fs.path()) == bytes.substr(0, 4096)));
    fs.script(request::write, {.limit = 100});
    fs.script(request::write, {ENOSPC});
    outcome all;
    asio::async_write_at(f, 0, asio::buffer(bytes), all.handler());
    env.run();
    BOOST_TEST(all.ec == errno_code(ENOSPC));
    BOOST_TEST(all.bytes == 100u);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer(bytes)}).bytes == bytes.size());
    BOOST_TEST((content(fs.path()) == bytes));
}

ENGINE_TEST(short_results_below_the_end_are_short_transfers_and_no_end) {
    const std::string bytes = pattern(1000);
    scripted_filesystem fs(env, bytes);
    if (!fs.works_or_skipped())
        return;
    file f = fs.open(env);
    std::string back(1000, '\0');
    fs.script(request::read, {.limit = 7}, 3);
    BOOST_TEST(read_both_ways(env, f, 100, {asio::buffer(back)}).bytes == 7u); // three reads
    BOOST_TEST(back.substr(0, 7) == bytes.substr(100, 7));

    fs.script(request::read, {.limit = 10}, 50);
    outcome read;
    asio::async_read_at(f, 0, asio::buffer(back), read.handler());
    env.run();
    BOOST_TEST(!read.ec);
    BOOST_TEST((back == bytes));

    const std::string other = pattern(1000, 2);
    fs.script(request::write, {.limit = 10}, 50);
    outcome written;
    asio::async_write_at(f, 0, asio::buffer(other), written.handler());
    env.run();
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == other.size());
    BOOST_TEST((content(fs.path()) == other));
}

// --- Open and close ---

ENGINE_TEST(errors_of_open_are_those_of_the_filesystem) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    file f(env.ctx);
    for (const request kind : {request::lookup, request::open})
        for (const int error : {EACCES, ENOENT, EIO, EMFILE, EROFS}) {
            BOOST_TEST_CONTEXT(
                "request " << unsigned(kind) << ", " << errno_code(error).message()) {
                fs.script(kind, {error}, 2);
                error_code ec;
                BOOST_TEST(f.open(fs.path(), file_base::read_write, ec) == errno_code(error));
                BOOST_TEST(thrown_by([&] {
                               f.open(fs.path(), file_base::read_write);
                           }) == errno_code(error));
                BOOST_TEST(!f.is_open());
            }
        }
    fs.script(request::open, {EINTR}, 3);
    f.open(fs.path(), file_base::read_write);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    BOOST_TEST(content(fs.path()) == "abc3456789");
}

ENGINE_TEST(close_reports_an_error_and_never_an_interruption) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    fs.open(env).close(); // makes the engine, which may open descriptors
    const std::size_t before = count_descriptors();
    for (const int error : {EIO, EDQUOT, EINTR}) {
        file f = fs.open(env);
        fs.script(request::flush, {error});
        error_code ec;
        BOOST_TEST(f.close(ec) == (error == EINTR ? error_code() : errno_code(error)));
        BOOST_TEST(!f.is_open());
    }
    fs.await(request::release, 4);
    BOOST_TEST(count_descriptors() == before);
}

// --- Operations that hang ---

ENGINE_TEST(an_operation_that_hangs_holds_up_nobody_else) {
    set_content(env.path("disk"), pattern(100));
    make_cold(env.path("disk"));
    for (const request kind : {request::read, request::write}) {
        scripted_filesystem fs(env, "0123456789");
        if (!fs.works_or_skipped())
            return;
        file f = fs.open(env);
        file disk = env.open("disk");
        char held[4] = {'a', 'b', 'c', 'd'};
        outcome hanging, read, written, same;
        fs.script(kind, {.held = true});
        if (kind == request::read)
            f.async_read_some_at(0, asio::buffer(held), hanging.handler());
        else
            f.async_write_some_at(0, asio::buffer(held), hanging.handler());
        hand_over(env, fs, kind);

        std::string back(100, '\0');
        disk.async_read_some_at(0, asio::buffer(back), read.handler());
        run_until_called(env, read);
        BOOST_TEST((back == pattern(100)));
        disk.async_write_some_at(50, asio::buffer("x", 1), written.handler());
        run_until_called(env, written);
        BOOST_TEST(!written.ec);
        f.async_read_some_at(8, asio::buffer(back), same.handler());
        run_until_called(env, same);
        BOOST_TEST(back.substr(0, 2) == "89");

        BOOST_TEST(hanging.calls == 0);
        fs.let_go();
        env.run();
        BOOST_TEST(hanging.calls == 1);
        BOOST_TEST(!hanging.ec);
        BOOST_TEST(hanging.bytes == 4u);
        BOOST_TEST(content(fs.path()) == (kind == request::read ? "0123456789" : "abcd456789"));
        set_content(env.path("disk"), pattern(100));
    }
}

ENGINE_TEST(an_operation_that_hangs_is_cancelled_or_completes) {
    for (const bool by_slot : {false, true})
        for (const int error : {0, EAGAIN, EINTR}) {
            scripted_filesystem fs(env);
            if (!fs.works_or_skipped())
                return;
            BOOST_TEST_CONTEXT((by_slot ? "by slot, " : "by file, ") << error) {
                file f = fs.open(env);
                asio::cancellation_signal signal;
                outcome result;
                char back[4] = {};
                fs.script(request::read, {error, true});
                f.async_read_some_at(
                    0, asio::buffer(back),
                    asio::bind_cancellation_slot(signal.slot(), result.handler()));
                hand_over(env, fs, request::read);
                if (by_slot)
                    signal.emit(asio::cancellation_type::terminal);
                else
                    f.cancel();
                fs.let_go();
                env.run();
                expect_aborted_or_done(result, 4);
                BOOST_TEST(read_at(env, f, 6, {asio::buffer(back)}).bytes == 4u);
                BOOST_TEST(std::string(back, 4) == "6789");
            }
        }
}

ENGINE_TEST(a_file_is_closed_or_destroyed_while_an_operation_hangs) {
    for (const bool closed : {true, false}) {
        scripted_filesystem fs(env);
        if (!fs.works_or_skipped())
            return;
        std::optional<file> f = fs.open(env);
        outcome written, read;
        fs.script(request::write, {.held = true});
        f->async_write_some_at(0, asio::buffer("abc", 3), written.handler());
        hand_over(env, fs, request::write);
        if (closed)
            f->close();
        f.reset();
        BOOST_TEST(fs.seen(request::release) == 0u); // the kernel still uses the file

        file other = env.open("other");
        other.write_some_at(0, asio::buffer("other", 5));
        std::string back(5, '\0');
        other.async_read_some_at(0, asio::buffer(back), read.handler());
        run_until_called(env, read);
        BOOST_TEST(back == "other");

        fs.let_go();
        env.run();
        expect_aborted_or_done(written, 3);
        fs.await(request::release, 1); // the library does not keep the file open
        BOOST_TEST(content(fs.path()) == "abc3456789");
        BOOST_TEST(content(env.path("other")) == "other");
    }
}

ENGINE_TEST(a_context_is_destroyed_while_operations_hang) {
    auto own = std::make_unique<environment>(env.engine);
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    constexpr unsigned count = 4;
    const auto alive = std::make_shared<int>(0);
    std::string back(count, '#');
    {
        file f = fs.open(*own);
        fs.script(request::read, {.held = true}, count);
        for (unsigned i = 0; i < count; ++i)
            f.async_read_some_at(
                i, asio::buffer(back.data() + i, 1),
                [alive](error_code, std::size_t) { ++*alive; });
        hand_over(*own, fs, request::read, count);
    }
    fs.start_to_let_go(); // the end of the context waits for the replies
    own.reset();
    fs.confirm();
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
    fs.await(request::release, 1);
}

ENGINE_TEST(a_server_that_dies_fails_what_hangs_and_what_follows) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    file f = fs.open(env);
    outcome results[3];
    char back[3] = {};
    fs.script(request::read, {.held = true}, 3);
    for (std::size_t i = 0; i < 3; ++i)
        f.async_read_some_at(i, asio::buffer(back + i, 1), results[i].handler());
    hand_over(env, fs, request::read, 3);
    fs.kill_server();
    env.run();
    for (const outcome& each : results) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(each.ec == errno_code(ECONNABORTED));
        BOOST_TEST(each.bytes == 0u);
    }
    for (const call& each : calls) {
        BOOST_TEST_CONTEXT(each.name) {
            BOOST_TEST(each.run(env, f) == errno_code(ENOTCONN));
        }
    }
    error_code ec;
    f.close(ec);
    BOOST_TEST(!f.is_open());
}

// --- async_open and async_close ---

ENGINE_TEST(async_open_reports_the_error_of_the_filesystem_and_then_opens) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    file f(env.ctx);
    for (const int error : {EIO, ENOSPC, EBUSY, EAGAIN, ESTALE}) {
        const unsigned before = fs.seen(request::open);
        fs.script(request::open, {error}, error == ESTALE ? 2 : 1); // the kernel tries ESTALE again
        BOOST_TEST(open_now(env, f, fs.path()) == errno_code(error));
        BOOST_TEST(fs.seen(request::open) == before + (error == ESTALE ? 2 : 1));
        BOOST_TEST(!f.is_open());
    }
    BOOST_TEST(!open_now(env, f, fs.path()));
    char c = 0;
    BOOST_TEST(read_at(env, f, 3, {asio::buffer(&c, 1)}).bytes == 1u);
    BOOST_TEST(c == '3');
}

ENGINE_TEST(an_open_that_hangs_holds_up_nobody_and_what_arrives_after_its_cancellation_is_closed) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    file usual(env.ctx, env.path("usual"), file_base::read_write | file_base::create);
    file f(env.ctx);
    fs.script(request::open, {0, true});
    status opened;
    f.async_open(fs.path(), file_base::read_write, opened.handler());
    hand_over(env, fs, request::open);
    outcome written;
    usual.async_write_some_at(0, asio::buffer("x", 1), written.handler());
    run_until_called(env, written);
    BOOST_TEST(!written.ec);
    BOOST_TEST(opened.calls == 0);
    f.cancel();
    env.run(); // ends although the filesystem has not replied
    BOOST_TEST(opened.calls == 1);
    BOOST_TEST(opened.ec == asio::error::operation_aborted);
    BOOST_TEST(fs.seen(request::release) == 0u);
    BOOST_TEST(!open_now(env, f, fs.path())); // this one does not hang
    fs.let_go();
    fs.await(request::release, 1); // the pool has closed what the first open got
    BOOST_TEST(f.is_open());
}

ENGINE_TEST(async_close_reports_the_error_of_flush_once) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    for (const int error : {EIO, ENOSPC, EDQUOT}) {
        file f = fs.open(env);
        const unsigned before = fs.seen(request::flush);
        fs.script(request::flush, {error});
        BOOST_TEST(close_now(env, f) == errno_code(error));
        BOOST_TEST(fs.seen(request::flush) == before + 1);
        BOOST_TEST(!close_now(env, f)); // it is closed
        BOOST_TEST(fs.seen(request::flush) == before + 1);
    }
}

ENGINE_TEST(async_close_reports_the_error_after_the_operations_in_flight) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    file f = fs.open(env);
    fs.script(request::read, {0, true});
    fs.script(request::flush, {EIO});
    char c = 0;
    outcome read;
    status closed, again;
    f.async_read_some_at(5, asio::buffer(&c, 1), read.handler());
    hand_over(env, fs, request::read);
    f.async_close(closed.handler());
    f.async_close(again.handler()); // a closed file
    while (again.calls == 0)
        BOOST_REQUIRE_EQUAL(run_one_with_deadline(env.ctx), 1u);
    BOOST_TEST(!again.ec);
    BOOST_TEST(closed.calls == 0);
    fs.start_to_let_go();
    env.run();
    fs.confirm();
    expect_aborted_or_done(read, 1); // async_close cancels
    BOOST_TEST(closed.calls == 1);
    BOOST_TEST(closed.ec == errno_code(EIO));
    BOOST_TEST(fs.seen(request::flush) == 1u);
}
