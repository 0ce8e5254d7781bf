// SPDX-License-Identifier: BSL-1.0
#include "block_reader.hpp"

#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/read_at.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <vector>

namespace file_server {
namespace {

struct block {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0; // bytes asked for; 0 when the range is used up
    error_code error;
    bool arrived = false;
};

} // namespace

/// Shared by the reader and each of its reads in flight, so that buffers and descriptor outlive the last of them.
struct block_reader::state : std::enable_shared_from_this<state> {
    state(const asio::any_io_executor& executor, asio::thread_pool& pool, byte_range range, const read_plan& plan)
        : file(executor),
          closers(pool),
          arrival(executor, asio::steady_timer::time_point::max()),
          offset(range.offset),
          remaining(range.length),
          block_size(plan.block_size) {
        const auto blocks_needed = (range.length + block_size - 1) / block_size;
        ring.resize(static_cast<std::size_t>(std::min<std::uint64_t>(blocks_needed, plan.blocks_ahead + 1)));
    }

    ~state() {
        if (!file.is_open())
            return;
        error_code ignored;
        close_on(closers, descriptor{file.release(ignored)});
    }

    /// Starts the read of the next part of the range into `into`.
    void start(block& into) {
        into.arrived = false;
        into.size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining, block_size));
        if (into.size == 0)
            return;
        // The first block of a ring is its largest, so the memory is used again for all that follow.
        if (!into.memory)
            into.memory = std::make_unique_for_overwrite<std::byte[]>(into.size);
        asio::async_read_at(
            file, offset, asio::buffer(into.memory.get(), into.size),
            [self = shared_from_this(), &into](error_code error, std::size_t) {
                into.error = error;
                into.arrived = true;
                self->arrival.cancel();
            });
        offset += into.size;
        remaining -= into.size;
    }

    asio_aio::random_access_file_aio file;
    asio::thread_pool& closers;
    asio::steady_timer arrival; // never expires; cancelled when a block has arrived
    std::vector<block> ring;
    std::size_t front = 0; // the block to hand out next
    bool front_is_out = false;
    std::uint64_t offset; // of the next read
    std::uint64_t remaining;
    std::size_t block_size;
};

block_reader::block_reader(
    const asio::any_io_executor& executor, asio::thread_pool& closers, descriptor file, byte_range range,
    const read_plan& plan)
    : state_(std::make_shared<state>(executor, closers, range, plan)) {
    error_code error;
    state_->file.assign(file.get(), error);
    if (error)
        throw boost::system::system_error(error, "assign");
    file.release();
    for (block& each : state_->ring)
        state_->start(each);
}

block_reader::~block_reader() {
    error_code ignored;
    state_->file.cancel(ignored);
}

asio::awaitable<asio::const_buffer> block_reader::next(error_code& error) {
    state& reads = *state_;
    if (reads.front_is_out) {
        reads.start(reads.ring[reads.front]);
        reads.front = (reads.front + 1) % reads.ring.size();
        reads.front_is_out = false;
    }
    if (reads.ring.empty() || reads.ring[reads.front].size == 0)
        co_return asio::const_buffer{};

    const block& wanted = reads.ring[reads.front];
    while (!wanted.arrived)
        co_await reads.arrival.async_wait(as_result);
    error = wanted.error;
    if (error)
        co_return asio::const_buffer{};
    reads.front_is_out = true;
    co_return asio::buffer(wanted.memory.get(), wanted.size);
}

} // namespace file_server
