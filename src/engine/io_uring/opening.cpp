// SPDX-License-Identifier: BSL-1.0
// How the io_uring engine gets its ring, and what it registers with the ring.
#include "engine/io_uring/encode.hpp"
#include "engine/io_uring/engine.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
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
    if (const refusal refused = ring_->open(settings_, finished_.descriptor()))
        fail(refused);
    else
        use_ring();
}

void io_uring_engine::use_ring() {
    ledger_.make_slots(std::min(settings_.depth, ring_->entries()));
    known_kinds_.store(kinds_known_to(*ring_), std::memory_order_relaxed);
    failure_ = {};
    failed_.store(false, std::memory_order_relaxed);
    if (ring_->register_buffers(buffers_.data(), unsigned(buffers_.size())) != 0)
        buffers_.clear();
}

void io_uring_engine::fail(const refusal& why) noexcept {
    failure_ = why;
    failed_.store(true, std::memory_order_relaxed);
}

refusal io_uring_engine::failure() const noexcept {
    const lock held(mutex_);
    return failure_;
}

int io_uring_engine::register_buffers(const iovec* buffers, unsigned count) noexcept {
    const lock held(mutex_);
    if (has_failed())
        return -EOPNOTSUPP;
    buffers_.clear();
    const int error = ring_->register_buffers(buffers, count);
    if (error == 0)
        try {
            buffers_.assign(buffers, buffers + count);
        } catch (const std::bad_alloc&) {
            return -ENOMEM; // registered, but used as plain memory
        }
    return error;
}

} // namespace asio_aio::detail
