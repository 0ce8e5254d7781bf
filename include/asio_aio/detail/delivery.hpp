// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

/// How a finished operation gets to its executor without being lost on the way.
namespace asio_aio::detail {

/// The submission of one operation that this thread is in. It tells what became of a function whose
/// executor threw.
/**
 * An executor that throws has destroyed the function that it was given: the operation is then still
 * the caller's. An executor that destroys the function otherwise, also later, is being shut down:
 * the operation is discarded.
 */
class handing_over {
public:
    /// `owner` is the caller's pointer to the operation.
    explicit handing_over(operation*& owner) noexcept
        : owner_(owner), op_(owner), outer_(std::exchange(current_, this)) {}
    handing_over(const handing_over&) = delete;
    handing_over& operator=(const handing_over&) = delete;
    ~handing_over() { current_ = outer_; }

    /// After an exception: whether the operation is the caller's again.
    bool failed() noexcept {
        if (!destroyed_)
            owner_ = nullptr; // its function was called, or is kept somewhere
        return destroyed_;
    }

    /// The executor has taken the function.
    void done() noexcept {
        owner_ = nullptr;
        if (destroyed_)
            op_->discard();
    }

    /// The function of `op` is destroyed without a call; true where a submission on this thread
    /// decides what follows.
    static bool takes_back(const operation& op) noexcept {
        if (!current_ || current_->op_ != &op)
            return false;
        current_->destroyed_ = true;
        return true;
    }

    /// The function of `op` is called, maybe inside its submission. After it `op` may be gone.
    static void called(const operation& op) noexcept {
        if (current_ && current_->op_ == &op)
            current_->op_ = nullptr;
    }

private:
    static inline thread_local handing_over* current_ = nullptr;

    operation*& owner_;
    operation* op_;
    handing_over* outer_;
    bool destroyed_ = false;
};

/// Gives the `delivery_room` of an operation once, and otherwise the handler's memory. Executors
/// free it before they call the function.
template <typename T, typename HandlerAllocator>
class delivery_allocator {
    using upstream = typename std::allocator_traits<HandlerAllocator>::template rebind_alloc<T>;

public:
    using value_type = T;

    delivery_allocator(operation& op, const HandlerAllocator& handlers) noexcept
        : op_(&op), handlers_(handlers) {}

    template <typename U>
    delivery_allocator(const delivery_allocator<U, HandlerAllocator>& other) noexcept
        : op_(other.op_), handlers_(other.handlers_) {}

    T* allocate(std::size_t count) {
        if (alignof(T) <= alignof(delivery_room) && count <= delivery_room::bytes / sizeof(T) &&
            !std::exchange(op_->room_taken, true))
            return static_cast<T*>(static_cast<void*>(op_->room.memory));
        return upstream(handlers_).allocate(count);
    }

    void deallocate(T* memory, std::size_t count) noexcept {
        // Compared by address: if the memory is not the operation's, the operation may be gone.
        if (static_cast<void*>(memory) == static_cast<void*>(op_->room.memory))
            op_->room_taken = false;
        else
            upstream(handlers_).deallocate(memory, count);
    }

    template <typename U>
    friend bool operator==(
        const delivery_allocator& a, const delivery_allocator<U, HandlerAllocator>& b) noexcept {
        return a.op_ == b.op_;
    }
    template <typename U>
    friend bool operator!=(
        const delivery_allocator& a, const delivery_allocator<U, HandlerAllocator>& b) noexcept {
        return !(a == b);
    }

private:
    template <typename, typename>
    friend class delivery_allocator;

    operation* op_;
    HandlerAllocator handlers_;
};

/// The function that an executor is given: it owns the operation until it is called.
template <typename Op, typename HandlerAllocator, bool UsesRoom>
class delivery {
public:
    using allocator_type =
        std::conditional_t<UsesRoom, delivery_allocator<void, HandlerAllocator>, HandlerAllocator>;

    explicit delivery(Op& op) noexcept : op_(&op) {}
    delivery(delivery&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
    delivery& operator=(delivery&&) = delete;
    ~delivery() {
        if (op_ && !handing_over::takes_back(*op_))
            op_->discard();
    }

    allocator_type get_allocator() const noexcept {
        if constexpr (UsesRoom)
            return allocator_type(*op_, op_->allocator());
        else
            return op_->allocator();
    }

    void operator()() {
        Op* op = std::exchange(op_, nullptr);
        handing_over::called(*op);
        op->call_handler();
    }

private:
    Op* op_;
};

} // namespace asio_aio::detail
