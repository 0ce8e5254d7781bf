// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/core/operation.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

/// How a finished operation gets to its executor without a loss.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// A submission of one operation, in progress on this thread. After an exception it knows what
/// became of the submitted function.
/**
 * An executor that throws has usually destroyed the function: the caller then still owns the
 * operation. If an executor destroys the function without an exception, now or later, the executor
 * is shutting down. The operation is then discarded.
 */
class handing_over {
public:
    /// `owner` is the caller's pointer to the operation.
    explicit handing_over(operation*& owner) noexcept
        : owner_(owner), op_(owner), outer_(std::exchange(current_, this)) {}
    handing_over(const handing_over&) = delete;
    handing_over& operator=(const handing_over&) = delete;
    ~handing_over() { current_ = outer_; }

    /// After an exception: returns true if the caller owns the operation again.
    bool failed() noexcept {
        if (!destroyed_)
            owner_ = nullptr; // the function was called, or the executor still has it
        return destroyed_;
    }

    /// The submission returned without an exception.
    void done() noexcept {
        owner_ = nullptr;
        if (destroyed_)
            op_->discard();
    }

    /// The function of `op` is destroyed without a call. Returns true if a submission on this
    /// thread decides what follows.
    static bool takes_back(const operation& op) noexcept {
        if (!current_ || current_->op_ != &op)
            return false;
        current_->destroyed_ = true;
        return true;
    }

    /// The function of `op` is called, maybe inside its submission. The call may free `op`.
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

/// An operation whose handler is called by the executor that it is submitted to.
/**
 * The submitted function does not depend on the handler's type. The compiler therefore makes one
 * copy of each executor's code for all handlers.
 */
class delivered_operation : public operation {
public:
    /// Frees the memory of the operation and calls the handler.
    void call_handler() { its_steps().call_handler(*this); }

protected:
    struct steps : fates {
        void (*call_handler)(delivered_operation&);
    };

    delivered_operation(op_kind what, const steps& how) noexcept : operation(what, how) {}
    ~delivered_operation() = default;

private:
    const steps& its_steps() const noexcept { return static_cast<const steps&>(its_fates()); }
};

/// Gives the `delivery_room` of an operation once. Executors free it before they call the function.
/**
 * What an executor allocates beyond that is the executor's own and may outlive the handler: a
 * strand posts itself with this allocator. So it does not come from the handler's allocator, whose
 * memory may belong to the handler.
 */
template <typename T>
class delivery_allocator {
    using upstream = net::recycling_allocator<T>;

public:
    using value_type = T;

    explicit delivery_allocator(operation& op) noexcept : op_(&op) {}

    template <typename U>
    delivery_allocator(const delivery_allocator<U>& other) noexcept : op_(other.op_) {}

    T* allocate(std::size_t count) {
        if (alignof(T) <= alignof(delivery_room) && count <= delivery_room::bytes / sizeof(T) &&
            !std::exchange(op_->room_taken, true))
            return static_cast<T*>(static_cast<void*>(op_->room.memory));
        return upstream().allocate(count);
    }

    void deallocate(T* memory, std::size_t count) noexcept {
        // Compared by address: if the memory is not the operation's, the operation may be gone.
        if (static_cast<void*>(memory) == static_cast<void*>(op_->room.memory))
            op_->room_taken = false;
        else
            upstream().deallocate(memory, count);
    }

    template <typename U>
    friend bool operator==(const delivery_allocator& a, const delivery_allocator<U>& b) noexcept {
        return a.op_ == b.op_;
    }
    template <typename U>
    friend bool operator!=(const delivery_allocator& a, const delivery_allocator<U>& b) noexcept {
        return !(a == b);
    }

private:
    template <typename>
    friend class delivery_allocator;

    operation* op_;
};

/// The function that an executor gets. It owns the operation until the executor calls it.
class delivery {
public:
    using allocator_type = delivery_allocator<void>;

    explicit delivery(delivered_operation& op) noexcept : op_(&op) {}
    delivery(delivery&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
    delivery& operator=(delivery&&) = delete;
    ~delivery() {
        if (op_ && !handing_over::takes_back(*op_))
            op_->discard();
    }

    allocator_type get_allocator() const noexcept { return allocator_type(*op_); }

    void operator()() {
        delivered_operation* op = std::exchange(op_, nullptr);
        handing_over::called(*op);
        op->call_handler();
    }

private:
    delivered_operation* op_;
};

/// As `delivery`, for executors that may call the function before they free its memory. All of that
/// memory comes from the handler's allocator.
template <typename HandlerAllocator>
class delivery_by_allocator : public delivery {
public:
    using allocator_type = HandlerAllocator;

    delivery_by_allocator(delivered_operation& op, const HandlerAllocator& allocator) noexcept
        : delivery(op), allocator_(allocator) {}

    allocator_type get_allocator() const noexcept { return allocator_; }

private:
    HandlerAllocator allocator_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
