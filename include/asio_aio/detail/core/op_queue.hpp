// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <cstddef>

namespace asio_aio::detail {

/// An intrusive first-in, first-out queue that owns its operations. The destructor discards what is
/// left.
class op_queue {
public:
    op_queue() = default;

    op_queue(const op_queue&) = delete;
    op_queue& operator=(const op_queue&) = delete;

    ~op_queue() {
        while (operation* op = pop())
            op->discard();
    }

    bool empty() const noexcept { return front_ == nullptr; }
    std::size_t size() const noexcept { return size_; }

    /// The oldest operation, which stays here, or nullptr.
    const operation* front() const noexcept { return front_; }

    void push(operation* op) noexcept {
        op->next = nullptr;
        (back_ ? back_->next : front_) = op;
        back_ = op;
        ++size_;
    }

    /// As `push`, but does nothing if `op` is null.
    void push_if(operation* op) noexcept {
        if (op)
            push(op);
    }

    void push_front(operation* op) noexcept {
        op->next = front_;
        front_ = op;
        if (!back_)
            back_ = op;
        ++size_;
    }

    /// Removes and returns the oldest operation, or returns nullptr.
    operation* pop() noexcept {
        operation* op = front_;
        if (!op)
            return nullptr;
        front_ = op->next;
        if (!front_)
            back_ = nullptr;
        op->next = nullptr;
        --size_;
        return op;
    }

    /// Moves all operations of `other` to the end of this queue, in order.
    void splice(op_queue& other) noexcept {
        if (other.empty())
            return;
        (back_ ? back_->next : front_) = other.front_;
        back_ = other.back_;
        size_ += other.size_;
        other.front_ = other.back_ = nullptr;
        other.size_ = 0;
    }

    /// Moves the operations for which `wanted` is true to the end of `to`, in order.
    template <typename Predicate>
    void extract_if(Predicate wanted, op_queue& to) noexcept {
        operation* before = nullptr;
        for (operation *op = front_, *after = nullptr; op; op = after) {
            after = op->next;
            if (!wanted(*op)) {
                before = op;
                continue;
            }
            (before ? before->next : front_) = after;
            if (back_ == op)
                back_ = before;
            --size_;
            to.push(op);
        }
    }

    template <typename Visit>
    void for_each(Visit visit) const {
        for (operation* op = front_; op; op = op->next)
            visit(*op);
    }

private:
    operation* front_ = nullptr;
    operation* back_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace asio_aio::detail
