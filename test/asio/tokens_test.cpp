// SPDX-License-Identifier: BSL-1.0
// Completion tokens and Asio's composed operations.
#include "holding_engine.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/completion_condition.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/prepend.hpp>
#include <boost/asio/read_at.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write_at.hpp>
#if __has_include(<boost/asio/any_completion_handler.hpp>)
# include <boost/asio/any_completion_handler.hpp>
#endif

#include <array>
#include <functional>
#include <future>
#include <memory>
#include <tuple>
#include <type_traits>

using namespace test;
using namespace asio::experimental::awaitable_operators;
using boost::system::system_error;

namespace {

const std::string text = "Hello world";

file text_file(environment& env, std::string_view name = "file") {
    set_content(env.path(name), text);
    return env.open(name, file_base::read_write);
}

/// Runs a coroutine to its end and rethrows its exception.
void run_coroutine(environment& env, asio::awaitable<void> body) {
    bool ended = false;
    std::exception_ptr thrown;
    asio::co_spawn(env.ctx, std::move(body), [&](std::exception_ptr e) {
        ended = true;
        thrown = e;
    });
    env.run();
    BOOST_REQUIRE(ended);
    if (thrown)
        std::rethrow_exception(thrown);
}

/// The code of the exception that `call` throws; success if it throws none.
template <typename Call>
error_code code_thrown_by(Call call) {
    try {
        call();
    } catch (const system_error& e) {
        return e.code();
    }
    return {};
}

} // namespace

// --- Completion tokens ---

ENGINE_TEST(a_callback_may_be_any_function_object) {
    file f = text_file(env);
    char bytes[11];
    int calls = 0;
    struct function_object {
        int* calls;
        void operator()(error_code ec, std::size_t n) const { *calls += !ec && n == text.size(); }
    };
    const function_object as_lvalue{&calls};
    std::function<void(error_code, std::size_t)> erased = as_lvalue;
    f.async_read_some_at(0, asio::buffer(bytes), as_lvalue);
    env.run();
    f.async_read_some_at(0, asio::buffer(bytes), erased);
    env.run();
    f.async_write_some_at(0, asio::buffer(text), function_object{&calls});
    env.run();
    BOOST_TEST(calls == 3);
    BOOST_TEST(bool(erased)); // the function copies an lvalue
    BOOST_TEST(std::string_view(bytes, 11) == text);
}

ENGINE_TEST(a_callback_may_be_move_only) {
    file f = text_file(env);
    const auto bytes = std::make_unique<char[]>(text.size());
    auto read = std::make_unique<int>(0);
    auto written = std::make_unique<int>(0);
    int sum = 0;
    const auto handler = [&sum](std::unique_ptr<int> owned) {
        return [&sum, owned = std::move(owned)](error_code ec, std::size_t n) {
            sum += *owned + (ec ? 0 : int(n));
        };
    };
    f.async_read_some_at(0, asio::buffer(bytes.get(), text.size()), handler(std::move(read)));
    f.async_write_some_at(100, asio::buffer(text), handler(std::move(written)));
    f.async_read_some_at(0, asio::mutable_buffer(), handler(std::make_unique<int>(1000)));
    env.run();
    BOOST_TEST(sum == 1000 + 2 * int(text.size()));
}

ENGINE_TEST(use_future_gives_the_result) {
    file f = text_file(env);
    char bytes[32];
    std::future<std::size_t> read = f.async_read_some_at(0, asio::buffer(bytes), asio::use_future);
    std::future<std::size_t> written =
        f.async_write_some_at(20, asio::buffer(text), asio::use_future);
    env.run();
    BOOST_TEST(read.get() == text.size());
    BOOST_TEST(written.get() == text.size());
}

ENGINE_TEST(a_future_is_ready_when_run_returns) {
    file f = text_file(env);
    char bytes[32];
    const auto is_ready = [](const auto& future) {
        return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    };
    for (int round = 0; round != 20; ++round) {
        auto read = f.async_read_some_at(0, asio::buffer(bytes), asio::use_future);
        auto written = f.async_write_some_at(20, asio::buffer(text), asio::use_future);
        auto nothing = f.async_read_some_at(0, asio::mutable_buffer(), asio::use_future);
        env.run();
        BOOST_REQUIRE(is_ready(read));
        BOOST_REQUIRE(is_ready(written));
        BOOST_REQUIRE(is_ready(nothing));
    }
}

ENGINE_TEST(use_future_throws_the_error) {
    file f = text_file(env);
    char byte;
    std::future<std::size_t> read =
        f.async_read_some_at(1000, asio::buffer(&byte, 1), asio::use_future);
    env.run();
    BOOST_TEST(code_thrown_by([&] { read.get(); }) == asio::error::eof);
}

ENGINE_TEST(use_awaitable_gives_the_result_and_throws_the_error) {
    file f = text_file(env);
    std::size_t read = 0, written = 0;
    error_code thrown;
    const auto body = [&]() -> asio::awaitable<void> {
        char bytes[32];
        read = co_await f.async_read_some_at(0, asio::buffer(bytes), asio::use_awaitable);
        written = co_await f.async_write_some_at(20, asio::buffer(text), asio::use_awaitable);
        try {
            co_await f.async_read_some_at(1000, asio::buffer(bytes), asio::use_awaitable);
        } catch (const system_error& e) {
            thrown = e.code();
        }
    };
    run_coroutine(env, body());
    BOOST_TEST(read == text.size());
    BOOST_TEST(written == text.size());
    BOOST_TEST(thrown == asio::error::eof);
}

ENGINE_TEST(a_deferred_operation_does_nothing_until_it_is_started) {
    file f = env.open();
    auto write = f.async_write_some_at(0, asio::buffer(text), asio::deferred);
    env.run();
    BOOST_TEST(content(env.path()).empty());
    auto moved = std::move(write);
    outcome result;
    std::move(moved)(result.handler());
    BOOST_TEST(result.calls == 0);
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.bytes == text.size());
    BOOST_TEST(content(env.path()) == text);
}

ENGINE_TEST(a_deferred_operation_that_is_never_started_leaves_nothing_behind) {
    file f = env.open();
    { [[maybe_unused]] auto write = f.async_write_some_at(0, asio::buffer(text), asio::deferred); }
    env.run();
    BOOST_TEST(content(env.path()).empty());
    BOOST_TEST(asio_aio::statistics(env.ctx).started == 0u);
}

ENGINE_TEST(deferred_operations_are_chained) {
    file f = env.open();
    std::string back(text.size(), '\0');
    auto write_then_read = f.async_write_some_at(
        0, asio::buffer(text), asio::deferred([&](error_code ec, std::size_t n) {
            BOOST_TEST(!ec);
            return f.async_read_some_at(0, asio::buffer(back.data(), n), asio::deferred);
        }));
    outcome result;
    std::move(write_then_read)(result.handler());
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.bytes == text.size());
    BOOST_TEST(back == text);
}

ENGINE_TEST(as_tuple_gives_error_and_result_together) {
    file f = text_file(env);
    char bytes[32];
    int calls = 0;
    f.async_read_some_at(
        1000, asio::buffer(bytes), asio::as_tuple([&](std::tuple<error_code, std::size_t> result) {
            ++calls;
            BOOST_TEST((result == std::tuple(error_code(asio::error::eof), std::size_t(0))));
        }));
    env.run();
    BOOST_TEST(calls == 1);
    bool awaited = false;
    const auto body = [&]() -> asio::awaitable<void> {
        const auto [e, m] = co_await f.async_read_some_at(
            0, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
        awaited = !e && m == text.size();
    };
    run_coroutine(env, body());
    BOOST_TEST(awaited);
}

ENGINE_TEST(redirect_error_sets_the_error_and_gives_the_result) {
    file f = text_file(env);
    error_code at_end, inside = asio::error::fault;
    std::size_t read = 0;
    const auto body = [&]() -> asio::awaitable<void> {
        char bytes[32];
        co_await f.async_read_some_at(
            1000, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, at_end));
        read = co_await f.async_read_some_at(
            0, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, inside));
    };
    run_coroutine(env, body());
    BOOST_TEST(at_end == asio::error::eof);
    BOOST_TEST(!inside);
    BOOST_TEST(read == text.size());
}

ENGINE_TEST(bind_executor_binds_any_token) {
    file f = text_file(env);
    asio::io_context other;
    char bytes[32];
    auto future =
        f.async_read_some_at(0, asio::buffer(bytes), asio::bind_executor(other, asio::use_future));
    env.run();
    BOOST_TEST((future.wait_for(std::chrono::seconds(0)) == std::future_status::timeout));
    run_until_idle(other);
    BOOST_TEST(future.get() == text.size());
}

ENGINE_TEST(append_prepend_and_consign_change_the_arguments) {
    file f = text_file(env);
    char bytes[32];
    int calls = 0;
    const auto count = [&calls](bool right) { calls += right; };
    f.async_read_some_at(
        0, asio::buffer(bytes),
        asio::append(
            [&](error_code ec, std::size_t n, int extra) {
                count(!ec && n == text.size() && extra == 42);
            },
            42));
    f.async_write_some_at(
        20, asio::buffer(text),
        asio::prepend(
            [&](int extra, error_code ec, std::size_t n) {
                count(!ec && n == text.size() && extra == 43);
            },
            43));
    auto kept = std::make_shared<int>(0);
    const std::weak_ptr<int> seen = kept;
    f.async_read_some_at(
        0, asio::buffer(bytes + 16, 11),
        asio::consign(
            [&](error_code ec, std::size_t) { count(!ec && !seen.expired()); }, std::move(kept)));
    BOOST_TEST(!seen.expired());
    env.run();
    BOOST_TEST(calls == 3);
    BOOST_TEST(seen.expired());
}

ENGINE_TEST(use_promise_starts_at_once_and_is_awaited_later) {
    file f = text_file(env);
    std::string bytes(text.size(), '\0');
    auto promise = f.async_read_some_at(0, asio::buffer(bytes), asio::experimental::use_promise);
    env.run();
    outcome result;
    std::move(promise)(result.handler());
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.bytes == text.size());
    BOOST_TEST(bytes == text);
}

ENGINE_TEST(detached_operations_are_done) {
    file f = env.open();
    f.async_write_some_at(0, asio::buffer(text), asio::detached);
    env.run();
    BOOST_TEST(content(env.path()) == text);
}

#if __has_include(<boost/asio/any_completion_handler.hpp>)
ENGINE_TEST(a_type_erased_completion_handler_is_a_handler) {
    file f = text_file(env);
    char bytes[32];
    outcome read, written;
    using erased = asio::any_completion_handler<void(error_code, std::size_t)>;
    f.async_read_some_at(0, asio::buffer(bytes), erased(read.handler()));
    f.async_write_some_at(20, asio::buffer(text), erased(written.handler()));
    BOOST_TEST(read.calls + written.calls == 0);
    env.run();
    BOOST_TEST(read.calls == 1);
    BOOST_TEST(read.bytes == text.size());
    BOOST_TEST(written.calls == 1);
    BOOST_TEST(written.bytes == text.size());
}

ENGINE_TEST(a_type_erased_completion_handler_keeps_executor_and_slot) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    asio::io_context other;
    asio::cancellation_signal signal;
    outcome result;
    asio::any_completion_handler<void(error_code, std::size_t)> erased(
        asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(other, result.handler())));
    f.async_write_some_at(0, asio::buffer(text), std::move(erased));
    held.run_until_held(env.ctx, 1);
    signal.emit(asio::cancellation_type::total);
    env.run();
    BOOST_TEST(result.calls == 0);
    run_until_idle(other);
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.ec == asio::error::operation_aborted);
}
#endif

ENGINE_TEST(spawn_gives_the_result_and_sets_the_error) {
#if defined(__SANITIZE_THREAD__)
    return say_skipped("ThreadSanitizer does not follow the stack switches of Boost.Context");
#endif
    file f = text_file(env);
    std::size_t read = 0, written = 0;
    error_code returned;
    bool ended = false;
    asio::spawn(
        env.ctx,
        [&](asio::yield_context yield) {
            char bytes[32];
            read = f.async_read_some_at(0, asio::buffer(bytes), yield);
            written = f.async_write_some_at(20, asio::buffer(text), yield);
            f.async_read_some_at(1000, asio::buffer(bytes), yield[returned]);
        },
        [&](std::exception_ptr e) { ended = !e; });
    env.run();
    BOOST_TEST(ended);
    BOOST_TEST(read == text.size());
    BOOST_TEST(written == text.size());
    BOOST_TEST(returned == asio::error::eof);
}

ENGINE_TEST(spawn_throws_the_error) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    return say_skipped("sanitizers do not follow exceptions on the stacks of Boost.Context");
#endif
    file f = text_file(env);
    error_code thrown;
    bool ended = false;
    asio::spawn(
        env.ctx,
        [&](asio::yield_context yield) {
            char bytes[32];
            thrown =
                code_thrown_by([&] { f.async_read_some_at(1000, asio::buffer(bytes), yield); });
        },
        [&](std::exception_ptr e) { ended = !e; });
    env.run();
    BOOST_TEST(ended);
    BOOST_TEST(thrown == asio::error::eof);
}

ENGINE_TEST(a_parallel_group_waits_for_all) {
    file f = text_file(env);
    char first[5], second[6];
    int calls = 0;
    asio::experimental::make_parallel_group(
        f.async_read_some_at(0, asio::buffer(first), asio::deferred),
        f.async_read_some_at(5, asio::buffer(second), asio::deferred),
        f.async_write_some_at(20, asio::buffer(text), asio::deferred))
        .async_wait(
            asio::experimental::wait_for_all(),
            [&](std::array<std::size_t, 3>, error_code ec1, std::size_t n1, error_code ec2,
                std::size_t n2, error_code ec3, std::size_t n3) {
                ++calls;
                BOOST_TEST(!ec1);
                BOOST_TEST(n1 == 5u);
                BOOST_TEST(!ec2);
                BOOST_TEST(n2 == 6u);
                BOOST_TEST(!ec3);
                BOOST_TEST(n3 == text.size());
            });
    BOOST_TEST(calls == 0);
    env.run();
    BOOST_TEST(calls == 1);
    BOOST_TEST(std::string(first, 5) + std::string(second, 6) == text);
}

ENGINE_TEST(a_parallel_group_cancels_the_rest_when_one_has_ended) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    int calls = 0;
    // The empty read completes without the engine. The write waits until the group cancels it.
    asio::experimental::make_parallel_group(
        f.async_write_some_at(0, asio::buffer(text), asio::deferred),
        f.async_read_some_at(0, asio::mutable_buffer(), asio::deferred))
        .async_wait(
            asio::experimental::wait_for_one(),
            [&](std::array<std::size_t, 2> order, error_code ec1, std::size_t n1, error_code ec2,
                std::size_t) {
                ++calls;
                BOOST_TEST(order[0] == 1u);
                BOOST_TEST(ec1 == asio::error::operation_aborted);
                BOOST_TEST(n1 == 0u);
                BOOST_TEST(!ec2);
            });
    env.run();
    BOOST_TEST(calls == 1);
    BOOST_TEST(content(env.path()).empty());
}

ENGINE_TEST(awaitable_or_cancels_the_one_that_did_not_end) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    std::size_t winner = 99;
    const auto body = [&]() -> asio::awaitable<void> {
        const auto result = co_await (
            f.async_write_some_at(0, asio::buffer(text), asio::use_awaitable) ||
            f.async_read_some_at(0, asio::mutable_buffer(), asio::use_awaitable));
        winner = result.index();
    };
    run_coroutine(env, body());
    BOOST_TEST(winner == 1u);
    BOOST_TEST(content(env.path()).empty());
    BOOST_TEST(asio_aio::statistics(env.ctx).cancelled == 1u);
}

ENGINE_TEST(awaitable_and_waits_for_both) {
    file f = text_file(env);
    char bytes[32];
    std::size_t read = 0, written = 0;
    const auto body = [&]() -> asio::awaitable<void> {
        std::tie(read, written) = co_await (
            f.async_read_some_at(0, asio::buffer(bytes), asio::use_awaitable) &&
            f.async_write_some_at(20, asio::buffer(text), asio::use_awaitable));
    };
    run_coroutine(env, body());
    BOOST_TEST(read == text.size());
    BOOST_TEST(written == text.size());
}

ENGINE_TEST(awaitable_and_throws_the_error_and_cancels_the_other) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    file closed(env.ctx);
    char bytes[4];
    const auto body = [&]() -> asio::awaitable<void> {
        co_await (
            closed.async_read_some_at(0, asio::buffer(bytes), asio::use_awaitable) &&
            f.async_write_some_at(0, asio::buffer(text), asio::use_awaitable));
    };
    error_code first;
    try {
        run_coroutine(env, body());
    } catch (const asio::multiple_exceptions& e) { // the cancelled operation failed, too
        first = code_thrown_by([&] { std::rethrow_exception(e.first_exception()); });
    }
    BOOST_TEST(first == asio::error::bad_descriptor);
    BOOST_TEST(asio_aio::statistics(env.ctx).cancelled == 1u);
}

ENGINE_TEST(as_default_on_makes_the_token_the_default) {
    using awaiting_file = asio::use_awaitable_t<>::as_default_on_t<file>;
    static_assert(!std::is_same_v<awaiting_file, file>);
    std::size_t read = 0, written = 0, filled = 0;
    const auto body = [&]() -> asio::awaitable<void> {
        awaiting_file f = asio::use_awaitable_t<>::as_default_on(text_file(env));
        char bytes[32];
        read = co_await f.async_read_some_at(0, asio::buffer(bytes));
        written = co_await f.async_write_some_at(11, asio::buffer(text));
        filled = co_await asio::async_read_at(f, 0, asio::buffer(bytes, 22));
    };
    run_coroutine(env, body());
    BOOST_TEST(read == text.size());
    BOOST_TEST(written == text.size());
    BOOST_TEST(filled == 2 * text.size());
}

ENGINE_TEST(a_file_whose_default_token_is_deferred_is_awaited_without_a_token) {
    using deferring_file = asio::deferred_t::as_default_on_t<file>;
    deferring_file f(text_file(env));
    std::size_t read = 0;
    const auto body = [&]() -> asio::awaitable<void> {
        char bytes[32];
        read = co_await f.async_read_some_at(0, asio::buffer(bytes));
    };
    run_coroutine(env, body());
    BOOST_TEST(read == text.size());
}

namespace {

/// Copies a range inside a file, as a user's composed operation.
template <typename Token>
auto async_copy(
    file& f, std::uint64_t from, std::uint64_t to, asio::mutable_buffer through, Token&& token) {
    enum step { reading, writing, ended };
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        [&f, from, to, through,
         next = reading](auto& self, error_code ec = {}, std::size_t n = 0) mutable {
            if (ec)
                return self.complete(ec, 0);
            switch (next) {
            case reading:
                next = writing;
                return f.async_read_some_at(from, through, std::move(self));
            case writing:
                next = ended;
                return f.async_write_some_at(to, asio::buffer(through, n), std::move(self));
            case ended: self.complete({}, n); break;
            }
        },
        token, f);
}

} // namespace

ENGINE_TEST(a_composed_operation_goes_on_from_read_to_write) {
    file f = text_file(env);
    char bytes[11];
    auto future = async_copy(f, 0, 11, asio::buffer(bytes), asio::use_future);
    env.run();
    BOOST_TEST(future.get() == text.size());
    BOOST_TEST(content(env.path()) == text + text);
    outcome at_end;
    async_copy(f, 1000, 0, asio::buffer(bytes), at_end.handler());
    BOOST_TEST(at_end.calls == 0);
    env.run();
    BOOST_TEST(at_end.calls == 1);
    BOOST_TEST(at_end.ec == asio::error::eof);
}

ENGINE_TEST(a_cancellation_slot_reaches_through_a_composed_operation) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    char bytes[11];
    asio::cancellation_signal signal;
    outcome result;
    async_copy(
        f, 0, 11, asio::buffer(bytes),
        asio::bind_cancellation_slot(signal.slot(), result.handler()));
    held.run_until_held(env.ctx, 1);
    signal.emit(asio::cancellation_type::terminal);
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.ec == asio::error::operation_aborted);
}

// --- Asio's composed operations on our file ---

namespace {

const std::string block = pattern(100'000);

// A user's completion conditions.
struct at_most_1000_a_time {
    std::size_t operator()(const error_code& ec, std::size_t done) const {
        return ec || done == block.size() ? 0 : std::min<std::size_t>(1000, block.size() - done);
    }
};

struct until_5000 {
    std::size_t operator()(const error_code& ec, std::size_t done) const {
        return ec || done >= 5000 ? 0 : 700;
    }
};

/// The result that a transfer of `block` must have.
struct expected {
    std::size_t at_least;
    std::size_t at_most;
};

/// Calls `check(name, condition, expected)` for every completion condition.
template <typename Check>
void for_each_condition(Check check) {
    const std::size_t all = block.size();
    check("transfer_all", asio::transfer_all(), expected{all, all});
    check("transfer_at_least 0", asio::transfer_at_least(0), expected{0, 0});
    check("transfer_at_least 1", asio::transfer_at_least(1), expected{1, all});
    check("transfer_at_least 70000", asio::transfer_at_least(70'000), expected{70'000, all});
    check("transfer_exactly 0", asio::transfer_exactly(0), expected{0, 0});
    check("transfer_exactly 12345", asio::transfer_exactly(12'345), expected{12'345, 12'345});
    check("transfer_exactly all", asio::transfer_exactly(all), expected{all, all});
    check("1000 bytes at a time", at_most_1000_a_time(), expected{all, all});
    check("until 5000 bytes, in steps of 700", until_5000(), expected{5600, 5600});
}

void check_transfer(
    const error_code& ec, std::size_t bytes, const expected& want, std::string_view from,
    std::string_view to) {
    BOOST_TEST(!ec);
    BOOST_TEST(bytes >= want.at_least);
    BOOST_TEST(bytes <= want.at_most);
    BOOST_TEST((from.substr(0, bytes) == to.substr(0, bytes)));
}

/// Two buffers, so that a step can end inside a buffer or between both.
template <typename Buffer, typename String>
std::array<Buffer, 2> halves(String& bytes) {
    return {Buffer(bytes.data(), 33'333), Buffer(bytes.data() + 33'333, bytes.size() - 33'333)};
}

file block_file(environment& env) {
    set_content(env.path(), block);
    return env.open("file", file_base::read_write);
}

} // namespace

ENGINE_TEST(read_at_obeys_every_completion_condition) {
    file f = block_file(env);
    for_each_condition([&](const char* name, auto condition, const expected& want) {
        BOOST_TEST_CONTEXT(name) {
            std::string back(block.size(), '\0');
            error_code ec;
            const std::size_t n =
                asio::read_at(f, 0, halves<asio::mutable_buffer>(back), condition, ec);
            check_transfer(ec, n, want, block, back);
            BOOST_TEST(asio::read_at(f, 0, asio::buffer(back), condition) >= want.at_least);
        }
    });
}

ENGINE_TEST(write_at_obeys_every_completion_condition) {
    for_each_condition([&](const char* name, auto condition, const expected& want) {
        BOOST_TEST_CONTEXT(name) {
            file f =
                env.open("file", file_base::write_only | file_base::create | file_base::truncate);
            error_code ec;
            const std::size_t n =
                asio::write_at(f, 0, halves<asio::const_buffer>(block), condition, ec);
            check_transfer(ec, n, want, block, content(env.path()));
            BOOST_TEST(f.size() == n);
            BOOST_TEST(asio::write_at(f, 0, asio::buffer(block), condition) >= want.at_least);
        }
    });
}

ENGINE_TEST(async_read_at_obeys_every_completion_condition) {
    file f = block_file(env);
    for_each_condition([&](const char* name, auto condition, const expected& want) {
        BOOST_TEST_CONTEXT(name) {
            std::string back(block.size(), '\0');
            outcome result;
            make_cold(env.path());
            asio::async_read_at(
                f, 0, halves<asio::mutable_buffer>(back), condition, result.handler());
            BOOST_TEST(result.calls == 0);
            env.run();
            BOOST_TEST(result.calls == 1);
            check_transfer(result.ec, result.bytes, want, block, back);
        }
    });
}

ENGINE_TEST(async_write_at_obeys_every_completion_condition) {
    for_each_condition([&](const char* name, auto condition, const expected& want) {
        BOOST_TEST_CONTEXT(name) {
            file f =
                env.open("file", file_base::write_only | file_base::create | file_base::truncate);
            outcome result;
            asio::async_write_at(
                f, 0, halves<asio::const_buffer>(block), condition, result.handler());
            BOOST_TEST(result.calls == 0);
            env.run();
            BOOST_TEST(result.calls == 1);
            check_transfer(result.ec, result.bytes, want, block, content(env.path()));
            BOOST_TEST(f.size() == result.bytes);
        }
    });
}

ENGINE_TEST(transfers_without_a_condition_move_everything) {
    file f = env.open();
    BOOST_TEST(asio::write_at(f, 0, asio::buffer(block)) == block.size());
    std::string back(block.size(), '\0');
    BOOST_TEST(asio::read_at(f, 0, asio::buffer(back)) == block.size());
    BOOST_TEST((back == block));
    const std::string other = pattern(block.size(), 2);
    outcome written, read;
    asio::async_write_at(f, 7, asio::buffer(other), written.handler());
    env.run();
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == other.size());
    asio::async_read_at(f, 7, asio::buffer(back), read.handler());
    env.run();
    BOOST_TEST(!read.ec);
    BOOST_TEST(read.bytes == other.size());
    BOOST_TEST((back == other));
}

ENGINE_TEST(read_at_past_the_end_gives_the_bytes_and_end_of_file) {
    file f = block_file(env);
    std::string back(block.size(), '\0');
    const std::uint64_t offset = block.size() - 10;
    error_code ec;
    BOOST_TEST(asio::read_at(f, offset, asio::buffer(back), ec) == 10u);
    BOOST_TEST(ec == asio::error::eof);
    BOOST_TEST(
        code_thrown_by([&] { asio::read_at(f, offset, asio::buffer(back)); }) == asio::error::eof);
    outcome result;
    asio::async_read_at(f, offset, asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.ec == asio::error::eof);
    BOOST_TEST(result.bytes == 10u);
    BOOST_TEST((back.substr(0, 10) == block.substr(block.size() - 10)));
}

ENGINE_TEST(write_at_to_a_file_open_for_reading_reports_the_error) {
    set_content(env.path(), text);
    file f = env.open("file", file_base::read_only);
    error_code ec;
    BOOST_TEST(asio::write_at(f, 0, asio::buffer(text), ec) == 0u);
    BOOST_TEST(ec == asio::error::bad_descriptor);
    outcome result;
    asio::async_write_at(f, 0, asio::buffer(text), result.handler());
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.ec == asio::error::bad_descriptor);
    BOOST_TEST(result.bytes == 0u);
}

ENGINE_TEST(async_read_at_takes_every_token) {
    file f = text_file(env);
    char bytes[11];
    auto future = asio::async_read_at(f, 0, asio::buffer(bytes), asio::use_future);
    env.run();
    BOOST_TEST(future.get() == text.size());
    std::size_t awaited = 0;
    const auto body = [&]() -> asio::awaitable<void> {
        awaited = co_await asio::async_read_at(f, 0, asio::buffer(bytes), asio::deferred);
        awaited += co_await asio::async_write_at(f, 0, asio::buffer(bytes), asio::use_awaitable);
    };
    run_coroutine(env, body());
    BOOST_TEST(awaited == 2 * text.size());
}

ENGINE_TEST(cancelling_async_write_at_stops_it) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    asio::cancellation_signal signal;
    outcome result;
    asio::async_write_at(
        f, 0, asio::buffer(block), asio::bind_cancellation_slot(signal.slot(), result.handler()));
    held.run_until_held(env.ctx, 1);
    signal.emit(asio::cancellation_type::partial);
    env.run();
    BOOST_TEST(result.calls == 1);
    BOOST_TEST(result.ec == asio::error::operation_aborted);
    BOOST_TEST(result.bytes == 0u);
}

#if !defined(BOOST_ASIO_NO_IOSTREAM)
namespace {

std::string_view view(const asio::streambuf& buffer) {
    return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

void fill(asio::streambuf& buffer, std::string_view bytes) {
    buffer.commit(asio::buffer_copy(buffer.prepare(bytes.size()), asio::buffer(bytes)));
}

} // namespace

ENGINE_TEST(read_at_fills_a_streambuf) {
    file f = block_file(env);
    asio::streambuf all, some;
    error_code ec;
    BOOST_TEST(asio::read_at(f, 0, all, ec) == block.size()); // up to the end of the file
    BOOST_TEST(ec == asio::error::eof);
    BOOST_TEST((view(all) == block));
    BOOST_TEST(asio::read_at(f, 3, some, asio::transfer_exactly(5000), ec) == 5000u);
    BOOST_TEST(!ec);
    BOOST_TEST((view(some) == std::string_view(block).substr(3, 5000)));
    BOOST_TEST(asio::read_at(f, 3, some, asio::transfer_at_least(1)) >= 1u);
}

ENGINE_TEST(async_read_at_fills_a_streambuf) {
    file f = block_file(env);
    asio::streambuf all, some;
    outcome whole, part;
    asio::async_read_at(f, 0, all, whole.handler());
    asio::async_read_at(f, 3, some, asio::transfer_exactly(5000), part.handler());
    env.run();
    BOOST_TEST(whole.calls == 1);
    BOOST_TEST(whole.ec == asio::error::eof);
    BOOST_TEST(whole.bytes == block.size());
    BOOST_TEST((view(all) == block));
    BOOST_TEST(part.calls == 1);
    BOOST_TEST(!part.ec);
    BOOST_TEST(part.bytes == 5000u);
    BOOST_TEST((view(some) == std::string_view(block).substr(3, 5000)));
}

ENGINE_TEST(write_at_empties_a_streambuf) {
    file f = env.open();
    asio::streambuf buffer;
    fill(buffer, text);
    error_code ec;
    BOOST_TEST(asio::write_at(f, 0, buffer, asio::transfer_exactly(5), ec) == 5u);
    BOOST_TEST(buffer.size() == text.size() - 5);
    BOOST_TEST(asio::write_at(f, 5, buffer) == text.size() - 5);
    BOOST_TEST(buffer.size() == 0u);
    BOOST_TEST(content(env.path()) == text);
}

ENGINE_TEST(async_write_at_empties_a_streambuf) {
    file f = env.open();
    asio::streambuf buffer;
    fill(buffer, text);
    outcome first, rest;
    asio::async_write_at(f, 0, buffer, asio::transfer_exactly(5), first.handler());
    env.run();
    BOOST_TEST(first.calls == 1);
    BOOST_TEST(first.bytes == 5u);
    asio::async_write_at(f, 5, buffer, rest.handler());
    env.run();
    BOOST_TEST(rest.calls == 1);
    BOOST_TEST(rest.bytes == text.size() - 5);
    BOOST_TEST(buffer.size() == 0u);
    BOOST_TEST(content(env.path()) == text);
}
#endif
