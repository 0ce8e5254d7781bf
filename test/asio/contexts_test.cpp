// SPDX-License-Identifier: BSL-1.0
// Execution contexts, executors and threads. A busy strand must not delay other strands.
#include "holding_engine.hpp"
#include "inline_executor.hpp"
#include "threads.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>

using namespace test;

namespace {

// --- A user's own execution context ---

/// An execution context that runs functions in order on its own thread.
class own_context : public asio::execution_context {
public:
    class executor_type;

    own_context() : thread_([this] { work(); }) {}

    ~own_context() {
        {
            const std::lock_guard locked(mutex_);
            ending_ = true;
            changed_.notify_all();
        }
        thread_.join();
        shutdown();
        destroy();
    }

    executor_type get_executor() noexcept;

    bool is_running_here() const { return std::this_thread::get_id() == thread_.get_id(); }

    void push(std::function<void()> function) {
        const std::lock_guard locked(mutex_);
        waiting_.push_back(std::move(function));
        changed_.notify_all();
    }

private:
    void work() {
        std::unique_lock locked(mutex_);
        for (;;) {
            changed_.wait(locked, [this] { return ending_ || !waiting_.empty(); });
            if (waiting_.empty())
                return;
            {
                const auto function = std::move(waiting_.front());
                waiting_.pop_front();
                locked.unlock();
                function();
            }
            locked.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> waiting_;
    bool ending_ = false;
    std::thread thread_;
};

/// Meets Asio's requirements for an executor, and has no more than `asio::post` needs.
class own_context::executor_type {
public:
    explicit executor_type(own_context& context) noexcept : context_(&context) {}

    own_context& query(asio::execution::context_t) const noexcept { return *context_; }
    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
        return asio::execution::blocking.never;
    }

    template <typename Function>
    void execute(Function function) const {
        // std::function copies, and a handler may be move-only.
        context_->push([shared = std::make_shared<Function>(std::move(function))] { (*shared)(); });
    }

    friend bool operator==(const executor_type&, const executor_type&) noexcept = default;

private:
    own_context* context_;
};

own_context::executor_type own_context::get_executor() noexcept {
    return executor_type(*this);
}

/// A user's executor that wraps one of Asio's executors and counts the functions it executes.
template <typename Inner>
class counting_executor {
public:
    counting_executor(const Inner& inner, std::atomic<int>& count) noexcept
        : inner_(inner), count_(&count) {}

    template <typename Property>
    auto query(const Property& property) const
        -> decltype(asio::query(std::declval<const Inner&>(), property)) {
        return asio::query(inner_, property);
    }

    template <typename Property>
    auto require(const Property& property) const -> counting_executor<
        std::decay_t<decltype(asio::require(std::declval<const Inner&>(), property))>> {
        return {asio::require(inner_, property), *count_};
    }

    template <typename Property>
    auto prefer(const Property& property) const -> counting_executor<
        std::decay_t<decltype(asio::prefer(std::declval<const Inner&>(), property))>> {
        return {asio::prefer(inner_, property), *count_};
    }

    template <typename Function>
    void execute(Function&& function) const {
        ++*count_;
        inner_.execute(std::forward<Function>(function));
    }

    friend bool operator==(const counting_executor&, const counting_executor&) noexcept = default;

private:
    Inner inner_;
    std::atomic<int>* count_;
};

// --- What every context must support ---

/// Configures the engine of a context. False if an earlier test has used the context with another
/// engine.
[[nodiscard]] bool choose(asio::execution_context& context, const environment& env) {
    error_code ec;
    asio_aio::configure(context, env.options(), ec);
    const auto chosen = asio_aio::describe(context).chosen;
    return !ec || (chosen && *chosen == env.engine);
}

/// Writes 64 blocks with one operation each, and reads each block when its write is complete.
template <typename Executor>
class round_trip {
    static constexpr std::size_t blocks = 64;
    static constexpr std::size_t block_size = 512;

public:
    round_trip(const Executor& executor, const std::string& path)
        : file_(executor, path, file_base::read_write | file_base::create), ends_(blocks) {}

    void start() {
        for (std::size_t i = 0; i != blocks; ++i)
            file_.async_write_some_at(
                i * block_size, asio::buffer(&written_[i * block_size], block_size),
                [this, i](error_code ec, std::size_t n) { read(i, !ec && n == block_size); });
    }

    /// Waits for all reads; false if a handler was not called.
    [[nodiscard]] bool wait() { return ends_.wait(); }

    void check() const {
        BOOST_TEST(wrong_ == 0);
        BOOST_TEST((read_ == written_));
    }

private:
    void read(std::size_t i, bool written_right) {
        wrong_ += !written_right;
        file_.async_read_some_at(
            i * block_size, asio::buffer(&read_[i * block_size], block_size),
            [this](error_code ec, std::size_t n) {
                wrong_ += ec || n != block_size;
                ends_.arrive();
            });
    }

    asio_aio::basic_random_access_file_aio<Executor> file_;
    meeting ends_;
    std::atomic<int> wrong_{0};
    const std::string written_ = pattern(blocks * block_size);
    std::string read_ = std::string(blocks * block_size, '\0');
};

/// For a context that runs by itself.
template <typename Executor>
void check_round_trip(
    const environment& env, const Executor& executor, std::string_view name = "file") {
    round_trip<Executor> trip(executor, env.path(name));
    trip.start();
    BOOST_REQUIRE(trip.wait());
    trip.check();
}

/// For the test's io_context.
template <typename Executor>
void check_round_trip_in_run(environment& env, const Executor& executor, std::size_t threads) {
    round_trip<Executor> trip(executor, env.path());
    trip.start();
    run_on_threads(env.ctx, threads);
    BOOST_REQUIRE(trip.wait());
    trip.check();
}

} // namespace

// --- Kinds of contexts and executors ---

ENGINE_TEST(works_on_an_io_context_with_one_two_and_eight_threads) {
    for (std::size_t threads : {1u, 2u, 8u}) {
        BOOST_TEST_CONTEXT(threads << " threads") {
            check_round_trip_in_run(env, env.ctx.get_executor(), threads);
        }
    }
}

ENGINE_TEST(works_on_an_io_context_with_a_concurrency_hint_of_one) {
    asio::io_context ctx(1);
    BOOST_REQUIRE(choose(ctx, env));
    round_trip<asio::io_context::executor_type> trip(ctx.get_executor(), env.path());
    trip.start();
    run_until_idle(ctx);
    BOOST_REQUIRE(trip.wait());
    trip.check();
}

ENGINE_TEST(works_through_a_type_erased_executor) {
    check_round_trip_in_run(env, asio::any_io_executor(env.ctx.get_executor()), 2);
}

ENGINE_TEST(works_on_a_strand) {
    check_round_trip_in_run(env, asio::make_strand(env.ctx), 2);
}

ENGINE_TEST(works_on_a_type_erased_strand) {
    check_round_trip_in_run(env, asio::any_io_executor(asio::make_strand(env.ctx)), 2);
}

ENGINE_TEST(works_on_a_strand_of_a_type_erased_executor) {
    check_round_trip_in_run(
        env, asio::make_strand(asio::any_io_executor(env.ctx.get_executor())), 2);
}

ENGINE_TEST(works_on_a_strand_in_a_strand) {
    check_round_trip_in_run(env, asio::make_strand(asio::make_strand(env.ctx)), 2);
}

ENGINE_TEST(works_on_an_executor_that_holds_work) {
    auto tracked = std::make_optional(
        asio::require(env.ctx.get_executor(), asio::execution::outstanding_work.tracked));
    using executor = std::decay_t<decltype(*tracked)>;
    auto trip = std::make_unique<round_trip<executor>>(*tracked, env.path());
    tracked.reset();
    trip->start();
    {
        std::jthread runner([&] { env.ctx.run(); }); // until the file and its executor are gone
        const bool all_ended = trip->wait();
        if (all_ended)
            trip->check();
        trip.reset();
        if (!all_ended)
            env.ctx.stop();
        BOOST_TEST(all_ended);
    }
    // The file's executor counted as work. It is destroyed now, so the context has no work left.
    BOOST_TEST(env.ctx.stopped());
}

ENGINE_TEST(works_on_a_users_executor_that_wraps_that_of_an_io_context) {
    std::atomic<int> executed{0};
    const counting_executor executor(env.ctx.get_executor(), executed);
    check_round_trip_in_run(env, executor, 2);
    BOOST_TEST(executed == 128); // one unit of work for each completion
}

ENGINE_TEST(works_on_a_thread_pool) {
    for (std::size_t threads : {1u, 2u, 8u}) {
        BOOST_TEST_CONTEXT(threads << " threads") {
            asio::thread_pool pool(threads);
            BOOST_REQUIRE(choose(pool, env));
            check_round_trip(env, pool.get_executor());
            check_round_trip(env, asio::any_io_executor(pool.get_executor()));
            check_round_trip(env, asio::make_strand(pool));
            check_round_trip(env, asio::any_io_executor(asio::make_strand(pool)));
            pool.join();
        }
    }
}

ENGINE_TEST(works_on_an_inline_executor) {
    const std::string bytes = pattern(4096);
    set_content(env.path(), bytes);
    asio_aio::basic_random_access_file_aio<inline_executor> f(
        inline_executor{&env.ctx}, env.path(), file_base::read_write);
    std::string back(bytes.size(), '\0');
    bool initiating = false;
    int calls = 0;
    const auto handler = [&](const error_code& expected, std::size_t count) {
        return [&, expected, count](error_code ec, std::size_t n) {
            BOOST_TEST(!initiating);
            BOOST_TEST(ec == expected);
            BOOST_TEST(n == count);
            ++calls;
        };
    };
    initiating = true;
    // an inline read, if the filesystem allows it
    f.async_read_some_at(0, asio::buffer(back), handler({}, bytes.size()));
    f.async_read_some_at(1 << 20, asio::buffer(back), handler(asio::error::eof, 0));
    f.async_read_some_at(
        ~std::uint64_t(0), asio::buffer(back), handler(asio::error::invalid_argument, 0));
    f.async_read_some_at(0, asio::mutable_buffer(), handler({}, 0));
    f.async_write_some_at(8192, asio::buffer(bytes), handler({}, bytes.size()));
    initiating = false;
    int handlers_at_once = 0;
    while (calls != 5) {
        const int before = calls;
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
        handlers_at_once = std::max(handlers_at_once, calls - before);
    }
    BOOST_TEST(handlers_at_once == 1);
    BOOST_TEST(back == bytes);
    env.run();
    BOOST_TEST(asio_aio::statistics(env.ctx).in_flight == 0u);
    auto value = f.async_read_some_at(0, asio::buffer(back), asio::use_future);
    env.ctx.restart();
    env.run();
    BOOST_TEST(value.get() == bytes.size());
}

ENGINE_TEST(an_exception_of_a_handler_on_an_inline_executor_leaves_run_and_loses_no_other) {
    asio_aio::basic_random_access_file_aio<inline_executor> f(
        inline_executor{&env.ctx}, env.path(), file_base::read_write | file_base::create);
    int calls = 0;
    for (int i = 0; i != 3; ++i)
        f.async_write_some_at(0, asio::buffer("abc", 3), [&calls, i](error_code, std::size_t) {
            ++calls;
            if (i == 1)
                throw std::runtime_error("thrown by a handler");
        });
    BOOST_CHECK_THROW(run_with_deadline(env.ctx), std::runtime_error);
    run_with_deadline(env.ctx);
    BOOST_TEST(calls == 3);
    BOOST_TEST(asio_aio::statistics(env.ctx).in_flight == 0u);
}

ENGINE_TEST(a_thread_pool_joins_when_nothing_is_in_flight_and_not_before) {
    asio::thread_pool pool(2);
    BOOST_REQUIRE(choose(pool, env));
    file f(pool.get_executor(), env.path(), file_base::read_write | file_base::create);
    std::atomic<int> calls{0};
    constexpr int writes = 100;
    for (int i = 0; i != writes; ++i)
        f.async_write_some_at(
            std::uint64_t(i), asio::buffer("x", 1), [&](error_code, std::size_t) { ++calls; });
    pool.join();
    BOOST_TEST(calls == writes);
}

ENGINE_TEST(works_on_the_system_executor) {
    auto& context = asio::query(asio::system_executor(), asio::execution::context);
    if (!choose(context, env))
        return say_skipped("the system context of this process already has another engine");
    check_round_trip(env, asio::system_executor());
    check_round_trip(env, asio::any_io_executor(asio::system_executor()));
    check_round_trip(env, asio::make_strand(asio::system_executor()));
}

ENGINE_TEST(works_on_a_users_execution_context) {
    own_context context;
    BOOST_REQUIRE(choose(context, env));
    check_round_trip(env, context.get_executor());
    check_round_trip(env, asio::any_io_executor(context.get_executor()));
    check_round_trip(env, asio::make_strand(context.get_executor()));
}

ENGINE_TEST(handlers_run_on_the_thread_of_a_users_own_context) {
    own_context context;
    BOOST_REQUIRE(choose(context, env));
    asio_aio::basic_random_access_file_aio<own_context::executor_type> f(
        context.get_executor(), env.path(), file_base::read_write | file_base::create);
    char byte;
    std::atomic<int> right{0};
    meeting ends(3);
    const auto handler = [&](error_code, std::size_t) {
        right += context.is_running_here();
        ends.arrive();
    };
    f.async_write_some_at(0, asio::buffer("x", 1), handler);
    f.async_read_some_at(0, asio::buffer(&byte, 1), handler);
    f.async_read_some_at(0, asio::mutable_buffer(), handler);
    BOOST_REQUIRE(ends.wait());
    BOOST_TEST(right == 3);
}

ENGINE_TEST(a_users_context_can_be_destroyed_while_operations_are_in_flight) {
    std::atomic<int> calls{0};
    const auto kept = std::make_shared<int>();
    {
        own_context context;
        hold held(context, env.engine, hold_at::submission);
        file f(context.get_executor(), env.path(), file_base::read_write | file_base::create);
        for (int i = 0; i != 5; ++i)
            f.async_write_some_at(
                0, asio::buffer("abc", 3), [&calls, kept](error_code ec, std::size_t) {
                    calls += ec != asio::error::operation_aborted; // of the file's destructor
                });
        BOOST_TEST(held.wait_for(5));
    }
    BOOST_TEST(calls == 0);
    BOOST_TEST(kept.use_count() == 1);
    BOOST_TEST(content(env.path()).empty());
}

// --- Busy handlers ---

namespace {

/// Blocks the handler of a write on one executor until reads and writes on the other executor are
/// complete.
template <typename Executor>
class busy_handler {
public:
    static constexpr std::size_t others = 8;

    busy_handler(const environment& env, const Executor& busy, const Executor& other)
        : busy_file_(busy, env.path("busy"), file_base::read_write | file_base::create),
          other_file_(other, env.path("other"), file_base::read_write | file_base::create),
          others_ended_(others),
          all_ended_(others + 1) {}

    void start() {
        busy_file_.async_write_some_at(0, asio::buffer("x", 1), [this](error_code, std::size_t) {
            start_others(); // this handler occupies its strand
            went_on_ = others_ended_.wait();
            all_ended_.arrive();
        });
    }

    [[nodiscard]] bool wait() { return all_ended_.wait(); }
    bool went_on() const { return went_on_; }

private:
    void start_others() {
        for (std::size_t i = 0; i != others; ++i) {
            const auto handler = [this](error_code, std::size_t) {
                others_ended_.arrive();
                all_ended_.arrive();
            };
            if (i % 2 == 0)
                other_file_.async_write_some_at(i, asio::buffer("y", 1), handler);
            else
                other_file_.async_read_some_at(0, asio::buffer(&bytes_[i], 1), handler);
        }
    }

    asio_aio::basic_random_access_file_aio<Executor> busy_file_, other_file_;
    meeting others_ended_, all_ended_;
    char bytes_[others];
    std::atomic<bool> went_on_{false};
};

template <typename Executor>
void check_busy_handler(const environment& env, const Executor& busy, const Executor& other) {
    busy_handler<Executor> test(env, busy, other);
    test.start();
    BOOST_REQUIRE(test.wait());
    BOOST_TEST(test.went_on());
}

/// Checks two executors, made by `make`, of an io_context with two threads.
template <typename Make>
void check_busy_handler_in_run(const environment& env, Make make) {
    asio::io_context ctx;
    BOOST_REQUIRE(choose(ctx, env));
    const auto busy = make(ctx);
    busy_handler<std::decay_t<decltype(busy)>> test(env, busy, make(ctx));
    test.start();
    run_on_threads(ctx, 2);
    BOOST_REQUIRE(test.wait());
    BOOST_TEST(test.went_on());
}

} // namespace

ENGINE_TEST(a_busy_strand_of_an_io_context_does_not_delay_another) {
    check_busy_handler_in_run(env, [](asio::io_context& ctx) { return asio::make_strand(ctx); });
}

ENGINE_TEST(a_busy_type_erased_strand_does_not_delay_another) {
    check_busy_handler_in_run(
        env, [](asio::io_context& ctx) { return asio::any_io_executor(asio::make_strand(ctx)); });
}

ENGINE_TEST(a_busy_strand_of_a_type_erased_executor_does_not_delay_another) {
    check_busy_handler_in_run(env, [](asio::io_context& ctx) {
        return asio::make_strand(asio::any_io_executor(ctx.get_executor()));
    });
}

ENGINE_TEST(a_busy_strand_in_a_strand_does_not_delay_another) {
    check_busy_handler_in_run(
        env, [](asio::io_context& ctx) { return asio::make_strand(asio::make_strand(ctx)); });
}

ENGINE_TEST(a_busy_strand_that_is_erased_twice_does_not_delay_another) {
    check_busy_handler_in_run(env, [](asio::io_context& ctx) {
        return asio::any_io_executor(
            asio::make_strand(asio::any_io_executor(asio::make_strand(ctx))));
    });
}

ENGINE_TEST(a_busy_strand_of_a_users_executor_does_not_delay_another) {
    std::atomic<int> executed{0};
    check_busy_handler_in_run(env, [&](asio::io_context& ctx) {
        return asio::make_strand(counting_executor(ctx.get_executor(), executed));
    });
}

ENGINE_TEST(a_busy_handler_of_an_io_context_does_not_delay_the_other_thread) {
    check_busy_handler_in_run(env, [](asio::io_context& ctx) { return ctx.get_executor(); });
    check_busy_handler_in_run(
        env, [](asio::io_context& ctx) { return asio::any_io_executor(ctx.get_executor()); });
}

ENGINE_TEST(a_busy_strand_of_a_thread_pool_does_not_delay_another) {
    asio::thread_pool pool(2);
    BOOST_REQUIRE(choose(pool, env));
    check_busy_handler(env, asio::make_strand(pool), asio::make_strand(pool));
    check_busy_handler(
        env, asio::any_io_executor(asio::make_strand(pool)),
        asio::any_io_executor(asio::make_strand(pool)));
    check_busy_handler(env, pool.get_executor(), pool.get_executor());
    pool.join();
}

ENGINE_TEST(a_busy_thread_of_one_context_does_not_delay_handlers_bound_to_another) {
    own_context context;
    asio::thread_pool pool(1);
    BOOST_REQUIRE(choose(context, env));
    file f(context.get_executor(), env.path(), file_base::read_write | file_base::create);
    meeting other_ended(1), all_ended(2);
    std::atomic<bool> went_on{false};
    f.async_write_some_at(0, asio::buffer("x", 1), [&](error_code, std::size_t) {
        f.async_write_some_at(
            1, asio::buffer("y", 1), asio::bind_executor(pool, [&](error_code, std::size_t) {
                other_ended.arrive();
                all_ended.arrive();
            }));
        went_on = other_ended.wait();
        all_ended.arrive();
    });
    BOOST_REQUIRE(all_ended.wait());
    BOOST_TEST(went_on);
    pool.join();
}

// --- Threads and files ---

namespace {

/// Several chains of operations on each file. Each handler starts the next operation of its chain.
class chains {
public:
    static constexpr std::size_t per_file = 4;
    static constexpr std::size_t length = 24;

    chains(environment& env, asio::io_context& ctx, std::size_t files)
        : calls_(files * per_file * length) {
        for (std::size_t i = 0; i != files; ++i) {
            files_.push_back(std::make_unique<file>(
                ctx, env.path("file" + std::to_string(i)),
                file_base::read_write | file_base::create));
            for (std::size_t chain = 0; chain != per_file; ++chain)
                buffers_.push_back(pattern(block, unsigned(buffers_.size())));
        }
    }

    void start() {
        for (std::size_t chain = 0; chain != buffers_.size(); ++chain)
            go_on(chain, 0);
    }

    /// The number of handlers that were not called exactly once.
    std::size_t wrong() const {
        return failed_ + std::size_t(std::count_if(calls_.begin(), calls_.end(), [](const auto& n) {
                   return n != 1;
               }));
    }

private:
    static constexpr std::size_t block = 600;

    void go_on(std::size_t chain, std::size_t step) {
        if (step == length)
            return;
        file& f = *files_[chain / per_file];
        const std::uint64_t offset = (chain % per_file) * block;
        const auto next = [this, chain, step](error_code ec, std::size_t n) {
            ++calls_[chain * length + step];
            failed_ += ec || n != block;
            go_on(chain, step + 1);
        };
        if (step % 2 == 0)
            f.async_write_some_at(offset, asio::buffer(buffers_[chain]), next);
        else
            f.async_read_some_at(offset, asio::buffer(buffers_[chain]), next);
    }

    std::vector<std::unique_ptr<file>> files_;
    std::vector<std::string> buffers_;
    std::vector<std::atomic<int>> calls_;
    std::atomic<std::size_t> failed_{0};
};

} // namespace

ENGINE_TEST(each_handler_runs_exactly_once_with_any_number_of_threads_and_files) {
    for (std::size_t threads : {1u, 2u, 8u}) {
        for (std::size_t files : {2u, 32u}) {
            BOOST_TEST_CONTEXT(threads << " threads, " << files << " files") {
                asio::io_context ctx;
                BOOST_REQUIRE(choose(ctx, env));
                chains all(env, ctx, files);
                all.start();
                run_on_threads(ctx, threads);
                BOOST_TEST(all.wrong() == 0u);
                BOOST_TEST(
                    asio_aio::statistics(ctx).completed ==
                    files * chains::per_file * chains::length);
            }
        }
    }
}

ENGINE_TEST(several_threads_may_start_operations_on_one_file) {
    file f = env.open();
    constexpr std::size_t threads = 4, each = 50;
    std::vector<std::atomic<int>> calls(threads * each);
    {
        const auto guard = asio::make_work_guard(env.ctx);
        std::jthread runner([&] { env.ctx.run(); });
        std::vector<std::jthread> starters;
        meeting begin(threads);
        for (std::size_t t = 0; t != threads; ++t)
            starters.emplace_back([&, t] {
                static_cast<void>(begin.arrive_and_wait());
                for (std::size_t i = t * each; i != (t + 1) * each; ++i)
                    f.async_write_some_at(
                        i, asio::buffer("x", 1),
                        [&calls, i](error_code ec, std::size_t n) { calls[i] += !ec && n == 1; });
            });
        for (std::jthread& starter : starters)
            starter.join();
        asio::post(env.ctx, [&] { env.ctx.stop(); });
    }
    run_on_threads(env.ctx, 2);
    BOOST_TEST(std::count(calls.begin(), calls.end(), 1) == std::ptrdiff_t(threads * each));
    BOOST_TEST(content(env.path()) == std::string(threads * each, 'x'));
}

// --- Two contexts ---

ENGINE_TEST(files_of_two_contexts_work_side_by_side) {
    asio::io_context other;
    BOOST_REQUIRE(choose(other, env));
    round_trip<asio::any_io_executor> here(env.ctx.get_executor(), env.path("here"));
    round_trip<asio::any_io_executor> there(other.get_executor(), env.path("there"));
    here.start();
    there.start();
    env.run();
    BOOST_REQUIRE(here.wait());
    here.check();
    run_until_idle(other);
    BOOST_REQUIRE(there.wait());
    there.check();
}

ENGINE_TEST(a_context_made_on_one_thread_runs_on_another) {
    std::unique_ptr<asio::io_context> ctx;
    std::unique_ptr<round_trip<asio::any_io_executor>> trip;
    bool chosen = false;
    std::thread([&] {
        ctx = std::make_unique<asio::io_context>();
        chosen = choose(*ctx, env);
        trip = std::make_unique<round_trip<asio::any_io_executor>>(ctx->get_executor(), env.path());
        trip->start();
    }).join();
    BOOST_REQUIRE(chosen);
    std::thread([&] { ctx->run(); }).join();
    BOOST_TEST(ctx->stopped());
    BOOST_REQUIRE(trip->wait());
    trip->check();
    std::thread([&] {
        trip.reset();
        ctx.reset();
    }).join();
}

ENGINE_TEST(cancelling_in_one_context_never_touches_the_other) {
    asio::io_context other;
    hold held_here(env.ctx, env.engine, hold_at::submission);
    hold held_there(other, env.engine, hold_at::submission);
    file here = env.open("here");
    file there(other, env.path("there"), file_base::read_write | file_base::create);
    constexpr std::size_t count = 8;
    outcome results_here[count], results_there[count];
    asio::cancellation_signal signal;
    // The names by which slots find operations are the same in both contexts.
    for (std::size_t i = 0; i != count; ++i) {
        here.async_write_some_at(
            i, asio::buffer("x", 1),
            asio::bind_cancellation_slot(
                i == 0 ? signal.slot() : asio::cancellation_slot(), results_here[i].handler()));
        there.async_write_some_at(
            i, asio::buffer("x", 1),
            asio::bind_cancellation_slot(asio::cancellation_slot(), results_there[i].handler()));
    }
    held_here.run_until_held(env.ctx, count);
    held_there.run_until_held(other, count);
    signal.emit(asio::cancellation_type::terminal);
    here.cancel();
    held_there.release();
    env.run();
    run_until_idle(other);
    for (std::size_t i = 0; i != count; ++i) {
        BOOST_TEST(results_here[i].calls == 1);
        BOOST_TEST(results_here[i].ec == asio::error::operation_aborted);
        BOOST_TEST(results_there[i].calls == 1);
        BOOST_TEST(!results_there[i].ec);
        BOOST_TEST(results_there[i].bytes == 1u);
    }
    BOOST_TEST(content(env.path("here")).empty());
    BOOST_TEST(content(env.path("there")) == std::string(count, 'x'));
}

ENGINE_TEST(destroying_one_context_leaves_the_other_alone) {
    file f = env.open();
    outcome result;
    f.async_write_some_at(0, asio::buffer("abc", 3), result.handler());
    {
        asio::io_context other;
        hold held(other, env.engine, hold_at::submission);
        auto abandoned = std::make_unique<file>(
            other, env.path("other"), file_base::read_write | file_base::create);
        abandoned->async_write_some_at(0, asio::buffer("abc", 3), [](error_code, std::size_t) {});
        held.run_until_held(other, 1);
        abandoned.reset();
    }
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.bytes == 3u);
}

ENGINE_TEST(a_handler_may_be_bound_to_another_context_than_its_file) {
    asio::thread_pool pool(1);
    file f = env.open();
    std::atomic<int> calls{0};
    std::atomic<bool> was_there{false};
    f.async_write_some_at(
        0, asio::buffer("abc", 3), asio::bind_executor(pool, [&](error_code, std::size_t n) {
            was_there = pool.get_executor().running_in_this_thread();
            calls += n == 3;
        }));
    env.run();
    pool.join();
    BOOST_TEST(calls == 1);
    BOOST_TEST(was_there);
}
