// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "block_pool.hpp"
#include "call_limits.hpp"
#include "http_range.hpp"
#include "net.hpp"
#include "open_file.hpp"

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

#include <sys/types.h>

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
    /// Each read needs a permit of `reads`, for the filesystem `device`.
    block_reader(
        const strand& executor, call_limits& reads, dev_t device, block_pool& pool, open_file file,
        byte_range range, const read_plan& plan);
    block_reader(const block_reader&) = delete;
    block_reader& operator=(const block_reader&) = delete;

    /// Cancels the reads in flight. Their buffers live until the last read has ended.
    ~block_reader();

    /// Returns the next block, which is valid until the next call. Empty at the end of the range.
    /**
     * Waits at most `limit` for a block of the pool, and as long for a permit; the time of the read
     * is not limited.
     *
     * Sets `error` if there is no block: `asio::error::eof` if the file has become shorter,
     * `asio::error::no_buffer_space` if no block of the pool was free in time,
     * `asio::error::timed_out` if earlier reads of the filesystem did not end in time,
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
