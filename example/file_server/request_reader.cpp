// SPDX-License-Identifier: BSL-1.0
#include "request_reader.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/read.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/none.hpp>

#include <string_view>

namespace file_server {
namespace {

// Headers of browsers and proxies are below 8 KiB, with large cookies below 16 KiB.
constexpr std::uint32_t longest_header = 16 * 1024; // bytes

// RFC 9112 §2.2: a server should ignore at least one. Old clients send one after a POST body.
constexpr unsigned most_empty_lines = 4;

std::string_view text(const beast::flat_buffer& input) {
    const auto bytes = input.data();
    return {static_cast<const char*>(bytes.data()), bytes.size()};
}

/// True if a field has more than one line. Proxies interpret such a field differently, so RFC 9112
/// §5.2 requires to refuse the request.
bool has_folded_line(std::string_view header) {
    return header.find("\r\n ") != header.npos || header.find("\r\n\t") != header.npos;
}

} // namespace

bool ends_with_header(const request_parser& parser) {
    const auto& head = parser.get();
    // If the parser does not know the transfer coding, it treats the request as one without a body.
    // After a CONNECT, the client may already send data for another server.
    return parser.is_done() && head.count(http::field::transfer_encoding) == 0 &&
        head.method() != http::verb::connect;
}

asio::awaitable<bool> request_reader::wait(std::chrono::seconds limit) {
    unsigned empty_lines_left = most_empty_lines;
    stream_.expires_after(limit);
    while (!skip_empty_lines(empty_lines_left)) {
        if (co_await receive())
            co_return false;
    }
    co_return !stopped_;
}

/// Skips empty lines, and counts `left` down. True if a request has begun.
bool request_reader::skip_empty_lines(unsigned& left) {
    for (; left != 0 && text(input_).starts_with("\r\n"); --left)
        input_.consume(2);
    return input_.size() != 0 && text(input_) != "\r";
}

asio::awaitable<error_code> request_reader::read(
    request_parser& parser, std::chrono::seconds limit) {
    parser.header_limit(longest_header);
    parser.body_limit(boost::none); // no body is read
    stream_.expires_after(limit);
    std::size_t header_size = 0;
    while (!parser.is_header_done()) {
        error_code error;
        const auto used = parser.put(input_.data(), error);
        const bool folded = has_folded_line(text(input_).substr(0, used));
        input_.consume(used);
        header_size += used;
        if (folded)
            co_return http::error::bad_obs_fold;
        // The parser applies its own limit only to the bytes of one call.
        if (header_size > longest_header)
            co_return http::error::header_limit;
        if (error == http::error::need_more)
            error = co_await receive();
        if (error)
            co_return error == asio::error::eof ? make_error_code(http::error::partial_message)
                                                : error;
    }
    co_return error_code{};
}

asio::awaitable<error_code> request_reader::read_body(
    asio::mutable_buffer into, std::chrono::seconds limit) {
    const auto known = asio::buffer_copy(into, input_.data());
    input_.consume(known);
    stream_.expires_after(limit);
    const auto [error, size] = co_await asio::async_read(stream_, into + known, as_result);
    co_return error;
}

asio::awaitable<error_code> request_reader::receive() {
    constexpr std::size_t at_once = 4096; // bytes
    receives_ = true;
    const auto [error, size] = co_await stream_.async_read_some(input_.prepare(at_once), as_result);
    receives_ = false;
    input_.commit(size);
    co_return stopped_ ? error_code{asio::error::operation_aborted} : error;
}

void request_reader::stop() {
    stopped_ = true;
    if (receives_)
        stream_.cancel();
}

} // namespace file_server
