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

    /// Makes a context for `depth` operations; for fewer where the system has no more left
    /// (fs.aio-max-nr).
    refusal open(unsigned depth) noexcept;

    /// Ends the context, and returns when the kernel has nothing of it any more (io_destroy(2)): at
    /// least some 30 ms.
    void close() noexcept;

    /// In a child process, which has neither the parent's context nor the ring's map: `open` may be
    /// called again.
    void forget() noexcept;

    /// Operations that it holds at most.
    unsigned depth() const noexcept { return depth_; }

    /// Whether this process made the context: a child process must not touch it.
    bool is_of_this_process() const noexcept;

    /// Has the kernel take operations: how many of the first ones it has taken, or -errno of the
    /// first.
    int submit(iocb** entries, std::size_t count) noexcept;

    struct completion {
        std::uint64_t user_data;
        int result;
    };

    /// Takes up to `room` completions.
    std::size_t take(completion* to, std::size_t room) noexcept;

    /// The same, and waits until there is one; 0 where there is no way to wait.
    std::size_t take_after_wait(completion* to, std::size_t room) noexcept;

    /// 0, or -errno where the kernel refuses io_getevents(2), by which is waited.
    int ask_kernel() noexcept;

    /// Number of calls of io_submit(2) and io_getevents(2), and from when on they count.
    std::uint64_t calls() const noexcept { return calls_; }
    void count_from_now() noexcept { calls_ = 0; }

private:
    /// What the kernel shares with the program at the address that it calls the context (fs/aio.c,
    /// struct aio_ring).
    struct shared_ring {
        unsigned id;
        unsigned size; ///< In events.
        unsigned head; ///< Ours to move.
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
    bool reads_ring_ = false; ///< Else io_getevents(2) is called: gVisor has no ring.
    pid_t process_ = 0;
    std::uint64_t calls_ = 0;
};

} // namespace asio_aio::detail
