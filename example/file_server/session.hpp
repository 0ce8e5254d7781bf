// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "block_reader.hpp"
#include "net.hpp"
#include "reply.hpp"
#include "request_reader.hpp"
#include "served_folder.hpp"
#include "upload.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace file_server {

/// Settings and objects that all connections share. They outlive the connections.
struct session_settings {
    const served_folder& folder;
    call_limits& reads;
    block_pool& blocks;
    body_memory& bodies;
    read_plan plan;
    upload_limits uploads;
    /// The limit for a permit to find and open a file, and then for doing so.
    std::chrono::seconds open_timeout;
    std::chrono::seconds header_timeout;
    /// The limit between two requests, for a client that takes no data, for the first block, and for
    /// storing a body.
    std::chrono::seconds timeout;
    bool quiet = false;
};

// Reasons in responses to requests that a filesystem holds up.
constexpr auto* too_many_calls = "too many calls for this part of the tree have not ended";
constexpr auto* no_answer = "the filesystem does not answer";

/// One connection: reads requests and sends responses until the client or the server ends it.
class session {
public:
    session(tcp_socket socket, const session_settings& settings);

    /// Serves the connection to its end. Runs on the connection's strand.
    asio::awaitable<void> run();

    /// Ends the connection after the current response, or at once if there is none.
    /** Called on the strand. */
    void stop();

    /// Ends the connection in the middle of a response. Called on the strand.
    void cut_off();

    strand get_executor() { return stream_.get_executor(); }

private:
    asio::awaitable<void> refuse(const request_parser& parser, error_code error);
    asio::awaitable<bool> respond(const request_parser& parser);
    asio::awaitable<reply> make_reply(
        const request_head& request, std::optional<opened_file>& opened);
    asio::awaitable<reply> take_upload(const request_head& request, bool& has_read_body);
    asio::awaitable<error_code> receive_body(
        const request_head& request, const body_memory::body& into);
    asio::awaitable<put_result> find_place(const request_path& path);
    asio::awaitable<std::optional<failure>> put_in_place(
        const request_path& path, put_target target, body_memory::body body);
    asio::awaitable<call_limits::permit> permit_for(const request_path& path);
    asio::awaitable<void> send(reply& answer);
    asio::awaitable<void> send_file(const request_head& request, reply& answer, opened_file file);
    asio::awaitable<void> send_blocks(
        std::string_view head, asio::const_buffer block, block_reader& blocks);
    client_pace pace();
    asio::awaitable<error_code> write(std::string_view head, asio::const_buffer body);
    asio::awaitable<void> close_gracefully();
    void log(
        const request_head& request, const reply& answer,
        std::chrono::steady_clock::time_point since) const;

    tcp_stream stream_;
    const session_settings& settings_;
    std::string peer_;
    request_reader requests_;
    std::weak_ptr<block_reader> blocks_; // of the current response
    bool stopping_ = false;
    bool cut_off_ = false;
    std::uint64_t body_bytes_ = 0; // of the current response, taken by the socket
    std::string trouble_;          // why the current response failed; else empty
};

} // namespace file_server
