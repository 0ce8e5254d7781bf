// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>

#include <type_traits>
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

/// Calls `function` on a thread that runs `context`, and resumes the caller on its own executor.
/** Returns the result of `function`. */
template <class Function>
asio::awaitable<std::invoke_result_t<Function&>> run_on(
    asio::io_context& context, Function function) {
    auto work = [function = std::move(function)]() mutable
        -> asio::awaitable<std::invoke_result_t<Function&>> { co_return function(); };
    co_return co_await asio::co_spawn(context, std::move(work), asio::use_awaitable);
}

} // namespace file_server
