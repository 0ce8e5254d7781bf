// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace file_server {

/// Bytes that were written to `socket` and that the client has not acknowledged.
std::uint64_t unacknowledged(tcp_socket& socket);

/// Cancels what is written to a client when the client has taken none of it for a whole period.
/**
 * A time limit for a write would also hit a client that is merely slow: a socket is writable again
 * only when a third of its buffer, which grows to megabytes, is free. So this looks at what the
 * client has acknowledged.
 *
 * Used on the stream's strand, while nothing else limits the stream's time. The stream has to
 * outlive it.
 */
class stall_watch {
public:
    stall_watch(tcp_stream& stream, std::chrono::seconds period);
    stall_watch(const stall_watch&) = delete;
    stall_watch& operator=(const stall_watch&) = delete;
    ~stall_watch();

    /// Counts bytes that the socket has taken.
    void wrote(std::size_t size);

    bool has_stalled() const;

private:
    struct state;
    std::shared_ptr<state> state_; // shared with the wait in flight
};

} // namespace file_server
