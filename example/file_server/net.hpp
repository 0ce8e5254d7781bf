// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace file_server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

/// Each connection has a strand, so no two threads use its socket, its file or its timers at once.
using strand = asio::strand<asio::io_context::executor_type>;
using tcp_socket = asio::basic_stream_socket<tcp, strand>;
using tcp_stream = beast::basic_stream<tcp, strand>;

using request_head = http::request<http::empty_body>;
using response_head = http::response<http::empty_body>;

/// Returns errors as values: a server expects lost connections.
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// Runs `task` on the caller's executor, and waits for its result for `limit` at most.
/**
 * The result is empty if the task has not ended by then. The task goes on without the caller, and
 * its result is destroyed. So `task` must own what it uses.
 */
template <class Result>
asio::awaitable<std::optional<Result>> wait_at_most(
    asio::awaitable<Result> task, std::chrono::seconds limit) {
    struct outcome {
        explicit outcome(const asio::any_io_executor& executor) : arrives(executor) {}
        asio::steady_timer arrives;
        std::optional<Result> result;
        std::exception_ptr failed;
    };
    const auto executor = co_await asio::this_coro::executor;
    const auto shared = std::make_shared<outcome>(executor);
    shared->arrives.expires_after(limit);
    auto when_over = [weak = std::weak_ptr{shared}](std::exception_ptr failed, Result result) {
        const auto waits = weak.lock();
        if (!waits)
            return;
        waits->failed = std::move(failed);
        waits->result.emplace(std::move(result));
        waits->arrives.cancel();
    };
    asio::co_spawn(executor, std::move(task), std::move(when_over));
    if (!shared->result)
        co_await shared->arrives.async_wait(as_result);
    if (shared->failed)
        std::rethrow_exception(shared->failed);
    co_return std::move(shared->result);
}

} // namespace file_server
