// SPDX-License-Identifier: BSL-1.0
#include "block_reader.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/read_at.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

namespace file_server {
namespace {

// The memory that a client costs that never reads. The client's kernel buffers more than that, so
// a client that reads does not notice the small first blocks.
constexpr std::size_t small_block = std::size_t{64} * 1024;

struct read_block {
    block_pool::block memory;
    std::size_t size; // requested bytes
    error_code error;
    bool arrived = false;
};

} // namespace

/// Shared by the reader and its reads in flight, so that buffers and descriptor outlive the reads.
struct block_reader::state : std::enable_shared_from_this<state> {
    state(
        const strand& executor, call_limits& permits, dev_t device, block_pool& blocks,
        open_file opened, byte_range range, const read_plan& how)
        : file(std::move(opened)),
          limits(permits),
          filesystem{std::to_string(device)},
          pool(blocks),
          plan(how),
          block_turn(std::make_shared<block_pool::place>(executor)),
          permit_turn(std::make_shared<call_limits::place>(executor)),
          arrival(executor, asio::steady_timer::time_point::max()),
          offset(range.offset),
          remaining(range.length) {}

    /// Starts the read of the next part of the range.
    void start(block_pool::block memory, call_limits::permit permit, client_pace pace) {
        const auto most =
            pace == client_pace::reads ? plan.block_size : std::min(plan.block_size, small_block);
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining, most));
        // A deque does not move its elements when it grows at its end or shrinks at its front.
        read_block& into = reads.emplace_back(read_block{std::move(memory), size, {}});
        const auto buffer = asio::buffer(into.memory.get(), size);
        asio::async_read_at(
            *file, offset, buffer,
            [self = shared_from_this(), &into,
             permit = std::move(permit)](error_code error, std::size_t) mutable {
                permit.reset();
                into.error = error;
                into.arrived = true;
                self->arrival.cancel();
            });
        offset += size;
        remaining -= size;
    }

    void read_ahead() {
        while (remaining != 0 && reads.size() <= plan.blocks_ahead) {
            auto permit = limits.try_take(filesystem);
            auto memory = permit ? pool.try_take() : nullptr;
            if (!memory)
                return;
            start(std::move(memory), std::move(permit), client_pace::reads);
        }
    }

    asio::awaitable<error_code> start_first(client_pace pace, std::chrono::seconds limit) {
        auto memory = co_await pool.take(block_turn, limit);
        if (!memory || cancelled)
            co_return asio::error::no_buffer_space;
        const auto deadline = std::chrono::steady_clock::now() + limit;
        auto permit = co_await limits.take(permit_turn, filesystem, deadline);
        if (!permit)
            co_return asio::error::timed_out;
        start(std::move(memory), std::move(permit), pace);
        co_return error_code{};
    }

    open_file file;
    call_limits& limits;
    const call_limits::parts filesystem; // all its reads share permits
    block_pool& pool;
    read_plan plan;
    std::shared_ptr<block_pool::place> block_turn;
    std::shared_ptr<call_limits::place> permit_turn;
    asio::steady_timer arrival; // never expires; cancelled when a block has arrived
    std::deque<read_block> reads;
    bool front_is_out = false;
    bool cancelled = false;
    std::uint64_t offset; // of the next read
    std::uint64_t remaining;
};

block_reader::block_reader(
    const strand& executor, call_limits& reads, dev_t device, block_pool& pool, open_file file,
    byte_range range, const read_plan& plan)
    : state_(std::make_shared<state>(executor, reads, device, pool, std::move(file), range, plan)) {
}

block_reader::~block_reader() {
    error_code ignored;
    (*state_->file).cancel(ignored);
}

void block_reader::cancel() {
    state_->cancelled = true;
    state_->block_turn->cancel();
    state_->permit_turn->cancel();
    state_->arrival.cancel();
}

asio::awaitable<asio::const_buffer> block_reader::next(
    client_pace pace, std::chrono::seconds limit, error_code& error) {
    state& now = *state_;
    if (std::exchange(now.front_is_out, false))
        now.reads.pop_front();
    if (now.reads.empty() && now.remaining != 0 && !now.cancelled)
        error = co_await now.start_first(pace, limit);
    if (pace == client_pace::reads)
        now.read_ahead();

    while (!now.cancelled && !now.reads.empty() && !now.reads.front().arrived)
        co_await now.arrival.async_wait(as_result);
    if (now.cancelled)
        error = asio::error::operation_aborted;
    else if (!now.reads.empty())
        error = now.reads.front().error;
    if (error || now.reads.empty())
        co_return asio::const_buffer{};
    now.front_is_out = true;
    co_return asio::buffer(now.reads.front().memory.get(), now.reads.front().size);
}

} // namespace file_server
