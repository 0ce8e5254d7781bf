// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/engine.hpp"

#include <libaio.h>
#include <sys/types.h>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {

/// A context of Linux AIO (io_setup(2)). Not thread-safe.
class libaio_queue {
public:
    libaio_queue() = default;
    libaio_queue(const libaio_queue&) = delete;
    libaio_queue& operator=(const libaio_queue&) = delete;
    ~libaio_queue() { close(); }

    /// Makes a context for `depth` operations, or for fewer if the system has fewer places left
    /// (fs.aio-max-nr).
    refusal open(unsigned depth) noexcept;

    /// Destroys the context, and returns when the kernel has let go of it (io_destroy(2)). Takes at
    /// least some 30 ms.
    void close() noexcept;

    /// For a child process, which has neither the parent's context nor the ring's mapping.
    /// Afterwards `open` may be called again.
    void forget() noexcept;

    /// The most operations that the context holds.
    unsigned depth() const noexcept { return depth_; }

    /// True if this process made the context. A child process must not access it.
    bool is_of_this_process() const noexcept;

    /// Submits operations. Returns the number of operations that the kernel has taken, from the
    /// first one on, or -errno for the first one.
    int submit(iocb** entries, std::size_t count) noexcept;

    struct completion {
        std::uint64_t user_data;
        int result;
    };

    /// Takes up to `room` completions.
    std::size_t take(completion* to, std::size_t room) noexcept;

    /// As `take`, but waits for a completion. Returns 0 if it cannot wait.
    std::size_t take_after_wait(completion* to, std::size_t room) noexcept;

    /// Returns 0, or -errno if the kernel refuses io_getevents(2).
    int ask_kernel() noexcept;

    /// The number of calls of io_submit(2) and io_getevents(2) since `count_from_now`.
    std::uint64_t calls() const noexcept { return calls_; }
    void count_from_now() noexcept { calls_ = 0; }

private:
    /// The memory that the kernel shares with the program; its address is the context (fs/aio.c,
    /// struct aio_ring).
    struct shared_ring {
        unsigned id;
        unsigned size; ///< In events.
        unsigned head; ///< The program moves it.
        unsigned tail;
        unsigned magic;
        unsigned compatible_features;
        unsigned incompatible_features;
        unsigned header_bytes;
        io_event events[1];
    };

    shared_ring* ring() const noexcept { return reinterpret_cast<shared_ring*>(context_); }
    bool is_ring_as_expected() const noexcept;
    void keep_from_children() noexcept;
    std::size_t take_from_ring(completion* to, std::size_t room) noexcept;
    std::size_t take_from_kernel(completion* to, std::size_t room, long least) noexcept;

    io_context_t context_ = nullptr;
    unsigned depth_ = 0;
    bool reads_ring_ = false; ///< False on gVisor, which has no ring: io_getevents(2) is called.
    pid_t process_ = 0;
    std::uint64_t calls_ = 0;
};

} // namespace asio_aio::detail
