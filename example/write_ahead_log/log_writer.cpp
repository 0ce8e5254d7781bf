// SPDX-License-Identifier: BSL-1.0
#include "log_writer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write_at.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace write_ahead_log {
namespace {

using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

} // namespace

// One batch is in flight at a time: a write, then a sync. Records that arrive meanwhile form the
// next batch. A record of a single appender waits for nothing but its own write and sync, and 64
// appenders share one write and one sync. As the batches do not overlap, a durable record has no
// gap before it.
struct log_writer::state : std::enable_shared_from_this<state> {
    state(file opened, const recovery& found)
        : log(std::move(opened)),
          end(found.end),
          next(found.next_sequence),
          durable(found.next_sequence - 1),
          flushed(log.get_executor(), asio::steady_timer::time_point::max()) {}

    void start_flush() {
        if (std::exchange(flushing, true))
            return;
        asio::co_spawn(log.get_executor(), flush(shared_from_this()), [](std::exception_ptr error) {
            if (error)
                std::rethrow_exception(error); // ends the context's run()
        });
    }

    static asio::awaitable<void> flush(std::shared_ptr<state> self) {
        while (!self->gathered.empty() && !self->failure) {
            // The appenders that the last batch has woken run first, and join this batch.
            co_await asio::post(self->log.get_executor(), asio::use_awaitable);
            self->failure = co_await self->write_batch();
            self->flushed.cancel();
        }
        self->flushing = false;
    }

    asio::awaitable<error_code> write_batch() {
        const std::uint64_t last = next - 1;
        writing.clear();
        writing.swap(gathered);
        auto [error, bytes] =
            co_await asio::async_write_at(log, end, asio::buffer(writing), as_result);
        if (!error)
            std::tie(error) = co_await log.async_sync_data(as_result);
        if (!error) {
            end += bytes;
            durable = last;
        }
        co_return error;
    }

    file log;
    std::uint64_t end;     // of the records on the device, in bytes
    std::uint64_t next;    // the sequence number of the next record
    std::uint64_t durable; // the last sequence number on the device
    std::vector<unsigned char> gathered;
    std::vector<unsigned char> writing;
    bool flushing = false;
    error_code failure;         // the first one; never cleared
    asio::steady_timer flushed; // never expires; cancelled when a batch has ended
};

log_writer::log_writer(file log, const recovery& found)
    : state_(std::make_shared<state>(std::move(log), found)) {}

asio::awaitable<std::uint64_t> log_writer::append(asio::const_buffer payload) {
    if (payload.size() > max_payload)
        throw std::length_error(
            "a record of " + std::to_string(payload.size()) +
            " bytes is larger than the limit of " + std::to_string(max_payload) + " bytes");
    const auto now = state_; // the writer may be destroyed while this call waits
    if (now->failure)
        throw boost::system::system_error(now->failure, "append");
    add_record(now->gathered, now->next, payload);
    const std::uint64_t sequence = now->next++;
    now->start_flush();
    while (now->durable < sequence && !now->failure)
        co_await now->flushed.async_wait(as_result);
    if (now->durable < sequence)
        throw boost::system::system_error(now->failure, "append");
    co_return sequence;
}

} // namespace write_ahead_log
