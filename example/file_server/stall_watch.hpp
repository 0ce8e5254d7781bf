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

/// Cancels writes to a client that has received no data for a whole period.
/**
 * A time limit for each write would also end connections of slow clients: a socket is writable
 * again only when a third of its buffer is free, and the buffer grows to megabytes. This class
 * therefore checks how much the client has acknowledged.
 *
 * Use it on the stream's strand, while the stream has no other time limit. The stream must outlive
 * this object.
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
