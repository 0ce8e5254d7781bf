// SPDX-License-Identifier: BSL-1.0
// A completion token that makes senders, as asioexec::use_sender of stdexec does: nothing starts
// before the sender is started, a request to stop cancels, and a handler that is destroyed counts
// as stopped.
#include "holding_engine.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <optional>
#include <thread>
#include <tuple>
#include <utility>

using namespace test;

namespace {

struct as_sender {};

/// What a receiver got.
struct received {
    int values = 0, errors = 0, stops = 0;
    error_code ec;
    std::size_t bytes = 0;

    int total() const { return values + errors + stops; }
};

/// Completes the receiver once; as stopped if it is destroyed before its call.
class receiving_handler {
public:
    explicit receiving_handler(received& to) : to_(&to) {}
    receiving_handler(receiving_handler&& other) noexcept
        : to_(std::exchange(other.to_, nullptr)) {}
    receiving_handler& operator=(receiving_handler&&) = delete;
    ~receiving_handler() {
        if (to_)
            ++to_->stops;
    }

    void operator()(error_code ec, std::size_t bytes) {
        received& to = *std::exchange(to_, nullptr);
        to.ec = ec;
        to.bytes = bytes;
        ++(ec == asio::error::operation_aborted ? to.stops : ec ? to.errors : to.values);
    }

private:
    received* to_;
};

template <typename Initiation, typename... Args>
class sender {
public:
    sender(Initiation&& initiation, Args&&... args)
        : initiation_(std::move(initiation)), args_(std::forward<Args>(args)...) {}

    /// Started once, on any thread. The object lives until the receiver has its result.
    void start(received& to) {
        std::apply(
            [&](auto&... args) {
                std::move(initiation_)(
                    asio::bind_cancellation_slot(stop_.slot(), receiving_handler(to)),
                    std::move(args)...);
            },
            args_);
    }

    void request_stop() { stop_.emit(asio::cancellation_type::terminal); }

private:
    Initiation initiation_;
    std::tuple<std::decay_t<Args>...> args_;
    asio::cancellation_signal stop_;
};

} // namespace

// By its qualified name, because a version of Asio may be an inline namespace.
template <typename Signature>
class asio::async_result<as_sender, Signature> {
public:
    template <typename Initiation, typename... Args>
    static auto initiate(Initiation&& initiation, as_sender, Args&&... args) {
        return sender<std::decay_t<Initiation>, Args...>(
            std::forward<Initiation>(initiation), std::forward<Args>(args)...);
    }
};

ENGINE_TEST(a_sender_that_is_not_started_does_nothing) {
    file f = env.open();
    { const auto unused = f.async_write_some_at(0, asio::buffer("text"), as_sender{}); }
    env.run();
    BOOST_TEST(f.size() == 0u);
    BOOST_TEST(asio_aio::statistics(env.ctx).started == 0u);
}

ENGINE_TEST(a_sender_may_be_started_on_another_thread) {
    file f = env.open();
    received written;
    auto write = f.async_write_some_at(0, asio::buffer("text", 4), as_sender{});
    std::thread([&] { write.start(written); }).join();
    env.run();
    BOOST_TEST(written.values == 1);
    BOOST_TEST(written.total() == 1);
    BOOST_TEST(written.bytes == 4u);

    received read;
    char byte;
    auto read_at_end = f.async_read_some_at(4, asio::buffer(&byte, 1), as_sender{});
    read_at_end.start(read);
    env.run();
    BOOST_TEST(read.errors == 1);
    BOOST_TEST(read.total() == 1);
    BOOST_TEST(read.ec == asio::error::eof);
}

ENGINE_TEST(a_request_to_stop_cancels_what_a_sender_started) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    received result;
    auto write = f.async_write_some_at(0, asio::buffer("text"), as_sender{});
    write.start(result);
    held.run_until_held(env.ctx, 1);
    BOOST_TEST(result.total() == 0);
    write.request_stop();
    env.run();
    BOOST_TEST(result.stops == 1);
    BOOST_TEST(result.total() == 1);
}

ENGINE_TEST(a_sender_of_a_destroyed_context_is_stopped) {
    set_content(env.path(), "text");
    received result;
    char bytes[4];
    {
        environment own(env.engine, env.folder.path());
        file f(own.ctx, env.path(), file_base::read_only);
        f.async_read_some_at(0, asio::buffer(bytes), as_sender{}).start(result);
    }
    BOOST_TEST(result.stops == 1);
    BOOST_TEST(result.total() == 1);
}

ENGINE_TEST(a_stream_makes_senders_too) {
    asio_aio::stream_file_aio stream(
        env.ctx, env.path(), file_base::write_only | file_base::create);
    received written;
    auto write = stream.async_write_some(asio::buffer("text", 4), as_sender{});
    BOOST_TEST(asio_aio::statistics(env.ctx).started == 0u);
    write.start(written);
    env.run();
    BOOST_TEST(written.values == 1);
    BOOST_TEST(written.bytes == 4u);
}
