// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/op_queue.hpp>

#include <atomic>
#include <cstddef>

namespace asio_aio::detail {

/// Operations that wait in order, until somebody takes or cancels them.
/**
 * A cancellation removes one operation, or all operations of one file, without a walk past the
 * others. The backlog owns its operations: the destructor discards what is left. Not synchronised:
 * the owner's mutex guards the backlog and the links of all operations in it.
 */
class backlog {
public:
    /// `where` selects the chains of files that this backlog uses. Backlogs that may hold
    /// operations of one file at the same time need different values.
    explicit backlog(waiting_at where) noexcept : where_(where) {}

    backlog(const backlog&) = delete;
    backlog& operator=(const backlog&) = delete;

    ~backlog() {
        while (operation* op = pop())
            op->discard();
    }

    bool is_at(waiting_at where) const noexcept { return where_ == where; }

    bool empty() const noexcept { return front_ == nullptr; }
    std::size_t size() const noexcept { return size_; }

    /// True if `op` waits here; `op` may be any operation that is alive.
    bool holds(const operation& op) const noexcept {
        return op.waits_in.load(std::memory_order_relaxed) == this;
    }

    void push(operation* op) noexcept {
        op->links.prev = back_;
        op->next = nullptr;
        (back_ ? back_->next : front_) = op;
        back_ = op;
        enter(*op, false);
    }

    void push_front(operation* op) noexcept {
        op->links.prev = nullptr;
        op->next = front_;
        (front_ ? front_->links.prev : back_) = op;
        front_ = op;
        enter(*op, true);
    }

    /// Removes and returns the oldest operation, or returns nullptr.
    operation* pop() noexcept {
        operation* op = front_;
        if (op)
            remove(*op);
        return op;
    }

    /// Removes `op`, which waits here.
    void remove(operation& op) noexcept {
        (op.links.prev ? op.links.prev->next : front_) = op.next;
        (op.next ? op.next->links.prev : back_) = op.links.prev;
        op.next = op.links.prev = nullptr;
        --size_;
        op.waits_in.store(nullptr, std::memory_order_relaxed);
        if (op.file)
            leave_chain(op);
    }

    /// Moves all operations of `other` to the end of this backlog, in order.
    void splice(op_queue& other) noexcept {
        while (operation* op = other.pop())
            push(op);
    }

    /// Moves all operations to the end of `to`, in order.
    void move_to(op_queue& to) noexcept {
        while (operation* op = pop())
            to.push(op);
    }

    /// Moves the cancelled operations of `file` to the end of `to`, in order.
    void extract_cancelled(file_handle& file, op_queue& to) noexcept {
        operation* op = file.chain(where_);
        if (!op)
            return;
        for (const operation* last = op->links.file_prev;;) {
            operation* after = op->links.file_next;
            const bool is_last = op == last;
            if (op->is_cancelled() && op->state() != op_state::to_close) {
                remove(*op);
                to.push(op);
            }
            if (is_last)
                return;
            op = after;
        }
    }

    /// Moves the operations for which `wanted` is true to the end of `to`, in order.
    template <typename Predicate>
    void extract_if(Predicate wanted, op_queue& to) noexcept {
        for (operation *op = front_, *after = nullptr; op; op = after) {
            after = op->next;
            if (!wanted(*op))
                continue;
            remove(*op);
            to.push(op);
        }
    }

private:
    void enter(operation& op, bool at_front) noexcept {
        ++size_;
        op.waits_in.store(this, std::memory_order_relaxed);
        if (op.file)
            enter_chain(op, at_front);
    }

    // The chain of a file is a ring: the operation before the first one is the last one.
    void enter_chain(operation& op, bool at_front) noexcept {
        operation*& first = op.file->chain(where_);
        if (!first) {
            first = op.links.file_next = op.links.file_prev = &op;
            return;
        }
        op.links.file_next = first;
        op.links.file_prev = first->links.file_prev;
        op.links.file_prev->links.file_next = first->links.file_prev = &op;
        if (at_front)
            first = &op;
    }

    void leave_chain(operation& op) noexcept {
        operation*& first = op.file->chain(where_);
        if (op.links.file_next == &op) {
            first = nullptr;
        } else {
            op.links.file_next->links.file_prev = op.links.file_prev;
            op.links.file_prev->links.file_next = op.links.file_next;
            if (first == &op)
                first = op.links.file_next;
        }
        op.links.file_next = op.links.file_prev = nullptr;
    }

    const waiting_at where_;
    operation* front_ = nullptr;
    operation* back_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace asio_aio::detail
