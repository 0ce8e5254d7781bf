// SPDX-License-Identifier: BSL-1.0
#include "session.hpp"

#include "log.hpp"
#include "stall_watch.hpp"

#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace file_server {
namespace {

using http::status;
using clock = std::chrono::steady_clock;

// More than a client's kernel buffers for a program that does not read: 64 to 208 KiB by default.
constexpr std::uint64_t read_by_program = std::uint64_t{256} * 1024;

std::string peer_name(const tcp_socket& socket) {
    error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    if (error)
        return "-";
    const auto address = endpoint.address().to_string();
    const auto port = ":" + std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + address + "]" + port : address + port;
}

} // namespace

session::session(tcp_socket socket, const session_settings& settings)
    : stream_(std::move(socket)),
      settings_(settings),
      peer_(peer_name(stream_.socket())),
      requests_(stream_) {
    // A response is written in whole blocks; a delay of the last part of a block gains nothing.
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
}

void session::stop() {
    stopping_ = true;
    requests_.stop();
}

void session::cut_off() {
    cut_off_ = true;
    if (const auto blocks = blocks_.lock())
        blocks->cancel();
    stream_.close();
}

asio::awaitable<void> session::run() {
    while (co_await requests_.wait(settings_.timeout)) {
        request_parser parser;
        if (const auto error = co_await requests_.read(parser, settings_.header_timeout)) {
            co_await refuse(parser, error);
            co_return;
        }
        if (!co_await respond(parser) || stopping_) {
            co_await close_gracefully();
            co_return;
        }
    }
}

asio::awaitable<void> session::refuse(const request_parser& parser, error_code error) {
    if (stopping_)
        co_return;
    if (error.category() != make_error_code(http::error::bad_target).category()) {
        if (!settings_.quiet)
            log_line(peer_ + " request: " + error.message());
        co_return;
    }

    const bool too_long =
        error == http::error::header_limit || error == http::error::buffer_overflow;
    failure what{status::bad_request, "the request is not HTTP/1.1: " + error.message()};
    if (too_long && parser.get().target().empty())
        what = {status::uri_too_long, "the request line is too long"};
    else if (too_long)
        what = {status::request_header_fields_too_large, "the header is too long"};
    else if (error == http::error::bad_version)
        what = {status::http_version_not_supported, "this server speaks HTTP/1.1"};

    const auto since = clock::now();
    reply answer = make_error_reply(parser.get(), what);
    answer.head.keep_alive(false);
    co_await send(answer);
    log(parser.get(), answer, since);
    co_await close_gracefully();
}

/// Whether the connection can serve another request.
asio::awaitable<bool> session::respond(const request_parser& parser) {
    const auto since = clock::now();
    const request_head& request = parser.get();
    trouble_.clear();
    // Only an upload has a body that the server reads. After another request with a body it closes
    // the connection: the next bytes are not a request.
    bool ends_here = ends_with_header(parser);
    std::optional<opened_file> opened;
    reply answer;
    if (auto refusal = check_request(request, settings_.uploads.allowed))
        answer = std::move(*refusal);
    else if (request.method() == http::verb::put)
        answer = co_await take_upload(request, ends_here);
    else
        answer = co_await make_reply(request, opened);
    const bool keep_alive = parser.keep_alive() && ends_here && !stopping_ && trouble_.empty();
    answer.head.keep_alive(keep_alive);
    if (answer.range.length != 0)
        co_await send_file(request, answer, std::move(*opened));
    else
        co_await send(answer);
    log(request, answer, since);
    const bool goes_on = keep_alive && trouble_.empty() && !cut_off_;
    co_return goes_on;
}

/// Makes the reply to a GET or HEAD request. Sets `opened` if the request names a file.
asio::awaitable<reply> session::make_reply(
    const request_head& request, std::optional<opened_file>& opened) {
    const auto target = decode_target(request.target());
    if (const auto* refusal = std::get_if<failure>(&target))
        co_return make_error_reply(request, *refusal);
    const auto& path = std::get<request_path>(target);
    if (names_temporary_file(path))
        co_return make_error_reply(request, {status::not_found, "there is no such file"});
    auto permit = co_await permit_for(path);
    if (!permit)
        co_return make_error_reply(request, {status::service_unavailable, too_many_calls});
    auto result = co_await wait_at_most(
        settings_.folder.open(path, std::move(permit)), settings_.open_timeout);
    if (!result)
        co_return make_error_reply(request, {status::gateway_timeout, no_answer});
    if (const auto* refusal = std::get_if<failure>(&*result))
        co_return make_error_reply(request, *refusal);
    if (std::holds_alternative<slash_is_missing>(*result))
        co_return make_directory_redirect(request, path);
    opened.emplace(std::move(std::get<opened_file>(*result)));
    co_return make_file_reply(request, *opened);
}

/// Waits for a permit, which is empty if there is none in time.
asio::awaitable<call_limits::permit> session::permit_for(const request_path& path) {
    const auto turn = std::make_shared<call_limits::place>(get_executor());
    co_return co_await settings_.folder.limits().take(
        turn, served_folder::parts(path), clock::now() + settings_.open_timeout);
}

asio::awaitable<void> session::send(reply& answer) {
    const auto head = to_wire(answer.head);
    body_bytes_ = 0;
    if (const auto error = co_await write(head, asio::buffer(answer.text)))
        trouble_ = "write: " + error.message();
}

asio::awaitable<void> session::send_file(
    const request_head& request, reply& answer, opened_file file) {
    const auto blocks = std::make_shared<block_reader>(
        stream_.get_executor(), settings_.reads, file.status.device, settings_.blocks,
        std::move(file.file), answer.range, settings_.plan);
    blocks_ = blocks;
    body_bytes_ = 0;
    error_code error;
    const auto first = co_await blocks->next(client_pace::unknown, settings_.timeout, error);
    if (!error) {
        const auto head = to_wire(answer.head);
        co_await send_blocks(head, first, *blocks);
        co_return;
    }
    if (cut_off_)
        co_return;
    // Nothing has been sent yet, so the response can still be an error.
    if (error == asio::error::no_buffer_space)
        answer = make_error_reply(request, {status::service_unavailable, "all buffers are in use"});
    else if (error == asio::error::timed_out)
        answer = make_error_reply(request, {status::service_unavailable, too_many_calls});
    else
        answer = make_error_reply(
            request,
            {status::internal_server_error, "the file cannot be read: " + error.message()});
    answer.head.keep_alive(false);
    co_await send(answer);
    trouble_ = "read: " + error.message();
}

asio::awaitable<void> session::send_blocks(
    std::string_view head, asio::const_buffer block, block_reader& blocks) {
    auto write_error = co_await write(head, block);
    while (!write_error) {
        error_code error;
        block = co_await blocks.next(pace(), settings_.timeout, error);
        // The header with the length has been sent. The server can only close the connection, from
        // which the client learns that bytes are missing.
        if (error)
            trouble_ = "read: " + error.message();
        if (block.size() == 0)
            co_return;
        write_error = co_await write({}, block);
    }
    trouble_ = "write: " + write_error.message();
}

/// A client that has received more than its kernel buffers runs a program that reads.
client_pace session::pace() {
    const auto in_flight = unacknowledged(stream_.socket());
    return body_bytes_ >= in_flight + read_by_program ? client_pace::reads : client_pace::unknown;
}

asio::awaitable<error_code> session::write(std::string_view head, asio::const_buffer body) {
    const std::array<asio::const_buffer, 2> both{asio::buffer(head), body};
    beast::buffers_suffix<std::array<asio::const_buffer, 2>> rest{both};
    error_code failed;
    std::size_t head_left = head.size();
    stream_.expires_never();
    stall_watch watch{stream_, settings_.timeout};
    while (!failed && beast::buffer_bytes(rest) != 0) {
        const auto [error, size] = co_await stream_.async_write_some(rest, as_result);
        rest.consume(size);
        watch.wrote(size);
        const auto of_head = std::min(size, head_left);
        head_left -= of_head;
        body_bytes_ += size - of_head;
        failed = watch.has_stalled() ? beast::error::timeout : error;
    }
    co_return failed;
}

/// Closes the connection in a way that the last response arrives.
/**
 * If a socket is closed while it has unread input, the kernel resets the connection, and the client
 * may lose data that it has not read yet. So the server reads the rest of the input first.
 */
asio::awaitable<void> session::close_gracefully() {
    constexpr auto longest_wait = std::chrono::seconds{2};
    constexpr std::size_t most_bytes = std::size_t{1024} * 1024;
    if (!trouble_.empty() || cut_off_)
        co_return;
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(longest_wait);
    std::array<char, 4096> sink{};
    for (std::size_t drained = 0; drained < most_bytes;) {
        const auto [error, size] = co_await stream_.async_read_some(asio::buffer(sink), as_result);
        if (error)
            co_return;
        drained += size;
    }
}

void session::log(const request_head& request, const reply& answer, clock::time_point since) const {
    if (settings_.quiet)
        return;
    const std::chrono::duration<double, std::milli> duration = clock::now() - since;
    std::array<char, 96> numbers{};
    std::snprintf(
        numbers.data(), numbers.size(), "\" %u %llu bytes %.1f ms", answer.head.result_int(),
        static_cast<unsigned long long>(body_bytes_), duration.count());
    auto line = peer_ + " \"" + escaped(request.method_string()) + " " + escaped(request.target()) +
        numbers.data();
    if (cut_off_)
        line += ", cut off because the server stops";
    else if (!trouble_.empty())
        line += ", " + trouble_;
    log_line(line);
}

} // namespace file_server
