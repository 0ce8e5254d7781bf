// SPDX-License-Identifier: BSL-1.0
// async_open and async_close.
#include "engine_support.hpp"
#include "results.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

using namespace test;

namespace {

constexpr auto aborted = asio::error::operation_aborted;
constexpr auto read_write_create =
    file_base::read_write | file_base::create; // what most cases open with

error_code open_now(environment& env, file& f, const std::string& path, file_base::flags flags) {
    const error_code result =
        error_of(env, [&](auto handler) { f.async_open(path, flags, handler); });
    BOOST_TEST(f.is_open() == !result);
    return result;
}

error_code close_now(environment& env, file& f) {
    return error_of(env, [&](auto handler) {
        f.async_close(handler);
        BOOST_TEST(!f.is_open());
    });
}

void run_until_called(environment& env, const status& result) {
    while (result.calls == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
}

/// Runs the context until the pool has an operation.
void run_until_in_pool(environment& env) {
    while (asio_aio::statistics(env.ctx).threads == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
}

/// A FIFO that nobody writes to: open(2) for reading waits.
class silent_fifo {
public:
    explicit silent_fifo(const environment& env, const std::string& name = "fifo")
        : path_(env.path(name)) {
        BOOST_REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
    }
    silent_fifo(const silent_fifo&) = delete;
    silent_fifo& operator=(const silent_fifo&) = delete;
    ~silent_fifo() { close(); }

    const std::string& path() const { return path_; }

    /// Becomes the writer for which the opens wait, and later ones do not have to wait.
    void let_go() {
        writer_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
        BOOST_REQUIRE(writer_ != -1);
    }

    void close() {
        if (writer_ != -1)
            ::close(std::exchange(writer_, -1));
    }

private:
    const std::string path_;
    int writer_ = -1;
};

/// Stops the thread that makes the engines, until the test lets it go on.
class held_set_up {
public:
    held_set_up(asio::io_context& ctx, backend which) {
        const auto selected =
            detail::select_engine({{which}, asio_aio::choice_source::code, "this test", {}}, {})
                .factory;
        detail::file_service& service = asio::use_service<detail::file_service>(ctx);
        service.scheduler().use_engines(
            [state = state_, selected](const asio_aio::options& opts, detail::event& finished) {
                std::unique_lock held(state->mutex);
                state->maker = std::this_thread::get_id();
                state->changed.notify_all();
                state->changed.wait(held, [&] { return state->released; });
                return selected(opts, finished);
            });
    }
    held_set_up(const held_set_up&) = delete;
    held_set_up& operator=(const held_set_up&) = delete;
    ~held_set_up() { release(); }

    /// Waits until a thread makes the engines, and returns that thread.
    std::thread::id wait() {
        std::unique_lock held(state_->mutex);
        state_->changed.wait(held, [&] { return state_->maker != std::thread::id(); });
        return state_->maker;
    }

    void release() {
        const std::lock_guard held(state_->mutex);
        state_->released = true;
        state_->changed.notify_all();
    }

private:
    struct state {
        std::mutex mutex;
        std::condition_variable changed;
        std::thread::id maker;
        bool released = false;
    };

    const std::shared_ptr<state> state_ = std::make_shared<state>();
};

} // namespace

// --- Results of async_open ---

ENGINE_TEST(opens_what_open_opens) {
    file f(env.ctx);
    BOOST_TEST(!open_now(env, f, env.path(), read_write_create));
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    BOOST_TEST((::fcntl(f.native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    BOOST_TEST((f.backend() == serves_buffered(env.engine)));
    BOOST_TEST(!close_now(env, f));
    const auto exclusive = read_write_create | file_base::exclusive;
    BOOST_TEST(open_now(env, f, env.path(), exclusive) == errno_code(EEXIST));
    BOOST_TEST(!open_now(env, f, env.path(), file_base::read_only));
    char back[4] = {};
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 3u);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("x", 1)}).ec == asio::error::bad_descriptor);
    BOOST_TEST(!close_now(env, f));
    BOOST_TEST(!open_now(env, f, env.path(), file_base::read_write | file_base::truncate));
    BOOST_TEST(f.size() == 0u);
}

ENGINE_TEST(takes_every_kind_of_path_and_copies_it) {
    const std::string odd = env.path("\xff\xfe name");
    for (const int form : {0, 1, 2}) {
        file f(env.ctx);
        status result;
        {
            std::string copy = odd;
            const std::filesystem::path path = odd;
            if (form == 0)
                f.async_open(copy.c_str(), read_write_create, result.handler());
            else if (form == 1)
                f.async_open(copy, read_write_create, result.handler());
            else
                f.async_open(path, read_write_create, result.handler());
            copy.assign(copy.size(), '#');
        }
        env.run();
        BOOST_TEST(!result.ec);
        BOOST_TEST(f.is_open());
    }
    BOOST_TEST(::access(odd.c_str(), F_OK) == 0);
}

ENGINE_TEST(permissions_are_those_that_were_asked_for_without_the_umask) {
    const mode_t before = ::umask(022);
    const auto permissions_of = [&](const std::string& name) {
        struct stat found;
        BOOST_REQUIRE(::stat(env.path(name).c_str(), &found) == 0);
        return found.st_mode & 07777;
    };
    file f(env.ctx), g(env.ctx);
    status first, second;
    f.async_open(env.path("with"), read_write_create, 0620, first.handler());
    g.async_open(env.path("without"), read_write_create, second.handler());
    env.run();
    ::umask(before);
    BOOST_TEST(permissions_of("with") == 0600u);
    BOOST_TEST(permissions_of("without") == 0644u);
}

ENGINE_TEST(errors_are_those_of_open) {
    set_content(env.path(), "");
    const std::string paths[] = {
        "",
        env.path("missing"),
        env.path("missing/below"),
        env.path("file/below"),
        env.folder.path().string(),
        env.path(std::string(255, 'n')),
        env.path(std::string(256, 'n')),
        env.path(std::string(5000, '/')),
        env.path() + std::string("\0tail", 5),
    };
    for (const std::string& path : paths) {
        BOOST_TEST_CONTEXT(path.size() << " bytes: " << path.substr(0, 80)) {
            file f(env.ctx), g(env.ctx);
            error_code expected;
            f.open(path, file_base::read_write, expected);
            BOOST_TEST(bool(expected));
            BOOST_TEST(open_now(env, g, path, file_base::read_write) == expected);
            BOOST_TEST(!open_now(env, g, env.path(), file_base::read_write)); // usable
        }
    }
    file f(env.ctx);
    error_code ec;
    f.open(paths[std::size(paths) - 1], file_base::read_only, ec);
    BOOST_TEST(ec == asio::error::invalid_argument);
}

ENGINE_TEST(an_open_file_is_not_opened_again) {
    file f = env.open();
    status open, opening, twice;
    f.async_open(env.path("other"), read_write_create, open.handler());
    file g(env.ctx);
    g.async_open(env.path("third"), read_write_create, opening.handler());
    g.async_open(env.path("fourth"), read_write_create, twice.handler());
    error_code ec;
    BOOST_TEST(g.open(env.path("fourth"), read_write_create, ec) == asio::error::already_open);
    BOOST_TEST(g.assign(0, ec) == asio::error::already_open);
    env.run();
    BOOST_TEST(open.ec == asio::error::already_open);
    BOOST_TEST(!opening.ec);
    BOOST_TEST(twice.ec == asio::error::already_open);
    BOOST_TEST(f.is_open());
    BOOST_TEST(g.is_open());
    BOOST_TEST(::access(env.path("other").c_str(), F_OK) == -1);
    BOOST_TEST(::access(env.path("fourth").c_str(), F_OK) == -1);
}

ENGINE_TEST(a_file_that_is_being_opened_is_closed_for_everything_else) {
    silent_fifo fifo(env);
    file f(env.ctx);
    status opened, synced;
    outcome read;
    char byte = 0;
    f.async_open(fifo.path(), file_base::read_only, opened.handler());
    BOOST_TEST(!f.is_open());
    BOOST_TEST(f.native_handle() == -1);
    BOOST_TEST(f.release() == -1);
    f.async_read_some_at(0, asio::buffer(&byte, 1), read.handler());
    f.async_sync_all(synced.handler());
    error_code ec;
    f.size(ec);
    BOOST_TEST(ec == asio::error::bad_descriptor);
    run_until_called(env, synced);
    while (read.calls == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
    BOOST_TEST(read.ec == asio::error::bad_descriptor);
    BOOST_TEST(synced.ec == asio::error::bad_descriptor);
    BOOST_TEST(opened.calls == 0);
    fifo.let_go();
    env.run();
    BOOST_TEST(!opened.ec);
    BOOST_TEST(f.is_open());
}

ENGINE_TEST(a_missing_engine_is_the_error_that_open_reports) {
    for (const char* choice : {"nonsense", ""}) {
        asio::io_context ctx;
        if (*choice)
            ::setenv("ASIO_AIO_BACKEND", choice, 1);
        else
            asio::use_service<detail::file_service>(ctx).scheduler().use_engines(
                [](const auto&, detail::event&) -> detail::engine_list { throw std::bad_alloc(); });
        file f(ctx), g(ctx);
        status first, second;
        f.async_open(env.path(), read_write_create, first.handler());
        g.async_open(env.path(), read_write_create, second.handler());
        run_with_deadline(ctx);
        const error_code expected =
            *choice ? error_code(asio_aio::errc::invalid_choice) : errno_code(ENOMEM);
        BOOST_TEST(first.ec == expected);
        BOOST_TEST(second.ec == expected);
        BOOST_TEST(!f.is_open());
        if (*choice)
            BOOST_TEST(asio_aio::describe(ctx).error.find("\"nonsense\"") != std::string::npos);
        ::unsetenv("ASIO_AIO_BACKEND");
        if (*choice) { // another choice works on the same context
            ctx.restart();
            f.async_open(env.path(), read_write_create, first.handler());
            run_with_deadline(ctx);
            BOOST_TEST(first.calls == 2);
            BOOST_TEST(!first.ec);
        }
    }
}

// --- Tokens ---

ENGINE_TEST(works_with_futures_coroutines_and_deferred_calls) {
    file f(env.ctx);
    auto opened = f.async_open(env.path(), read_write_create, asio::use_future);
    env.run();
    opened.get();
    auto closed = f.async_close(asio::use_future);
    env.run();
    closed.get();

    auto later = f.async_open(std::string(env.path()), file_base::read_only, asio::deferred);
    BOOST_TEST(!f.is_open());
    status result;
    std::move(later)(result.handler());
    env.run();
    BOOST_TEST(!result.ec);
    auto close_later = f.async_close(asio::deferred);
    BOOST_TEST(f.is_open());
    std::move(close_later)(result.handler());
    env.run();
    BOOST_TEST(result.calls == 2);
    BOOST_TEST(!f.is_open());

    std::size_t bytes = 0;
    const auto coroutine = [&]() -> asio::awaitable<void> {
        file g(env.ctx);
        co_await g.async_open(
            env.path(std::string(100, 'l')), read_write_create, 0600, asio::use_awaitable);
        bytes = co_await g.async_write_some_at(0, asio::buffer("abc", 3), asio::use_awaitable);
        co_await g.async_close(asio::use_awaitable);
    };
    asio::co_spawn(env.ctx, coroutine, [](std::exception_ptr e) { BOOST_TEST(!e); });
    env.run();
    BOOST_TEST(bytes == 3u);
    BOOST_TEST(content(env.path(std::string(100, 'l'))) == "abc");
}

// --- The first open of a context ---

ENGINE_TEST(the_first_open_lets_the_loop_run_while_engines_are_tried) {
    held_set_up trial(env.ctx, env.engine);
    file f(env.ctx);
    status opened;
    bool other_work = false;
    f.async_open(env.path(), read_write_create, opened.handler());
    asio::post(env.ctx, [&] {
        BOOST_TEST((trial.wait() != std::this_thread::get_id()));
        BOOST_TEST(asio_aio::describe(env.ctx).error.empty()); // does not wait
        other_work = true;
        trial.release();
    });
    env.run();
    BOOST_TEST(other_work);
    BOOST_TEST(!opened.ec);
}

ENGINE_TEST(a_hundred_first_opens_wait_for_one_trial) {
    held_set_up trial(env.ctx, env.engine);
    std::deque<file> files;
    std::deque<status> results(100);
    for (status& each : results)
        files.emplace_back(env.ctx).async_open(env.path(), read_write_create, each.handler());
    trial.wait();
    trial.release();
    env.run();
    for (const status& each : results) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(!each.ec);
    }
}

ENGINE_TEST(opens_that_wait_for_a_trial_are_cancelled_at_once) {
    held_set_up trial(env.ctx, env.engine);
    asio::cancellation_signal signal;
    file by_file(env.ctx), by_slot(env.ctx), by_close(env.ctx), kept(env.ctx);
    std::optional<file> by_end(std::in_place, env.ctx);
    status results[5];
    by_file.async_open(env.path(), read_write_create, results[0].handler());
    by_slot.async_open(
        env.path(), read_write_create,
        asio::bind_cancellation_slot(signal.slot(), results[1].handler()));
    by_close.async_open(env.path(), read_write_create, results[2].handler());
    by_end->async_open(env.path(), read_write_create, results[3].handler());
    kept.async_open(env.path(), read_write_create, results[4].handler());
    trial.wait();
    by_file.cancel(); // throws nothing: the file is being opened
    signal.emit(asio::cancellation_type::total);
    by_close.close();
    by_end.reset();
    for (int i = 0; i != 4; ++i) {
        run_until_called(env, results[i]);
        BOOST_TEST(results[i].ec == aborted);
    }
    BOOST_TEST(results[4].calls == 0);
    trial.release();
    env.run();
    BOOST_TEST(!results[4].ec);
    BOOST_TEST(kept.is_open());
    BOOST_TEST(!by_slot.is_open());
}

ENGINE_TEST(a_context_is_destroyed_while_engines_are_tried) {
    const auto alive = std::make_shared<int>(0);
    {
        auto ctx = std::make_unique<asio::io_context>();
        held_set_up trial(*ctx, env.engine);
        file f(*ctx);
        f.async_open(env.path(), read_write_create, [alive](error_code) { ++*alive; });
        trial.wait();
        std::thread releaser([&] { trial.release(); });
        ctx.reset();
        releaser.join();
    }
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
}

ENGINE_TEST(a_synchronous_open_serves_those_that_wait_for_the_engines) {
    held_set_up trial(env.ctx, env.engine);
    file f(env.ctx), g(env.ctx);
    status opened;
    f.async_open(env.path(), read_write_create, opened.handler());
    trial.wait();
    std::thread releaser([&] { trial.release(); });
    g.open(env.path(), read_write_create); // waits for the same trial
    releaser.join();
    env.run();
    BOOST_TEST(!opened.ec);
}

ENGINE_TEST(options_cannot_change_once_an_open_has_started) {
    held_set_up trial(env.ctx, env.engine);
    file f(env.ctx);
    status opened;
    f.async_open(env.path(), read_write_create, opened.handler());
    error_code ec;
    asio_aio::configure(env.ctx, {}, ec);
    BOOST_TEST(ec == asio::error::already_open);
    trial.release();
    env.run();
}

ENGINE_TEST(a_process_may_fork_while_engines_are_tried) {
    held_set_up trial(env.ctx, env.engine);
    file f(env.ctx);
    status opened;
    f.async_open(env.path(), read_write_create, opened.handler());
    trial.wait();
    std::thread releaser([&] { trial.release(); });
    env.ctx.notify_fork(asio::execution_context::fork_prepare); // waits for the trial
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    releaser.join();
    env.run();
    BOOST_TEST(!opened.ec);
    BOOST_TEST(f.is_open());
}

// --- Opens that do not return ---

ENGINE_TEST(an_open_that_waits_stops_neither_the_loop_nor_other_operations) {
    silent_fifo fifo(env);
    std::deque<file> waiting;
    std::deque<status> results(5);
    for (status& each : results)
        waiting.emplace_back(env.ctx).async_open(fifo.path(), file_base::read_only, each.handler());
    file f(env.ctx);
    status opened, synced, closed;
    f.async_open(env.path(), read_write_create, opened.handler());
    run_until_called(env, opened);
    f.async_sync_all(synced.handler());
    run_until_called(env, synced);
    f.async_close(closed.handler());
    run_until_called(env, closed);
    for (const status& each : results)
        BOOST_TEST(each.calls == 0);
    fifo.let_go();
    env.run();
    for (const status& each : results)
        BOOST_TEST(!each.ec);
}

ENGINE_TEST(an_open_that_waits_is_cancelled_at_once_and_leaves_no_descriptor) {
    enum class how { file, slot, close, end, async_close };
    for (const how each : {how::file, how::slot, how::close, how::end, how::async_close}) {
        BOOST_TEST_CONTEXT("how " << int(each)) {
            environment own(env.engine, env.folder.path());
            gate passage; // counts who passes
            passage.open();
            const bool is_pool = env.engine == backend::thread_pool;
            if (is_pool)
                use_gated_pool(own.ctx, 4);
            own.open().close(); // makes the engine, which opens descriptors
            silent_fifo fifo(own, "fifo" + std::to_string(int(each)));
            const std::size_t before = count_descriptors();
            std::optional<file> f(std::in_place, own.ctx);
            asio::cancellation_signal signal;
            status opened, closed;
            f->async_open(
                fifo.path(), file_base::read_only,
                asio::bind_cancellation_slot(signal.slot(), opened.handler()));
            run_until_in_pool(own);
            if (is_pool) // otherwise the worker may find the open cancelled before it starts
                BOOST_REQUIRE(passage.wait_for_arrivals(1));
            error_code ec;
            switch (each) {
            case how::file: f->cancel(ec); break;
            case how::slot: signal.emit(asio::cancellation_type::terminal); break;
            case how::close: f->close(); break;
            case how::end: f.reset(); break;
            case how::async_close: f->async_close(closed.handler()); break;
            }
            run_until_called(own, opened);
            BOOST_TEST(opened.ec == aborted);
            if (each == how::async_close) {
                run_until_called(own, closed);
                BOOST_TEST(!closed.ec);
            }
            if (f) { // usable at once
                BOOST_TEST(!f->is_open());
                BOOST_TEST(!open_now(own, *f, own.path(), read_write_create));
                f->close();
            }
            fifo.let_go();
            own.ctx.notify_fork(asio::execution_context::fork_prepare); // waits for the worker
            fifo.close();
            BOOST_TEST(count_descriptors() == before);
            BOOST_TEST(opened.calls == 1);
        }
    }
}

ENGINE_TEST(opens_that_were_cancelled_leave_their_places_to_others) {
    environment own(env.engine, env.folder.path());
    asio_aio::options options = own.options();
    options.max_threads = 2;
    asio_aio::configure(own.ctx, options);
    silent_fifo fifo(own, "fifo");
    file usual(own.ctx, own.path("usual"), read_write_create);
    for (int i = 0; i != 2; ++i) { // more than may hang at the same time
        file f(own.ctx);
        status opened;
        f.async_open(fifo.path(), file_base::read_only, opened.handler());
        own.ctx.restart();
        // until a thread has taken the open; the test's deadline bounds it
        while (asio_aio::statistics(own.ctx).kernel_entries < std::uint64_t(i + 1)) {
            own.ctx.poll();
            std::this_thread::yield();
        }
        f.cancel();
        own.run();
        BOOST_TEST(opened.ec == aborted);
    }
    BOOST_TEST(!error_of(own, [&](auto handler) {
        usual.async_allocate(asio_aio::allocate_mode::extend, 0, 10, handler);
    }));
    fifo.let_go(); // the threads of the opens come back, and there are more than `max_threads`
    int calls = 0;
    for (int i = 0; i != 100; ++i)
        usual.async_allocate(
            asio_aio::allocate_mode::extend, 0, 10, [&](error_code ec) { calls += !ec; });
    own.run();
    BOOST_TEST(calls == 100);
    BOOST_TEST(asio_aio::statistics(own.ctx).threads <= 4u);
    BOOST_TEST(!close_now(own, usual));
}

ENGINE_TEST(a_file_may_move_while_it_is_being_opened) {
    silent_fifo fifo(env);
    status opened;
    std::optional<file> f(std::in_place, env.ctx);
    f->async_open(fifo.path(), file_base::read_only, opened.handler());
    file g(std::move(*f));
    status second;
    f->async_open(env.path(), read_write_create, second.handler());
    run_until_called(env, second);
    BOOST_TEST(f->is_open());
    f.reset();
    BOOST_TEST(!g.is_open());
    fifo.let_go();
    env.run();
    BOOST_TEST(!opened.ec);
    BOOST_TEST(g.is_open());
    BOOST_TEST((g.backend() == backend::thread_pool));
}

ENGINE_TEST(a_context_is_destroyed_while_an_open_waits) {
    const auto alive = std::make_shared<int>(0);
    silent_fifo fifo(env);
    const std::size_t before = count_descriptors();
    {
        environment own(env.engine, env.folder.path());
        file f(own.ctx);
        f.async_open(fifo.path(), file_base::read_only, [alive](error_code) { ++*alive; });
        run_until_in_pool(own);
        fifo.let_go(); // otherwise the end of the context would wait for open(2)
    }
    fifo.close();
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
    BOOST_TEST(count_descriptors() == before);
}

ENGINE_TEST(a_file_may_be_opened_again_while_its_first_open_ends) {
    for (const bool by_close : {false, true}) {
        BOOST_TEST_CONTEXT("by_close " << by_close) {
            silent_fifo fifo(env, by_close ? "closed" : "cancelled");
            environment own(env.engine, env.folder.path());
            file f(own.ctx);
            status first, second;
            f.async_open(fifo.path(), file_base::read_only, first.handler());
            run_until_in_pool(own);
            by_close ? f.close() : f.cancel();
            f.async_open(own.path(), read_write_create, second.handler());
            run_until_called(own, first);
            BOOST_TEST(first.ec == aborted);
            run_until_called(own, second);
            BOOST_TEST(!second.ec);
            BOOST_TEST(f.is_open());
            BOOST_TEST(write_at(own, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
            fifo.let_go();
        }
    }
}

ENGINE_TEST(ten_thousand_opens_that_are_cancelled_at_any_moment_leave_no_descriptor) {
    env.open().close();
    const std::size_t before = count_descriptors();
    unsigned opened = 0, cancelled = 0;
    constexpr unsigned rounds = 10000, at_once = 20;
    for (unsigned round = 0; round != rounds / at_once; ++round) {
        std::deque<file> files;
        std::deque<status> results(at_once);
        for (status& each : results)
            files.emplace_back(env.ctx).async_open(
                env.path(), file_base::read_only, each.handler());
        for (unsigned turns = round % 7; turns != 0; --turns)
            env.ctx.poll_one();
        for (unsigned i = 0; i != at_once; ++i) {
            error_code ec;
            if (i % 3 == 0)
                files[i].cancel(ec);
            else if (i % 3 == 1)
                files[i].close();
        }
        run_until_idle(env.ctx);
        for (unsigned i = 0; i != at_once; ++i) {
            BOOST_REQUIRE(results[i].calls == 1);
            BOOST_REQUIRE((!results[i].ec || results[i].ec == aborted));
            ++(results[i].ec ? cancelled : opened);
            if (results[i].ec || i % 3 == 2)
                BOOST_REQUIRE(files[i].is_open() == !results[i].ec);
        }
    }
    BOOST_TEST(opened + cancelled == rounds);
    BOOST_TEST(opened >= rounds / 4); // at least those that nobody cancelled
    env.ctx.notify_fork(asio::execution_context::fork_prepare); // waits for the workers
    BOOST_TEST(count_descriptors() == before);
}

// --- async_close ---

ENGINE_TEST(closing_a_closed_file_succeeds) {
    file f(env.ctx);
    BOOST_TEST(!close_now(env, f));
    f = env.open();
    status first, second;
    f.async_close(first.handler());
    f.async_close(second.handler());
    env.run();
    BOOST_TEST(first.calls == 1);
    BOOST_TEST(second.calls == 1);
    BOOST_TEST(!first.ec);
    BOOST_TEST(!second.ec);
}

ENGINE_TEST(a_file_can_be_opened_again_while_it_is_closed) {
    file f = env.open();
    status closed, opened;
    f.async_close(closed.handler());
    f.async_open(env.path("other"), read_write_create, opened.handler());
    env.run();
    BOOST_TEST(!closed.ec);
    BOOST_TEST(!opened.ec);
    BOOST_TEST(f.is_open());
    BOOST_TEST(f.native_handle() != -1);
}

ENGINE_TEST(a_close_completes_after_the_operations_in_flight) {
    gate at_the_gate;
    environment own(backend::thread_pool, env.folder.path());
    use_gated_pool(own.ctx, 4);
    file f = own.open();
    const int number = f.native_handle();
    std::string order;
    char bytes[2] = {'a', 'b'};
    for (char& each : bytes)
        f.async_write_some_at(0, asio::buffer(&each, 1), [&](error_code ec, std::size_t n) {
            order += !ec && n == 1 ? 'w' : '?';
        });
    run_until_in_pool(own);
    BOOST_REQUIRE(at_the_gate.wait_for_arrivals(2));
    f.async_close([&](error_code ec) { order += ec ? '!' : 'c'; });
    BOOST_TEST(!f.is_open());
    asio::post(own.ctx, [&] {
        BOOST_TEST(order.empty());
        BOOST_TEST(::fcntl(number, F_GETFD) != -1); // the writes still use it
        at_the_gate.open();
    });
    own.run();
    BOOST_TEST(order == "wwc");
    BOOST_TEST(::fcntl(number, F_GETFD) == -1);
}

ENGINE_TEST(a_close_that_waits_is_destroyed_with_its_context) {
    const auto alive = std::make_shared<int>(0);
    for (const bool in_pool : {false, true}) {
        gate at_the_gate;
        auto own = std::make_unique<environment>(backend::thread_pool, env.folder.path());
        use_gated_pool(own->ctx, 1);
        {
            file f = own->open();
            f.async_write_some_at(
                0, asio::buffer("a", 1), [alive](error_code, std::size_t) { ++*alive; });
            if (in_pool) {
                run_until_in_pool(*own);
                BOOST_REQUIRE(at_the_gate.wait_for_arrivals(1));
            }
            f.async_close([alive](error_code) { ++*alive; });
        }
        std::thread opener([&] { at_the_gate.open(); });
        own.reset();
        opener.join();
    }
    BOOST_TEST(*alive == 0);
    BOOST_TEST(alive.use_count() == 1);
}

ENGINE_TEST(a_close_ignores_a_cancellation_slot) {
    file f = env.open();
    const int number = f.native_handle();
    asio::cancellation_signal signal;
    status closed;
    f.async_close(asio::bind_cancellation_slot(signal.slot(), closed.handler()));
    signal.emit(asio::cancellation_type::terminal);
    env.run();
    BOOST_TEST(!closed.ec);
    BOOST_TEST(::fcntl(number, F_GETFD) == -1);
}

ENGINE_TEST(a_thousand_closes_with_reads_in_flight_leave_no_descriptor) {
    set_content(env.path(), pattern(1 << 16));
    env.open().close();
    const std::size_t before = count_descriptors();
    constexpr unsigned reads = 4;
    char back[reads][512];
    for (unsigned round = 0; round != 1000; ++round) {
        file f(env.ctx);
        status opened, closed;
        outcome results[reads];
        f.async_open(env.path(), file_base::read_only, opened.handler());
        run_until_idle(env.ctx);
        BOOST_REQUIRE(!opened.ec);
        for (unsigned i = 0; i != reads; ++i)
            f.async_read_some_at(4096 * i, asio::buffer(back[i]), results[i].handler());
        for (unsigned turns = round % 3; turns != 0; --turns)
            env.ctx.poll_one();
        f.async_close(closed.handler());
        run_until_idle(env.ctx);
        BOOST_REQUIRE(closed.calls == 1);
        BOOST_REQUIRE(!closed.ec);
        for (const outcome& each : results)
            BOOST_REQUIRE(each.calls == 1);
    }
    BOOST_TEST(count_descriptors() == before);
}
