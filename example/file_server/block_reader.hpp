// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "descriptor.hpp"
#include "http_range.hpp"
#include "net.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <memory>

namespace file_server {

/// How much of a file is read before the socket can take it. A connection holds at most `blocks_ahead` + 1 blocks.
struct read_plan {
    std::size_t block_size = std::size_t{256} * 1024; ///< bytes
    std::size_t blocks_ahead = 4;                     ///< reads in flight while a block is being sent
};

/// Reads a part of a file block by block, with several reads in flight, and hands the blocks out in order.
/**
 * Not thread-safe: `executor` is a strand, and the members are called on it.
 */
class block_reader {
public:
    /// Starts the first reads. The descriptor is closed on a thread of `closers` once the last read is over.
    block_reader(
        const asio::any_io_executor& executor, asio::thread_pool& closers, descriptor file, byte_range range,
        const read_plan& plan);
    block_reader(const block_reader&) = delete;
    block_reader& operator=(const block_reader&) = delete;

    /// Gives up the reads in flight. Their buffers stay until the last of them has ended.
    ~block_reader();

    /// The next block, which is valid until the next call; empty when the range has been handed out whole.
    /** `error` is set when the read of this block failed: to `asio::error::eof` when the file has become shorter. */
    asio::awaitable<asio::const_buffer> next(error_code& error);

private:
    struct state;
    std::shared_ptr<state> state_;
};

} // namespace file_server
