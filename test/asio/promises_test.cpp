// SPDX-License-Identifier: BSL-1.0
// Asio's guarantees about handlers and about `run`.
#include "holding_engine.hpp"
#include "threads.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 102800 // Boost 1.82
# include <boost/asio/bind_immediate_executor.hpp>
#endif

#include <array>
#include <atomic>
#include <deque>
#include <memory>

using namespace test;

namespace {

// --- Every way in which an operation can end ---

struct way {
    enum kind {
        hit,
        miss,
        write,
        end_of_file,
        nothing_to_read,
        nothing_to_write,
        closed,
        moved_from,
        bad_offset,
        read_only
    };

    kind what;
    const char* name;
};

constexpr way all_ways[] = {
    {way::hit, "an inline read"},
    {way::miss, "a read of a file that is not in memory"},
    {way::write, "a write"},
    {way::end_of_file, "a read at the end of the file"},
    {way::nothing_to_read, "a read of nothing"},
    {way::nothing_to_write, "a write of nothing"},
    {way::closed, "a read of a closed file"},
    {way::moved_from, "a write to a moved-from file"},
    {way::bad_offset, "a read at an offset that is too large"},
    {way::read_only, "a write to a file that is open for reading"},
};

/// Files on which an operation of each kind can be started.
template <typename Executor = asio::any_io_executor>
class operations {
    using file_type = asio_aio::basic_random_access_file_aio<Executor>;

public:
    operations(environment& env, const Executor& executor)
        : cold_path_(env.path("cold")),
          warm_(executor, prepared(env.path("warm")), file_base::read_only),
          cold_(executor, prepared(cold_path_), file_base::read_only),
          written_(executor, env.path("written"), file_base::read_write | file_base::create),
          closed_(executor),
          moved_from_(executor, env.path("moved"), file_base::read_write | file_base::create),
          moved_to_(std::move(moved_from_)) {
        char first[block];
        warm_.read_some_at(0, asio::buffer(first)); // brings the data into memory
    }

    template <typename Token>
    void start(way::kind what, Token&& token) {
        const auto buffer = asio::buffer(buffers_.emplace_back(block, 'x'));
        constexpr std::uint64_t too_large = std::uint64_t(1) << 63;
        switch (what) {
        case way::hit: warm_.async_read_some_at(0, buffer, std::forward<Token>(token)); break;
        case way::miss: read_cold(buffer, std::forward<Token>(token)); break;
        case way::write: written_.async_write_some_at(0, buffer, std::forward<Token>(token)); break;
        case way::end_of_file:
            warm_.async_read_some_at(block, buffer, std::forward<Token>(token));
            break;
        case way::nothing_to_read:
            warm_.async_read_some_at(0, asio::mutable_buffer(), std::forward<Token>(token));
            break;
        case way::nothing_to_write:
            written_.async_write_some_at(0, asio::const_buffer(), std::forward<Token>(token));
            break;
        case way::closed: closed_.async_read_some_at(0, buffer, std::forward<Token>(token)); break;
        case way::moved_from:
            moved_from_.async_write_some_at(0, buffer, std::forward<Token>(token));
            break;
        case way::bad_offset:
            warm_.async_read_some_at(too_large, buffer, std::forward<Token>(token));
            break;
        case way::read_only:
            warm_.async_write_some_at(0, buffer, std::forward<Token>(token));
            break;
        }
    }

private:
    static constexpr std::size_t block = 4096;

    static const std::string& prepared(const std::string& path) {
        set_content(path, pattern(block));
        return path;
    }

    template <typename Token>
    void read_cold(asio::mutable_buffer buffer, Token&& token) {
        make_cold(cold_path_);
        cold_.async_read_some_at(0, buffer, std::forward<Token>(token));
    }

    const std::string cold_path_;
    std::deque<std::string> buffers_; // one for each operation, because operations overlap
    file_type warm_, cold_, written_, closed_, moved_from_, moved_to_;
};

// --- Handlers that are ready to run ---

/// The origin of five results: inline reads, one batch of the engine, or operations without I/O.
enum class origin { memory, engine, nowhere };

constexpr origin all_origins[] = {origin::memory, origin::engine, origin::nowhere};

std::ostream& operator<<(std::ostream& out, origin from) {
    return out
        << (from == origin::memory       ? "memory"
                : from == origin::engine ? "the engine"
                                         : "nowhere");
}

/// A context on which the handlers of five operations are ready to run.
class five_ready {
public:
    static constexpr int count = 5;

    /// Each handler calls `on_call`.
    template <typename Function>
    five_ready(environment& env, origin from, Function on_call) {
        std::optional<hold> held;
        if (from == origin::engine)
            held.emplace(ctx, env.engine, hold_at::completion);
        else
            asio_aio::configure(ctx, env.options());
        set_content(env.path("five"), "12345");
        file_.emplace(ctx, env.path("five"), file_base::read_write);
        file_->read_some_at(0, asio::buffer(bytes_));
        for (int i = 0; i != count; ++i) {
            const auto buffer =
                asio::buffer(&bytes_[std::size_t(i)], from == origin::nowhere ? 0 : 1);
            file_->async_read_some_at(
                std::uint64_t(i), buffer, [this, on_call](error_code ec, std::size_t n) mutable {
                    failed_ |= bool(ec);
                    bytes_moved_ += n;
                    on_call();
                });
        }
        if (!held)
            return;
        held->run_until_held(ctx, count);
        held->release();
    }

    bool each_succeeded(origin from) const {
        return !failed_ && bytes_moved_ == (from == origin::nowhere ? 0u : std::size_t(count));
    }

    asio::io_context ctx;

private:
    std::array<char, count> bytes_{};
    std::optional<file> file_;
    bool failed_ = false;
    std::size_t bytes_moved_ = 0;
};

} // namespace

// --- Where and when handlers run ---

ENGINE_TEST(no_handler_is_called_inside_the_initiating_function) {
    operations<> ops(env, env.ctx.get_executor());
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            outcome result;
            ops.start(each.what, result.handler());
            BOOST_TEST(result.calls == 0);
            env.run();
            BOOST_TEST(result.calls == 1);
        }
    }
}

ENGINE_TEST(no_handler_is_called_inside_an_initiating_function_that_a_handler_calls) {
    operations<> ops(env, env.ctx.get_executor());
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            outcome result;
            int calls_at_return = -1;
            asio::post(env.ctx, [&] {
                ops.start(each.what, result.handler());
                calls_at_return = result.calls;
            });
            env.run();
            BOOST_TEST(calls_at_return == 0);
            BOOST_TEST(result.calls == 1);
        }
    }
}

ENGINE_TEST(a_handler_runs_on_its_associated_executor_and_not_on_the_files) {
    operations<> ops(env, env.ctx.get_executor());
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            asio::io_context other;
            outcome result;
            bool was_there = false;
            ops.start(each.what, asio::bind_executor(other, [&](error_code ec, std::size_t n) {
                          was_there = other.get_executor().running_in_this_thread();
                          result.handler()(ec, n);
                      }));
            env.run();
            BOOST_TEST(result.calls == 0);
            run_until_idle(other);
            BOOST_TEST(result.calls == 1);
            BOOST_TEST(was_there);
        }
    }
}

ENGINE_TEST(a_handler_without_an_executor_runs_on_the_files) {
    const auto strand = asio::make_strand(env.ctx);
    operations<asio::strand<asio::io_context::executor_type>> ops(env, strand);
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            int calls = 0;
            bool was_there = false;
            ops.start(each.what, [&](error_code, std::size_t) {
                ++calls;
                was_there = strand.running_in_this_thread();
            });
            BOOST_TEST(calls == 0);
            env.run();
            BOOST_TEST(calls == 1);
            BOOST_TEST(was_there);
        }
    }
}

ENGINE_TEST(handlers_bound_to_a_strand_never_overlap) {
    const auto strand = asio::make_strand(env.ctx);
    operations<> ops(env, env.ctx.get_executor());
    int calls = 0; // not atomic: the strand orders the handlers
    std::atomic<int> outside{0}, inside{0}, overlaps{0};
    constexpr int rounds = 20;
    for (int round = 0; round != rounds; ++round) {
        for (const way& each : all_ways) {
            ops.start(each.what, asio::bind_executor(strand, [&](error_code, std::size_t) {
                          outside += !strand.running_in_this_thread();
                          overlaps += inside++ != 0;
                          ++calls;
                          --inside;
                      }));
        }
    }
    run_on_threads(env.ctx, 4);
    BOOST_TEST(calls == rounds * int(std::size(all_ways)));
    BOOST_TEST(outside == 0);
    BOOST_TEST(overlaps == 0);
}

ENGINE_TEST(an_operation_is_outstanding_work_of_its_handlers_executor) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    asio::io_context other;
    outcome result;
    f.async_write_some_at(0, asio::buffer("abc", 3), asio::bind_executor(other, result.handler()));
    held.run_until_held(env.ctx, 1);
    other.poll();
    BOOST_TEST(!other.stopped());
    held.release();
    env.run();
    run_until_idle(other);
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.bytes == 3u);
}

namespace {

/// An executor that calls each function inside `execute`, and counts the calls.
class inline_executor {
public:
    inline_executor(asio::execution_context& context, int& calls) noexcept
        : context_(&context), calls_(&calls) {}

    asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }

    template <typename Function>
    void execute(Function function) const {
        ++*calls_;
        function();
    }

    [[maybe_unused]] friend bool operator==(
        const inline_executor&, const inline_executor&) noexcept = default;

private:
    asio::execution_context* context_;
    int* calls_;
};

} // namespace

ENGINE_TEST(a_handler_may_be_bound_to_an_inline_executor) {
    operations<> ops(env, env.ctx.get_executor());
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            outcome result;
            int executed = 0;
            ops.start(
                each.what,
                asio::bind_executor(inline_executor(env.ctx, executed), result.handler()));
            BOOST_TEST(result.calls == 0);
            env.run();
            BOOST_TEST(result.calls == 1);
            BOOST_TEST(executed == 1);
        }
    }
}

#if BOOST_ASIO_VERSION >= 102800
ENGINE_TEST(a_result_at_initiation_goes_through_the_immediate_executor) {
    operations<> ops(env, env.ctx.get_executor());
    for (const way& each : all_ways) {
        if (each.what == way::miss || each.what == way::write || each.what == way::read_only)
            continue; // only the engine knows the result
        if (each.what == way::hit || each.what == way::end_of_file)
            continue; // depends on the filesystem
        BOOST_TEST_CONTEXT(each.name) {
            outcome result;
            int executed = 0;
            const inline_executor immediate(env.ctx, executed);
            ops.start(each.what, asio::bind_immediate_executor(immediate, result.handler()));
            BOOST_TEST(executed == 1);
            BOOST_TEST(result.calls == 1);
            env.run();
            BOOST_TEST(result.calls == 1);
        }
    }
}

ENGINE_TEST(a_result_of_the_engine_does_not_go_through_the_immediate_executor) {
    operations<> ops(env, env.ctx.get_executor());
    outcome result;
    int executed = 0;
    const inline_executor immediate(env.ctx, executed);
    ops.start(way::write, asio::bind_immediate_executor(immediate, result.handler()));
    BOOST_TEST(result.calls == 0);
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(executed == 0);
}
#endif

// --- One handler, one unit of work ---

ENGINE_TEST(run_one_runs_at_most_one_handler_though_five_are_ready) {
    for (origin from : all_origins) {
        BOOST_TEST_CONTEXT("results from " << from) {
            int calls = 0;
            five_ready five(env, from, [&] { ++calls; });
            while (calls != five_ready::count) {
                const int before = calls;
                BOOST_REQUIRE(run_one_with_deadline(five.ctx) == 1u);
                BOOST_TEST(calls - before <= 1);
            }
            BOOST_TEST(five.each_succeeded(from));
        }
    }
}

ENGINE_TEST(poll_on_an_idle_context_returns_0_at_once) {
    file f = env.open();
    BOOST_TEST(env.ctx.poll() == 0u);
    BOOST_TEST(read_at(env, f, 0, {asio::mutable_buffer()}).calls == 1);
    env.ctx.restart();
    const auto guard = asio::make_work_guard(env.ctx); // idle, but not out of work
    BOOST_TEST(env.ctx.poll() == 0u);
    BOOST_TEST(env.ctx.poll_one() == 0u);
}

ENGINE_TEST(poll_returns_0_again_when_an_operation_has_ended) {
    file f = env.open();
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    env.ctx.restart();
    const auto guard = asio::make_work_guard(env.ctx);
    // The engine's event may wake the loop once more after a round has taken the result.
    std::size_t late_wake_ups = 0;
    while (env.ctx.poll() != 0)
        BOOST_REQUIRE(++late_wake_ups <= 1u);
}

ENGINE_TEST(poll_while_an_operation_is_in_flight_returns_and_calls_nothing) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    outcome result;
    f.async_write_some_at(0, asio::buffer("abc", 3), result.handler());
    held.run_until_held(env.ctx, 1);
    env.ctx.poll();
    BOOST_TEST(env.ctx.poll() == 0u);
    BOOST_TEST(result.calls == 0);
    held.release();
    env.run();
    BOOST_TEST(result.calls == 1);
}

ENGINE_TEST(run_for_returns_while_an_operation_is_in_flight) {
#ifdef ASIO_AIO_TEST_ASIO_ON_IO_URING
    return say_skipped("Asio's own run_for is not safe on io_uring; see run_with_deadline");
#endif
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    outcome result;
    f.async_write_some_at(0, asio::buffer("abc", 3), result.handler());
    env.ctx.run_for(std::chrono::milliseconds(20));
    BOOST_TEST(!env.ctx.stopped());
    BOOST_TEST(result.calls == 0);
    held.release();
    env.run();
    BOOST_TEST(result.calls == 1);
}

ENGINE_TEST(stop_takes_effect_between_two_handlers) {
    for (origin from : all_origins) {
        BOOST_TEST_CONTEXT("results from " << from) {
            int calls = 0;
            asio::io_context* running = nullptr;
            five_ready five(env, from, [&] {
                if (++calls == 1)
                    running->stop();
            });
            running = &five.ctx;
            run_with_deadline(five.ctx);
            BOOST_TEST(calls == 1);
            run_until_idle(five.ctx);
            BOOST_TEST(calls == five_ready::count);
            BOOST_TEST(five.each_succeeded(from));
        }
    }
}

ENGINE_TEST(an_exception_of_the_third_handler_leaves_run_and_the_next_run_delivers_the_others) {
    struct thrown_by_handler {};
    for (origin from : all_origins) {
        BOOST_TEST_CONTEXT("results from " << from) {
            int calls = 0;
            five_ready five(env, from, [&] {
                if (++calls == 3)
                    throw thrown_by_handler();
            });
            BOOST_CHECK_THROW(run_with_deadline(five.ctx), thrown_by_handler);
            BOOST_TEST(calls == 3);
            run_until_idle(five.ctx);
            BOOST_TEST(calls == five_ready::count);
            BOOST_TEST(five.each_succeeded(from));
        }
    }
}

ENGINE_TEST(several_threads_share_the_completions_of_one_batch) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    constexpr std::size_t threads = 4;
    meeting all_at_once(threads); // one handler on each thread, all at the same time
    std::atomic<std::size_t> met{0};
    for (std::size_t i = 0; i != threads; ++i)
        f.async_write_some_at(i, asio::buffer("x", 1), [&](error_code, std::size_t) {
            met += all_at_once.arrive_and_wait();
        });
    held.run_until_held(env.ctx, threads);
    held.release();
    run_on_threads(env.ctx, threads);
    BOOST_TEST(met == threads);
}

// --- When `run` returns ---

ENGINE_TEST(run_returns_when_nothing_is_in_flight_although_a_file_is_open) {
    file f = env.open();
    env.run();
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    char byte = 0;
    BOOST_TEST(read_at(env, f, 1, {asio::buffer(&byte, 1)}).bytes == 1u);
    BOOST_TEST(byte == 'b');
    env.run();
    BOOST_TEST(f.is_open());
}

ENGINE_TEST(run_does_not_return_while_an_operation_is_in_flight) {
    for (hold_at where : {hold_at::submission, hold_at::completion}) {
        BOOST_TEST_CONTEXT(
            "held at " << (where == hold_at::submission ? "submission" : "completion")) {
            asio::io_context ctx;
            hold held(ctx, env.engine, where);
            file f(ctx, env.path(), file_base::read_write | file_base::create);
            std::atomic<int> calls{0};
            std::atomic<int> calls_when_run_returned{-1};
            f.async_write_some_at(
                0, asio::buffer("abc", 3), [&](error_code, std::size_t) { ++calls; });
            {
                std::jthread runner([&] {
                    run_with_deadline(ctx);
                    calls_when_run_returned = calls.load();
                });
                const bool reached = held.wait_for(1);
                held.release();
                runner.join();
                BOOST_TEST(reached);
            }
            BOOST_TEST(calls_when_run_returned == 1);
            BOOST_TEST(ctx.stopped());
        }
    }
}

ENGINE_TEST(a_file_that_was_closed_while_idle_keeps_nothing_alive) {
    {
        file f = env.open();
        BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
        f.close();
    }
    env.run();
    env.ctx.restart();
    BOOST_TEST(env.ctx.poll() == 0u);
    BOOST_TEST(env.ctx.stopped());
}

// --- What a handler may do ---

ENGINE_TEST(a_handler_may_poll_its_context_and_the_other_handlers_run_inside) {
    for (origin from : all_origins) {
        BOOST_TEST_CONTEXT("results from " << from) {
            int calls = 0;
            int calls_after_poll = 0;
            asio::io_context* running = nullptr;
            five_ready five(env, from, [&] {
                if (++calls != 1)
                    return;
                running->poll();
                calls_after_poll = calls;
            });
            running = &five.ctx;
            run_until_idle(five.ctx);
            BOOST_TEST(calls == five_ready::count);
            BOOST_TEST(calls_after_poll == five_ready::count);
            BOOST_TEST(five.each_succeeded(from));
        }
    }
}

ENGINE_TEST(a_handler_may_wait_for_an_operation_by_running_its_context) {
    file f = env.open();
    outcome outer, inner;
    const std::string text = "written inside";
    f.async_write_some_at(0, asio::buffer("abc", 3), [&](error_code ec, std::size_t n) {
        f.async_write_some_at(0, asio::buffer(text), inner.handler());
        while (inner.calls == 0 && run_one_with_deadline(env.ctx) == 1)
            ;
        outer.handler()(ec, n);
        BOOST_TEST(inner.calls == 1);
    });
    env.run();
    BOOST_TEST(outer.calls == 1);
    BOOST_TEST(inner.bytes == text.size());
    BOOST_TEST(content(env.path()) == text);
}

ENGINE_TEST(a_handler_may_start_operations) {
    file f = env.open();
    constexpr int length = 500;
    int calls = 0;
    bool failed = false;
    char byte = 'x';
    const auto go_on = [&](const auto& self, error_code ec, std::size_t n) -> void {
        failed |= ec || n != 1;
        if (++calls == length)
            return;
        const auto next = [&self](error_code e, std::size_t m) { self(self, e, m); };
        if (calls % 2 != 0)
            f.async_read_some_at(0, asio::buffer(&byte, 1), next);
        else
            f.async_write_some_at(0, asio::buffer(&byte, 1), next);
    };
    f.async_write_some_at(
        0, asio::buffer(&byte, 1), [&](error_code ec, std::size_t n) { go_on(go_on, ec, n); });
    env.run();
    BOOST_TEST(calls == length);
    BOOST_TEST(!failed);
}

namespace {

/// Calls `by_handler` with the file in a handler, while five writes of that file wait in the
/// engine.
template <typename Function>
void check_that_five_waiting_writes_are_aborted(environment& env, Function by_handler) {
    hold held(env.ctx, env.engine, hold_at::submission);
    auto f = std::make_unique<file>(env.open());
    outcome writes[5];
    for (outcome& each : writes)
        f->async_write_some_at(0, asio::buffer("abc", 3), each.handler());
    held.run_until_held(env.ctx, std::size(writes));
    outcome first;
    f->async_read_some_at(0, asio::mutable_buffer(), [&](error_code ec, std::size_t n) {
        by_handler(f);
        first.handler()(ec, n);
    });
    env.run();
    BOOST_TEST(first.calls == 1);
    for (const outcome& each : writes) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(each.ec == asio::error::operation_aborted);
        BOOST_TEST(each.bytes == 0u);
    }
    BOOST_TEST(content(env.path()).empty());
}

/// Calls `by_handler` with the file in the first of five handlers that are ready.
template <typename Function>
void check_that_five_finished_reads_are_delivered(environment& env, Function by_handler) {
    set_content(env.path(), "12345");
    auto f = std::make_unique<file>(env.open());
    char bytes[5];
    outcome reads[5];
    int calls = 0;
    for (std::size_t i = 0; i != std::size(reads); ++i)
        f->async_read_some_at(i, asio::buffer(&bytes[i], 1), [&, i](error_code ec, std::size_t n) {
            if (++calls == 1)
                by_handler(f);
            reads[i].handler()(ec, n);
        });
    env.run();
    BOOST_TEST(calls == 5);
    for (const outcome& each : reads) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(
            (each.ec == asio::error::operation_aborted ? each.bytes == 0
                                                       : !each.ec && each.bytes == 1));
    }
}

} // namespace

ENGINE_TEST(a_handler_may_close_the_file_while_operations_wait) {
    check_that_five_waiting_writes_are_aborted(env, [](std::unique_ptr<file>& f) { f->close(); });
}

ENGINE_TEST(a_handler_may_destroy_the_file_while_operations_wait) {
    check_that_five_waiting_writes_are_aborted(env, [](std::unique_ptr<file>& f) { f.reset(); });
}

ENGINE_TEST(a_handler_may_close_the_file_while_others_are_ready) {
    check_that_five_finished_reads_are_delivered(env, [](std::unique_ptr<file>& f) { f->close(); });
}

ENGINE_TEST(a_handler_may_destroy_the_file_while_others_are_ready) {
    check_that_five_finished_reads_are_delivered(env, [](std::unique_ptr<file>& f) { f.reset(); });
}

ENGINE_TEST(a_file_that_its_handler_owns_lives_until_the_handler_is_destroyed) {
    auto owned = std::make_shared<file>(env.open());
    const std::weak_ptr<file> seen = owned;
    file& f = *owned;
    bool lived = false;
    f.async_write_some_at(
        0, asio::buffer("abc", 3), [&, owned = std::move(owned)](error_code ec, std::size_t n) {
            lived = owned->is_open() && !ec && n == 3;
        });
    BOOST_TEST(!seen.expired());
    env.run();
    BOOST_TEST(lived);
    BOOST_TEST(seen.expired());
}

ENGINE_TEST(a_handler_may_destroy_the_last_file_and_the_context_goes_on) {
    auto f = std::make_unique<file>(env.open());
    outcome first;
    f->async_write_some_at(0, asio::buffer("abc", 3), [&](error_code ec, std::size_t n) {
        f.reset();
        first.handler()(ec, n);
    });
    env.run();
    BOOST_TEST(first.calls == 1);
    BOOST_TEST(!first.ec);
    file next = env.open();
    char bytes[3];
    BOOST_TEST(read_at(env, next, 0, {asio::buffer(bytes)}).bytes == 3u);
    BOOST_TEST(std::string_view(bytes, 3) == "abc");
}
