// SPDX-License-Identifier: BSL-1.0
#include "log_reader.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <chrono>

namespace write_ahead_log {
namespace {

constexpr std::size_t read_bytes = std::size_t{256} * 1024;
constexpr std::chrono::milliseconds poll_interval{10};

} // namespace

/// Moves the unread bytes to the start of the buffer, and lets the buffer hold `wanted` bytes.
void log_reader::make_room(std::size_t wanted) {
    std::copy(
        buffer_.begin() + std::ptrdiff_t(begin_), buffer_.begin() + std::ptrdiff_t(end_),
        buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    if (buffer_.size() < wanted)
        buffer_.resize(std::max(wanted, read_bytes));
}

/// Reads until `wanted` bytes are unread. Returns false if the file ends before.
asio::awaitable<bool> log_reader::fill(std::size_t wanted) {
    if (end_ - begin_ < wanted)
        make_room(wanted);
    while (end_ - begin_ < wanted) {
        const auto [error, bytes] = co_await log_.async_read_some_at(
            offset_ + (end_ - begin_), asio::buffer(buffer_) + end_,
            asio::as_tuple(asio::use_awaitable));
        if (error == asio::error::eof)
            co_return false;
        if (error)
            throw boost::system::system_error(error, "read");
        end_ += bytes;
    }
    co_return true;
}

/// Returns the bytes of the next record, or 0 if no valid record follows.
asio::awaitable<std::size_t> log_reader::find_record() {
    if (!co_await fill(header_bytes))
        co_return 0;
    const record_header header = load_header(unread());
    // Before the length is used: a header that was not written whole has any length.
    if (header.sequence != next_sequence_ || header.length > max_payload)
        co_return 0;
    const std::size_t bytes = header_bytes + header.length;
    if (!co_await fill(bytes))
        co_return 0;
    co_return header.checksum == checksum_of(unread(), bytes) ? bytes : 0;
}

asio::awaitable<std::optional<record>> log_reader::try_next() {
    const std::size_t bytes = co_await find_record();
    if (bytes == 0) {
        end_ = begin_; // a write or a recovery may replace what was read here
        co_return std::nullopt;
    }
    const record found{next_sequence_, asio::buffer(unread() + header_bytes, bytes - header_bytes)};
    ++next_sequence_;
    begin_ += bytes;
    offset_ += bytes;
    co_return found;
}

asio::awaitable<record> log_reader::next() {
    asio::steady_timer pause(log_.get_executor());
    for (;;) {
        if (const auto found = co_await try_next())
            co_return *found;
        pause.expires_after(poll_interval);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

} // namespace write_ahead_log
