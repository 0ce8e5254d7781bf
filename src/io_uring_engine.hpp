// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/event.hpp>

#include <liburing.h>
#include <sys/stat.h>
#include <bitset>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace asio_aio::detail {

/// Why a ring could not be had: the call that was refused and its errno.
struct ring_refusal {
    int error = 0;
    const char* call = nullptr;
};

/// An io_uring instance with its event registered, set up by the first rung of the ladder that works.
class ring {
public:
    ring() = default;
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { close(); }

    /// Makes a ring of `depth` entries, or of fewer where memory is limited (RLIMIT_MEMLOCK is charged again on Linux
    /// 6.14 to 6.18).
    ring_refusal open(unsigned depth, int event_descriptor);
    void close() noexcept;

    bool is_open() const noexcept { return open_; }
    io_uring* operator->() noexcept { return &ring_; }
    io_uring* get() noexcept { return &ring_; }
    bool supports(unsigned opcode) const noexcept { return opcode < supported_.size() && supported_[opcode]; }

private:
    int set_up(unsigned depth) noexcept;
    ring_refusal check_features() noexcept;

    io_uring ring_{};
    bool open_ = false;
    std::bitset<256> supported_;
};

/// Serves operations by the kernel's submission and completion queues (io_uring(7), Linux 5.15).
class io_uring_engine final : public engine {
public:
    /// Does what the engine will do, with the same flags: set up, submit, wake up, reap.
    static engine_report probe(unsigned depth);

    io_uring_engine(unsigned depth, event& finished);
    ~io_uring_engine() override;

    backend kind() const noexcept override { return backend::io_uring; }
    void submit(op_queue& batch) noexcept override;
    void reap(op_queue& done) noexcept override;
    void cancel(const cancellation& which) noexcept override;
    void stop(op_queue& abandoned) noexcept override;
    void prepare_fork() noexcept override;
    void become_child() noexcept override;
    engine_counters counters() const noexcept override;

private:
    using lock = std::lock_guard<std::mutex>;

    /// What the kernel has: its user_data is the slot's index, so nothing that the kernel holds points at an operation.
    struct slot {
        operation* op = nullptr;
        bool cancel_wanted = false;
        bool cancel_in_flight = false;
        std::unique_ptr<struct statx> status; ///< For `size`; made when it is first needed.
    };

    void open_ring();
    void work() noexcept;
    bool can_serve(const operation& op) const noexcept;
    void encode_waiting() noexcept;
    static void encode(io_uring_sqe* sqe, operation& op, slot& where);
    void encode_cancellations() noexcept;
    void enter() noexcept;
    void give_up_ring() noexcept;
    void take_completions() noexcept;
    void take_completion(std::uint64_t user_data, int result) noexcept;
    void finish(operation* op, int result, slot& where) noexcept;
    static bool is_short_of_end(const operation& op, int result) noexcept;
    void pass_on(operation* op, pass_reason why) noexcept;
    void drain() noexcept;

    const unsigned depth_;
    event& finished_;
    const bool file_size_limited_; ///< RLIMIT_FSIZE: SIGXFSZ must not reach the thread that enters.

    mutable std::mutex
        mutex_; ///< Guards everything below, the ring included. Entering the kernel to submit is done under it.
    ring ring_;
    std::vector<slot> slots_;
    std::vector<std::uint16_t> free_slots_;
    op_queue waiting_; ///< The backlog: in order, as long as it gets, and without any memory of its own.
    op_queue done_;
    std::size_t in_kernel_ = 0;
    std::size_t cancels_in_flight_ = 0;
    bool cancels_wanted_ = false;
    bool broken_ = false; ///< The kernel refuses to be entered: everything goes to the pool.
    std::uint64_t enters_ = 0;
};

} // namespace asio_aio::detail
