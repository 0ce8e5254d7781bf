// SPDX-License-Identifier: BSL-1.0
// Files, contexts, processes and threads that end while operations are in flight.
#include "engine_fixture.hpp"
#include "child.hpp"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>
#include <vector>

using namespace test;

namespace {

constexpr std::size_t block = 4096;

/// A handler that counts its calls, and its destructions without a call. Moves do not count.
class fate_counter {
public:
    fate_counter(std::atomic<int>& called, std::atomic<int>& destroyed)
        : called_(&called), destroyed_(&destroyed) {}
    fate_counter(fate_counter&& other) noexcept
        : called_(other.called_), destroyed_(std::exchange(other.destroyed_, nullptr)) {}
    fate_counter& operator=(fate_counter&&) = delete;
    ~fate_counter() {
        if (destroyed_)
            ++*destroyed_;
    }

    void operator()(error_code, std::size_t) {
        destroyed_ = nullptr;
        ++*called_;
    }

private:
    std::atomic<int>* called_;
    std::atomic<int>* destroyed_;
};

/// The descriptors and threads of the process, to compare before and after.
struct resources {
    std::size_t descriptors = count_descriptors();
    std::size_t threads = count_threads();

    friend bool operator==(const resources&, const resources&) = default;
};

} // namespace

// --- Closing and destroying files ---

BOOST_AUTO_TEST_CASE(
    closing_cancels_what_waits_and_leaves_the_descriptor_to_the_thread_that_uses_it) {
    gate stop;
    temporary_directory folder;
    asio::io_context ctx;
    use_gated_pool(ctx, 1);
    file f(ctx, folder.file("file"), file_base::read_write | file_base::create);
    const std::string bytes = pattern(block);
    outcome running, queued, pending;
    f.async_write_some_at(0, asio::buffer(bytes), running.handler());
    ctx.poll();
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    f.async_write_some_at(block, asio::buffer(bytes), queued.handler());
    ctx.poll();
    f.async_write_some_at(2 * block, asio::buffer(bytes), pending.handler());
    const int fd = f.native_handle();
    f.close();
    BOOST_TEST(!f.is_open());
    BOOST_TEST(::fcntl(fd, F_GETFD) != -1); // still open: the number cannot be reused
    stop.open();
    run_until_idle(ctx);
    BOOST_TEST(!running.ec);
    BOOST_TEST(queued.ec == asio::error::operation_aborted);
    BOOST_TEST(pending.ec == asio::error::operation_aborted);
    BOOST_TEST(::fcntl(fd, F_GETFD) == -1);
    BOOST_TEST((content(folder.file("file")) == bytes));
}

BOOST_AUTO_TEST_CASE(closing_with_operations_that_only_wait_closes_at_once) {
    gate stop;
    temporary_directory folder;
    asio::io_context ctx;
    use_gated_pool(ctx, 1);
    file holder(ctx, folder.file("holder"), file_base::read_write | file_base::create);
    file f(ctx, folder.file("file"), file_base::read_write | file_base::create);
    const std::string bytes = pattern(block);
    outcome held, queued;
    holder.async_write_some_at(0, asio::buffer(bytes), held.handler());
    ctx.poll();
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    f.async_write_some_at(0, asio::buffer(bytes), queued.handler());
    ctx.poll();
    const int fd = f.native_handle();
    f.close();
    BOOST_TEST(::fcntl(fd, F_GETFD) == -1);
    stop.open();
    run_until_idle(ctx);
    BOOST_TEST(queued.ec == asio::error::operation_aborted);
}

BOOST_AUTO_TEST_CASE(a_released_descriptor_is_a_duplicate_while_a_thread_uses_the_number) {
    gate stop;
    temporary_directory folder;
    asio::io_context ctx;
    use_gated_pool(ctx, 1);
    file f(ctx, folder.file("file"), file_base::read_write | file_base::create);
    const std::string bytes = pattern(block);
    outcome running;
    f.async_write_some_at(0, asio::buffer(bytes), running.handler());
    ctx.poll();
    BOOST_REQUIRE(stop.wait_for_arrivals(1));
    const int number = f.native_handle();
    const int released = f.release();
    BOOST_TEST(released != number);
    BOOST_TEST((::fcntl(released, F_GETFD) & FD_CLOEXEC) != 0);
    BOOST_TEST(::close(released) == 0);
    // Another file may get the number that the caller released. The write must not reach it.
    file other(ctx, folder.file("other"), file_base::read_write | file_base::create);
    stop.open();
    run_until_idle(ctx);
    BOOST_TEST(!running.ec);
    BOOST_TEST((content(folder.file("file")) == bytes));
    BOOST_TEST(content(folder.file("other")).empty());
}

ENGINE_TEST(an_idle_file_releases_its_own_descriptor) {
    file f = env.open();
    const int number = f.native_handle();
    BOOST_TEST(f.release() == number);
    BOOST_TEST(!f.is_open());
    BOOST_TEST(::close(number) == 0);
}

BOOST_AUTO_TEST_CASE(a_finished_operation_is_delivered_after_its_file_is_gone) {
    gate stop;
    temporary_directory folder;
    asio::io_context ctx;
    use_gated_pool(ctx, 2);
    const std::string bytes = pattern(block);
    outcome finished;
    {
        file f(ctx, folder.file("file"), file_base::read_write | file_base::create);
        f.async_write_some_at(0, asio::buffer(bytes), finished.handler());
        ctx.poll();
        BOOST_REQUIRE(stop.wait_for_arrivals(1));
        stop.open();
        while (content(folder.file("file")).size() != block)
            std::this_thread::yield();
    }
    run_until_idle(ctx);
    BOOST_TEST(finished.calls == 1);
    BOOST_TEST(!finished.ec);
    BOOST_TEST(finished.bytes == block);
}

ENGINE_TEST(a_file_may_be_destroyed_or_replaced_with_operations_in_flight) {
    const std::string bytes = pattern(block);
    std::vector<outcome> results(64);
    for (std::size_t i = 0; i != results.size(); ++i) {
        file f = env.open(std::to_string(i));
        f.async_write_some_at(0, asio::buffer(bytes), results[i].handler());
        if (i % 3 == 0)
            f = env.open("another");
        if (i % 2 == 0)
            env.ctx.poll();
    }
    env.run();
    for (std::size_t i = 0; i != results.size(); ++i) {
        BOOST_REQUIRE_EQUAL(results[i].calls, 1);
        const bool written = !results[i].ec && results[i].bytes == block;
        BOOST_TEST((written || results[i].ec == asio::error::operation_aborted));
        if (written)
            BOOST_TEST((content(env.path(std::to_string(i))) == bytes));
    }
}

// --- Descriptor numbers ---

namespace {

/// Writes to a file and closes it at once, then opens another file, which may get the same number.
void write_close_and_reuse(environment& env, file& victim_of_reuse, bool submitted) {
    const std::string bytes = pattern(block);
    std::vector<outcome> results(4);
    file f = env.open("first");
    const int number = f.native_handle();
    for (std::size_t i = 0; i != results.size(); ++i)
        f.async_write_some_at(i * block, asio::buffer(bytes), results[i].handler());
    if (submitted)
        env.ctx.poll_one();
    f.close();
    victim_of_reuse.open(env.path("second"), file_base::read_write);
    const bool reused = victim_of_reuse.native_handle() == number;
    env.run();
    for (const outcome& each : results) {
        BOOST_REQUIRE_EQUAL(each.calls, 1);
        BOOST_REQUIRE(
            (each.ec == asio::error::operation_aborted || (!each.ec && each.bytes == block)));
        if (reused && !submitted)
            BOOST_REQUIRE(each.ec == asio::error::operation_aborted);
    }
    victim_of_reuse.close();
}

} // namespace

ENGINE_TEST(no_write_reaches_a_number_that_was_reused) {
    const std::string untouched = "the second file stays as it is";
    set_content(env.path("second"), untouched);
    file second(env.ctx);
    for (int round = 0; round != 10'000; ++round)
        write_close_and_reuse(env, second, round % 2 == 1);
    BOOST_TEST(content(env.path("second")) == untouched);
}

BOOST_AUTO_TEST_CASE(no_write_reaches_a_reused_number_though_a_thread_was_about_to_make_it) {
    temporary_directory folder;
    const std::string untouched = "the second file stays as it is";
    set_content(folder.file("second"), untouched);
    const std::string bytes = pattern(block);
    for (int round = 0; round != 50; ++round) {
        gate stop;
        asio::io_context ctx;
        use_gated_pool(ctx, 2);
        std::vector<outcome> results(6);
        file f(ctx, folder.file("first"), file_base::read_write | file_base::create);
        const int number = f.native_handle();
        for (std::size_t i = 0; i != results.size(); ++i)
            f.async_write_some_at(i * block, asio::buffer(bytes), results[i].handler());
        ctx.poll();
        // a thread has taken a write, and has not made the system call yet
        BOOST_REQUIRE(stop.wait_for_arrivals(1));
        f.close();
        file second(ctx, folder.file("second"), file_base::read_write);
        BOOST_TEST(second.native_handle() != number);
        stop.open();
        run_until_idle(ctx);
        int written = 0;
        for (const outcome& each : results)
            written += !each.ec;
        BOOST_TEST(written == 1);
    }
    BOOST_TEST(content(folder.file("second")) == untouched);
}

ENGINE_TEST(a_bad_descriptor_leaves_no_stale_error_on_its_number) {
    env.open("first").close(); // makes the engine, which opens descriptors as well
    const int number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(number);
    file f(env.ctx);
    f.assign(number);
    char byte;
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(&byte, 1)}).ec == asio::error::bad_descriptor);
    error_code ignored;
    f.close(ignored);
    set_content(env.path(), "good");
    f.open(env.path(), file_base::read_only);
    BOOST_TEST(f.native_handle() == number);
    BOOST_TEST(!read_at(env, f, 0, {asio::buffer(&byte, 1)}).ec);
}

// --- Contexts that are destroyed ---

BOOST_AUTO_TEST_CASE(a_destroyed_context_destroys_handlers_in_every_state_once_and_calls_none) {
    temporary_directory folder;
    const std::string bytes = pattern(block);
    const resources before;
    std::atomic<int> called{0}, destroyed{0};
    {
        gate stop;
        std::thread opener;
        {
            asio::io_context ctx;
            use_gated_pool(ctx, 1);
            file f(ctx, folder.file("file"), file_base::read_write | file_base::create);
            const auto start = [&] {
                f.async_write_some_at(0, asio::buffer(bytes), fate_counter(called, destroyed));
            };
            start(); // running
            ctx.poll();
            BOOST_REQUIRE(stop.wait_for_arrivals(1));
            start(); // queued in the pool
            ctx.poll();
            start(); // pending
            f.async_write_some_at(
                // finished, not yet delivered
                0, asio::const_buffer(), fate_counter(called, destroyed));
            opener = std::thread([&] { stop.open(); });
        }
        opener.join();
    }
    BOOST_TEST(called == 0);
    BOOST_TEST(destroyed == 4);
    BOOST_TEST((resources() == before));
}

BOOST_AUTO_TEST_CASE(a_handler_that_owns_its_file_dies_with_the_context) {
    temporary_directory folder;
    const std::string bytes = pattern(block);
    const resources before;
    {
        gate stop;
        asio::io_context ctx;
        use_gated_pool(ctx, 1);
        for (int i = 0; i != 4; ++i) {
            auto f = std::make_shared<file>(
                ctx, folder.file("file"), file_base::read_write | file_base::create);
            f->async_write_some_at(0, asio::buffer(bytes), [f](error_code, std::size_t) {});
            if (i < 2)
                ctx.poll();
        }
        stop.open();
    }
    BOOST_TEST((resources() == before));
}

ENGINE_TEST(a_handler_that_starts_an_operation_when_it_is_destroyed_is_harmless) {
    const std::string bytes = pattern(block);
    std::atomic<int> called{0}, destroyed{0};
    struct starter {
        file f;
        const std::string& bytes;
        fate_counter handler;
        ~starter() { f.async_write_some_at(0, asio::buffer(bytes), std::move(handler)); }
    };
    {
        environment own(env.engine);
        std::shared_ptr<starter> last(
            new starter{own.open(), bytes, fate_counter(called, destroyed)});
        file& f = last->f;
        f.async_write_some_at(
            0, asio::buffer(bytes), [last = std::move(last)](error_code, std::size_t) {});
    }
    BOOST_TEST(called == 0);
    BOOST_TEST(destroyed == 1);
}

ENGINE_TEST(a_context_destroyed_with_cold_reads_in_flight_writes_nothing_afterwards) {
    constexpr std::size_t bytes = 256 * 1024;
    set_content(env.path(), pattern(bytes));
    for (int round = 0; round != 40; ++round) {
        make_cold(env.path());
        auto buffers =
            std::make_unique<std::vector<std::string>>(16, std::string(bytes / 16, '\0'));
        std::atomic<int> called{0}, destroyed{0};
        {
            environment own(env.engine);
            file f(own.ctx, env.path(), file_base::read_only);
            for (std::size_t i = 0; i != buffers->size(); ++i)
                f.async_read_some_at(
                    i * bytes / 16, asio::buffer((*buffers)[i]), fate_counter(called, destroyed));
            for (int turn = 0; turn != round % 4; ++turn)
                own.ctx.poll_one();
        }
        buffers.reset(); // AddressSanitizer detects a write after this
        BOOST_REQUIRE_EQUAL(called + destroyed, 16);
    }
}

ENGINE_TEST(a_thousand_contexts_leave_nothing_behind) {
    set_content(env.path(), pattern(block));
    const auto round = [&] {
        const std::string bytes(block, 'x');
        asio::io_context ctx;
        asio_aio::configure(ctx, env.options());
        file f(ctx, env.path(), file_base::read_write);
        f.async_write_some_at(0, asio::buffer(bytes), [](error_code, std::size_t) {});
        ctx.poll();
    };
    round();
    const resources before;
    const std::size_t maps_before = count_maps();
    for (int i = 0; i != 1000; ++i)
        round();
    BOOST_TEST((resources() == before));
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) // sanitizers map memory
    // the C library keeps some stacks for later threads
    BOOST_TEST(count_maps() <= maps_before + 16);
#else
    static_cast<void>(maps_before);
#endif
}

BOOST_AUTO_TEST_CASE(the_end_of_the_pool_waits_for_a_thread_that_is_blocked_in_a_system_call) {
    temporary_directory folder;
    const std::string fifo = folder.file("fifo");
    BOOST_REQUIRE_EQUAL(::mkfifo(fifo.c_str(), 0600), 0);
    plain_operation op(detail::op_kind::open);
    const auto file = detail::file_ref::make_opening({fifo, O_RDONLY});
    op.file = file;
    gate stop;
    std::thread partner;
    {
        detail::event finished;
        BOOST_REQUIRE_EQUAL(finished.open(), 0);
        detail::thread_pool_settings settings;
        settings.perform = &gate::perform;
        detail::thread_pool_engine pool(settings, finished);
        detail::op_queue batch;
        batch.push(&op);
        pool.submit(batch);
        BOOST_REQUIRE(stop.wait_for_arrivals(1)); // else `stop` would find the operation queued
        stop.open();
        // Opening the other end of the FIFO at any later time lets the thread return.
        partner = std::thread([&] { ::close(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC)); });
        detail::op_queue abandoned;
        pool.stop(abandoned);
        while (abandoned.pop()) {
        }
    }
    partner.join();
    BOOST_TEST(op.result == 0);
    BOOST_TEST(file.is_open());
}

namespace {

/// A user's execution context. Asio runs the service's handlers on a thread of its own, which ends
/// after the shutdown of the service.
struct plain_context : asio::execution_context {
    struct executor {
        asio::execution_context& query(asio::execution::context_t) const noexcept {
            return *context;
        }
        static constexpr asio::execution::blocking_t::never_t query(
            asio::execution::blocking_t) noexcept {
            return {};
        }
        executor require(asio::execution::blocking_t::never_t) const { return *this; }
        template <typename Function>
        void execute(Function function) const {
            function();
        }
        friend bool operator==(const executor& a, const executor& b) noexcept {
            return a.context == b.context;
        }

        plain_context* context;
    };

    ~plain_context() {
        shutdown();
        destroy();
    }
};

/// A service that is made after ours. An I/O object in a handler may need it in its destructor.
struct later_service : asio::execution_context::service {
    using key_type = later_service;
    static inline asio::execution_context::id id;

    explicit later_service(asio::execution_context& context) : service(context) {}
    ~later_service() override { gone() = true; }
    void shutdown() override {}

    static std::atomic<bool>& gone() {
        static std::atomic<bool> flag;
        return flag;
    }
};

} // namespace

ENGINE_TEST(a_context_destroyed_while_its_thread_hands_operations_over_waits_for_it) {
#ifdef ASIO_AIO_TEST_ASIO_ON_IO_URING
    // Asio's shutdown may hang: io_uring_service::shutdown and Asio's thread for this context both
    // wait for the ring.
    return say_skipped(
        "Asio's shutdown on io_uring may hang while a thread of Asio runs the context");
#endif
    const std::string bytes = pattern(block);
    for (int round = 0; round != 50; ++round) {
        std::promise<void> entered, go_on;
        std::shared_future<void> may_go_on = go_on.get_future().share();
        const auto decide = [&, once = true](detail::operation&) mutable -> std::optional<int> {
            if (std::exchange(once, false)) {
                entered.set_value();
                may_go_on.wait();
            }
            return std::nullopt;
        };
        later_service::gone() = false;
        auto context = std::make_unique<plain_context>();
        use_faulty_engine(*context, env.engine, decide);
        asio_aio::basic_random_access_file_aio<plain_context::executor> f(
            plain_context::executor{context.get()}, env.path(),
            file_base::read_write | file_base::create);
        asio::use_service<later_service>(*context);
        std::atomic<int> ended{0};
        std::atomic<bool> too_late{false};
        // The handler ends once, with or without a call, and before the later service.
        std::shared_ptr<void> handler_lives(nullptr, [&](void*) {
            ++ended;
            too_late = later_service::gone().load();
        });
        f.async_write_some_at(0, asio::buffer(bytes), [handler_lives](error_code, std::size_t) {});
        handler_lives.reset();
        entered.get_future().wait();
        ::close(f.release()); // the file must not outlive its context
        std::thread releaser([&] { go_on.set_value(); });
        context.reset();
        releaser.join();
        BOOST_REQUIRE_EQUAL(ended, 1);
        BOOST_REQUIRE(!too_late);
    }
}

// --- Processes ---

namespace {

/// Called in a child process: 0 if the inherited file and a new file both work.
int child_works(environment& env, file& f) {
    std::string back(block, '\0');
    outcome again, fresh;
    f.async_write_some_at(2 * block, asio::buffer(back), again.handler());
    file other(env.ctx, env.path("of_the_child"), file_base::read_write | file_base::create);
    other.async_write_some_at(0, asio::buffer(back), fresh.handler());
    env.ctx.restart();
    run_with_deadline(env.ctx);
    return again.calls == 1 && !again.ec && fresh.calls == 1 && !fresh.ec ? 0 : 1;
}

} // namespace

ENGINE_TEST(parent_and_child_go_on_after_a_fork_while_idle) {
    file f = env.open();
    const std::string bytes = pattern(block);
    BOOST_TEST(!write_at(env, f, 0, {asio::buffer(bytes)}).ec);
    env.ctx.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        env.ctx.notify_fork(asio::execution_context::fork_child);
        return child_works(env, f);
    });
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    BOOST_TEST(status == 0);
    BOOST_TEST(!write_at(env, f, block, {asio::buffer(bytes)}).ec);
}

ENGINE_TEST(what_is_in_flight_at_a_fork_completes_in_parent_and_child) {
    file f = env.open();
    const std::string bytes = pattern(block);
    outcome in_flight, pending;
    f.async_write_some_at(0, asio::buffer(bytes), in_flight.handler());
    env.ctx.poll_one();
    f.async_write_some_at(block, asio::buffer(bytes), pending.handler());
    env.ctx.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        env.ctx.notify_fork(asio::execution_context::fork_child);
        env.ctx.restart();
        run_with_deadline(env.ctx);
        const bool both =
            in_flight.calls == 1 && !in_flight.ec && pending.calls == 1 && !pending.ec;
        return both ? child_works(env, f) : 2;
    });
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    BOOST_TEST(status == 0);
    env.run();
    BOOST_TEST(in_flight.calls == 1);
    BOOST_TEST(pending.calls == 1);
    BOOST_TEST((content(env.path()).substr(0, 2 * block) == bytes + bytes));
}

ENGINE_TEST(a_child_may_destroy_the_context_without_notify_fork) {
    const std::string bytes = pattern(block);
    auto own = std::make_unique<environment>(env.engine);
    file f = own->open();
    outcome done, in_flight;
    f.async_write_some_at(0, asio::buffer(bytes), done.handler());
    own->run(); // if the pool performed the write, an idle worker exists at the fork
    BOOST_TEST(!done.ec);
    f.async_write_some_at(block, asio::buffer(bytes), in_flight.handler());
    own->ctx.poll_one();
    ::close(f.release()); // the file must not outlive its context
    const int status = in_child([&] {
        std::destroy_at(&own->ctx);
        return 0;
    });
    BOOST_TEST(status == 0);
}

ENGINE_TEST(a_program_started_by_exec_inherits_no_descriptor_of_ours) {
    file f = env.open();
    const std::string bytes = pattern(block);
    BOOST_TEST(!write_at(env, f, 0, {asio::buffer(bytes)}).ec);
    const int status = in_child([&] {
        // Counts the eventfds, rings and files of this test that the new program has inherited.
        ::execl(
            "/bin/sh", "sh", "-c",
            "for n in /proc/self/fd/*; do readlink $n; done | grep -cE "
            "'^anon_inode:.(eventfd|io_uring)|/test-'",
            nullptr);
        return 127;
    });
    BOOST_TEST(status == 1); // grep found none
}

ENGINE_TEST(a_static_context_ends_with_the_process) {
    const int status = in_child([&] {
        static asio::io_context ctx;
        static file written(ctx), other(ctx);
        static char bytes[block] = {};
        asio_aio::configure(ctx, env.options());
        written.open(env.path(), file_base::read_write | file_base::create);
        int called = 0;
        const auto count = [&](auto...) { ++called; };
        written.async_write_some_at(0, asio::buffer(bytes), count);
        written.async_sync_all(count);
        ctx.run();
        if (called != 2)
            return 1;
        // These are in flight, or wait for the next turn of the loop, when the static objects are destroyed.
        other.async_open(env.path(), file_base::read_only, count);
        written.async_write_some_at(0, asio::buffer(bytes), count);
        ctx.restart();
        ctx.poll();
        written.async_sync_all(count);
        std::exit(0);
    });
    BOOST_TEST(status == 0);
}

// --- Signals and threads that end ---

ENGINE_TEST(a_storm_of_signals_fails_no_operation) {
    static std::atomic<int> signals;
    signals = 0;
    struct sigaction action {
    }, before{};
    action.sa_handler = [](int) { ++signals; }; // without SA_RESTART: interrupts system calls
    BOOST_REQUIRE_EQUAL(::sigaction(SIGALRM, &action, &before), 0);
    const itimerval storm{{0, 1000}, {0, 1000}}; // 1 kHz
    const itimerval calm{};
    const std::string bytes = pattern(block);
    file f = env.open();
    constexpr int in_flight = 32;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    constexpr int operations = 10'000;
#else
    constexpr int operations = 100'000;
#endif
    constexpr int enough_signals = 100;
    int started = 0;
    int failed = 0;
    std::string into(block, '\0');
    BOOST_REQUIRE_EQUAL(::setitimer(ITIMER_REAL, &storm, nullptr), 0);
    std::function<void()> next = [&] {
        if (started >= operations && signals >= enough_signals)
            return;
        const auto done = [&](error_code ec, std::size_t n) {
            failed += ec || n != block;
            next();
        };
        if (++started % 2 == 0)
            f.async_read_some_at(0, asio::buffer(into), done);
        else
            f.async_write_some_at(0, asio::buffer(bytes), done);
    };
    f.write_some_at(0, asio::buffer(bytes));
    for (int i = 0; i != in_flight; ++i)
        next();
    env.run();
    BOOST_REQUIRE_EQUAL(::setitimer(ITIMER_REAL, &calm, nullptr), 0);
    BOOST_REQUIRE_EQUAL(::sigaction(SIGALRM, &before, nullptr), 0);
    BOOST_TEST(failed == 0);
    BOOST_TEST(started >= operations);
    BOOST_TEST(signals >= enough_signals);
}

ENGINE_TEST(operations_survive_the_thread_that_submitted_them) {
    constexpr std::size_t reads = 32;
    set_content(env.path(), pattern(reads * block));
    std::vector<std::string> buffers(reads, std::string(block, '\0'));
    const std::string bytes = pattern(block);
    file writes_to = env.open("written");
    for (int round = 0; round != 20; ++round) {
        make_cold(env.path());
        file f = env.open("file", file_base::read_only);
        std::vector<outcome> results(2 * reads);
        for (std::size_t i = 0; i != reads; ++i) {
            f.async_read_some_at(i * block, asio::buffer(buffers[i]), results[i].handler());
            writes_to.async_write_some_at(
                i * block, asio::buffer(bytes), results[reads + i].handler());
        }
        std::thread([&] { env.ctx.poll_one(); }).join(); // runs the round that submits, and ends
        env.run();
        for (const outcome& each : results) {
            BOOST_REQUIRE_EQUAL(each.calls, 1);
            BOOST_REQUIRE(!each.ec);
            BOOST_REQUIRE_EQUAL(each.bytes, block);
        }
    }
}
