// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "block_reader.hpp"
#include "net.hpp"
#include "reply.hpp"
#include "served_folder.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace file_server {

/// What all connections share; outlives them.
struct session_settings {
    const served_folder& folder;
    asio::thread_pool& file_threads; ///< For the calls that may wait for a disk: open, fstat, close.
    read_plan plan;
    std::chrono::seconds header_timeout;
    std::chrono::seconds timeout; ///< Between two requests, and for a client that takes nothing of a response.
    bool quiet = false;
};

/// One connection: reads requests and answers them until either side has enough.
class session {
public:
    session(tcp_socket socket, const session_settings& settings);

    /// Serves the connection to its end. Runs on the connection's strand.
    asio::awaitable<void> run();

    /// Ends the connection after the response that is being sent, or at once if there is none. Called on the strand.
    void stop();

    strand get_executor() { return stream_.get_executor(); }

private:
    using request_parser = http::request_parser<http::empty_body>;

    asio::awaitable<bool> wait_for_request();
    asio::awaitable<error_code> read_head(request_parser& parser);
    asio::awaitable<void> refuse(const request_parser& parser, error_code error);
    asio::awaitable<bool> respond(const request_head& request, bool keep_alive);
    asio::awaitable<reply> make_reply(const request_head& request, opened_file& opened);
    asio::awaitable<void> send(reply& answer);
    asio::awaitable<void> send_file(const request_head& request, reply& answer, descriptor file);
    asio::awaitable<error_code> write(std::string_view head, asio::const_buffer body);
    asio::awaitable<void> close_gracefully();
    void log(const request_head& request, const reply& answer, std::chrono::steady_clock::time_point since) const;

    tcp_stream stream_;
    const session_settings& settings_;
    std::string peer_;
    beast::flat_buffer input_;
    bool stopping_ = false;
    bool waits_for_request_ = false;
    std::uint64_t body_bytes_ = 0; // of the current response, taken by the socket
    std::string trouble_;          // why the current response did not end well
};

} // namespace file_server
