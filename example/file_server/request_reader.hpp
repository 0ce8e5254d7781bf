// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include <chrono>

namespace file_server {

using request_parser = http::request_parser<http::empty_body>;

/// True if the bytes that follow the header are the next request, and not part of this one.
bool ends_with_header(const request_parser& parser);

/// Reads the headers of the requests of one connection. Used on the strand of the connection.
class request_reader {
public:
    explicit request_reader(tcp_stream& stream) : stream_(stream) {}

    /// Waits until a request begins. False if the connection ends first.
    asio::awaitable<bool> wait(std::chrono::seconds limit);

    /// Reads the header of the request that has begun.
    /** An error in the category of `http::error` is a mistake of the client. */
    asio::awaitable<error_code> read(request_parser& parser, std::chrono::seconds limit);

    /// Reads the body that follows the header. The client must send it within `limit`.
    asio::awaitable<error_code> read_body(asio::mutable_buffer into, std::chrono::seconds limit);

    /// The current wait or read of a header fails, and all later ones.
    void stop();

private:
    bool skip_empty_lines(unsigned& left);
    asio::awaitable<error_code> receive();

    tcp_stream& stream_;
    beast::flat_buffer input_;
    bool receives_ = false;
    bool stopped_ = false;
};

} // namespace file_server
