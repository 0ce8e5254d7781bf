// SPDX-License-Identifier: BSL-1.0
#include "stall_watch.hpp"

#include <boost/asio/steady_timer.hpp>

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace file_server {

std::uint64_t unacknowledged(tcp_socket& socket) {
    int queued = 0;
    ::ioctl(socket.native_handle(), SIOCOUTQ, &queued);
    return static_cast<std::uint64_t>(queued);
}

struct stall_watch::state : std::enable_shared_from_this<state> {
    state(tcp_stream& watched, std::chrono::seconds time)
        : stream(&watched), timer(watched.get_executor()), period(time), taken_before(taken()) {}

    /// Bytes that the client has acknowledged, plus a constant.
    std::int64_t taken() const {
        return written - static_cast<std::int64_t>(unacknowledged(stream->socket()));
    }

    void wait() {
        timer.expires_after(period);
        timer.async_wait([self = shared_from_this()](error_code error) {
            if (!error && self->stream != nullptr)
                self->look();
        });
    }

    void look() {
        const auto taken_now = taken();
        stalled = taken_now == taken_before;
        taken_before = taken_now;
        if (stalled)
            stream->cancel();
        else
            wait();
    }

    tcp_stream* stream; // null when the watch is over
    asio::steady_timer timer;
    std::chrono::seconds period;
    std::int64_t written = 0;
    std::int64_t taken_before;
    bool stalled = false;
};

stall_watch::stall_watch(tcp_stream& stream, std::chrono::seconds period)
    : state_(std::make_shared<state>(stream, period)) {
    state_->wait();
}

stall_watch::~stall_watch() {
    // The wait may have ended already, with its handler queued: cancel() has no effect then.
    state_->stream = nullptr;
    state_->timer.cancel();
}

void stall_watch::wrote(std::size_t size) {
    state_->written += static_cast<std::int64_t>(size);
}

bool stall_watch::has_stalled() const {
    return state_->stalled;
}

} // namespace file_server
