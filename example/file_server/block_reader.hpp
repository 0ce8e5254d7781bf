// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "block_pool.hpp"
#include "descriptor.hpp"
#include "http_range.hpp"
#include "net.hpp"

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

namespace file_server {

/// The size and number of the reads of a file.
struct read_plan {
    std::size_t block_size = std::size_t{256} * 1024; ///< Bytes.
    /// Reads in flight while a block is sent.
    std::size_t blocks_ahead = 4;
};

/// `reads`: the client is known to read the response. Until then it gets one small block at a time.
enum class client_pace { unknown, reads };

/// Reads a part of a file block by block, and returns the blocks in order.
/**
 * One read is in flight, or several if the client reads and the pool has enough free blocks. A
 * block goes back to the pool before the next one is taken. So connections that wait for a block
 * have their turn.
 *
 * Not thread-safe: call the members on the strand `executor`.
 */
class block_reader {
public:
    /// After the last read, a thread that runs `closers` closes the descriptor.
    block_reader(
        const strand& executor, asio::io_context& closers, block_pool& pool, descriptor file,
        byte_range range, const read_plan& plan);
    block_reader(const block_reader&) = delete;
    block_reader& operator=(const block_reader&) = delete;

    /// Cancels the reads in flight. Their buffers live until the last read has ended.
    ~block_reader();

    /// Returns the next block, which is valid until the next call. Empty at the end of the range.
    /**
     * Waits at most `limit` for a block of the pool; the time of the read is not limited.
     *
     * Sets `error` if there is no block: `asio::error::eof` if the file has become shorter,
     * `asio::error::no_buffer_space` if no block of the pool was free in time,
     * `asio::error::operation_aborted` after cancel(), otherwise the error of the read.
     */
    asio::awaitable<asio::const_buffer> next(
        client_pace pace, std::chrono::seconds limit, error_code& error);

    /// The current and all later calls of next() fail at once.
    void cancel();

private:
    struct state;
    std::shared_ptr<state> state_;
};

} // namespace file_server
