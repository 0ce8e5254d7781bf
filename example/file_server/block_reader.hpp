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

/// How much of a file is read before the socket can take it.
struct read_plan {
    std::size_t block_size = std::size_t{256} * 1024; ///< bytes
    /// reads in flight while a block is being sent
    std::size_t blocks_ahead = 4;
};

/// Whether a client is known to take what it is sent. Until then it gets one small block at a time.
enum class client_pace { unknown, reads };

/// Reads a part of a file block by block and hands the blocks out in order.
/**
 * One read is in flight, or several where the client reads and the pool has blocks to spare. A
 * block goes back to the pool before the next one is taken, so that connections that wait for a
 * block have their turn.
 *
 * Not thread-safe: `executor` is a strand, and the members are called on it.
 */
class block_reader {
public:
    /// The descriptor is closed on a thread that runs `closers` once the last read is over.
    block_reader(
        const strand& executor, asio::io_context& closers, block_pool& pool, descriptor file,
        byte_range range, const read_plan& plan);
    block_reader(const block_reader&) = delete;
    block_reader& operator=(const block_reader&) = delete;

    /// Gives up the reads in flight. Their buffers stay until the last of them has ended.
    ~block_reader();

    /// The next block, which is valid until the next call; empty when the range has been handed out
    /// whole.
    /**
     * Waits for a block of the pool for `limit` at most; the read itself has no limit.
     *
     * `error` is set when there is no block: to `asio::error::eof` when the file has become
     * shorter, to `asio::error::no_buffer_space` when no block of the pool was free in time, and to
     * `asio::error::operation_aborted` after cancel().
     */
    asio::awaitable<asio::const_buffer> next(
        client_pace pace, std::chrono::seconds limit, error_code& error);

    /// Makes next() fail at once, now and later.
    void cancel();

private:
    struct state;
    std::shared_ptr<state> state_;
};

} // namespace file_server
