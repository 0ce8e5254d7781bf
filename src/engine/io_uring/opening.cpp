// SPDX-License-Identifier: BSL-1.0
// How the io_uring engine gets its ring, and what it registers with the ring.
#include "engine/io_uring/encode.hpp"
#include "engine/io_uring/engine.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

namespace asio_aio::detail {
namespace {

std::uint32_t kinds_known_to(const io_uring_ring& ring) noexcept {
    std::uint32_t known = 0;
    for (unsigned kind = 0; kind != op_kind_count; ++kind)
        if (ring.supports(opcode_of(op_kind(kind))))
            known |= bit_of(op_kind(kind));
    return known;
}

} // namespace

io_uring_engine::io_uring_engine(
    const ring_settings& settings, event& finished, std::unique_ptr<io_uring_ring> tried)
    : settings_(settings), finished_(finished), ring_(std::move(tried)) {
    cancels_wanted_.reserve(settings.depth);
    if (ring_ && ring_->move_to_event(finished.descriptor()) == 0) {
        use_ring();
    } else {
        ring_ = std::make_unique<io_uring_ring>();
        open_ring();
    }
}

io_uring_engine::~io_uring_engine() {
    op_queue abandoned; // discarded at the end of this function
    stop(abandoned);
}

/// Makes a ring. If the kernel refuses now what it allowed in the trial, everything goes to the
/// pool.
void io_uring_engine::open_ring() {
    buffers_.start_over();
    if (const refusal refused = ring_->open(settings_, finished_.descriptor()))
        fail(refused);
    else
        use_ring();
}

void io_uring_engine::use_ring() {
    ledger_.make_slots(std::min(settings_.depth, ring_->entries()));
    known_kinds_.store(kinds_known_to(*ring_), std::memory_order_relaxed);
    constexpr unsigned since_linux_6_0 = 47; // IORING_OP_SEND_ZC
    writes_at_once_.store(ring_->supports(since_linux_6_0), std::memory_order_relaxed);
    failure_ = {};
    failed_.store(false, std::memory_order_relaxed);
    change_buffers();
}

void io_uring_engine::fail(const refusal& why) noexcept {
    failure_ = why;
    failed_.store(true, std::memory_order_relaxed);
}

refusal io_uring_engine::failure() const noexcept {
    const lock held(mutex_);
    return failure_;
}

// --- Registered memory ---

std::uint64_t io_uring_engine::register_memory(const iovec* memory, std::size_t count) {
    const lock held(mutex_);
    const std::uint64_t name = buffers_.add(memory, count);
    change_buffers();
    return name;
}

void io_uring_engine::unregister_memory(std::uint64_t name) noexcept {
    const lock held(mutex_);
    buffers_.remove(name);
    if (may_change_buffers()) // also after a failure of the engine
        buffers_.empty_places(*ring_);
}

/// True if the calling thread may change the kernel's table of buffers. With `single_issuer` only
/// the owner may do that, and does so in its next turn.
bool io_uring_engine::may_change_buffers() const noexcept {
    return ring_->is_open() && ring_->may_register() && ring_->is_of_this_process();
}

/// Registers with the kernel what is pending, and unregisters what was removed, if the calling
/// thread may do that.
void io_uring_engine::change_buffers() noexcept {
    if (buffers_.has_changes() && !has_failed() && may_change_buffers())
        buffers_.change(*ring_);
}

int io_uring_engine::why_plain(std::uint64_t name) const noexcept {
    const lock held(mutex_);
    return has_failed() ? -EOPNOTSUPP : buffers_.why_plain(name);
}

refused_memory io_uring_engine::refused_buffers() const noexcept {
    const lock held(mutex_);
    return has_failed() ? refused_memory() : buffers_.refused();
}

} // namespace asio_aio::detail
