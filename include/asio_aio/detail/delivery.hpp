// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

/// How a finished operation gets to its executor without a loss.
namespace asio_aio::detail {

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

/// A header in front of memory that came from a handler's allocator. It knows how to free the
/// memory.
struct alignas(std::max_align_t) handler_block {
    void (*free)(void* start) noexcept;
    void* start;

    void* memory() noexcept { return this + 1; }
    static handler_block& of(void* memory) noexcept {
        return *(static_cast<handler_block*>(memory) - 1);
    }
};

/// Allocates with a copy of `allocator`, because the operation may be gone when the memory is
/// freed.
template <typename Allocator>
void* allocate_block(const Allocator& allocator, std::size_t bytes) {
    using unit = std::max_align_t;
    using unit_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<unit>;
    struct alignas(unit) owner {
        unit_allocator allocator;
        std::size_t units;

        static void free(void* start) noexcept {
            owner moved(std::move(*static_cast<owner*>(start)));
            static_cast<owner*>(start)->~owner();
            moved.allocator.deallocate(static_cast<unit*>(start), moved.units);
        }
    };
    const std::size_t all = sizeof(owner) + sizeof(handler_block) + bytes;
    unit_allocator from(allocator);
    const std::size_t units = (all + sizeof(unit) - 1) / sizeof(unit);
    unit* const start = from.allocate(units);
    new (start) owner{from, units};
    void* const behind = static_cast<char*>(static_cast<void*>(start)) + sizeof(owner);
    return (new (behind) handler_block{&owner::free, start})->memory();
}

/// An operation whose handler is called on an executor.
/**
 * The submitted function does not depend on the handler's type. The compiler therefore makes one
 * copy of each executor's code for all handlers.
 */
class delivered_operation : public operation {
public:
    /// Frees the memory of the operation and calls the handler.
    void call_handler() { its_steps().call_handler(*this); }

    /// Allocates memory behind a `handler_block`, with the handler's allocator.
    void* allocate(std::size_t bytes) { return its_steps().allocate(*this, bytes); }

protected:
    struct steps : fates {
        void (*call_handler)(delivered_operation&);
        void* (*allocate)(delivered_operation&, std::size_t bytes);
    };

    delivered_operation(op_kind what, const steps& how) noexcept : operation(what, how) {}
    ~delivered_operation() = default;

private:
    const steps& its_steps() const noexcept { return static_cast<const steps&>(its_fates()); }
};

/// Provides the `delivery_room` of an operation once, and otherwise the handler's memory. For
/// executors that free the memory before they call the function.
template <typename T>
class delivery_allocator {
public:
    using value_type = T;

    explicit delivery_allocator(delivered_operation& op) noexcept : op_(&op) {}

    template <typename U>
    delivery_allocator(const delivery_allocator<U>& other) noexcept : op_(other.op_) {}

    T* allocate(std::size_t count) {
        static_assert(alignof(T) <= alignof(std::max_align_t));
        if (count <= delivery_room::bytes / sizeof(T) && !std::exchange(op_->room_taken, true))
            return static_cast<T*>(static_cast<void*>(op_->room.memory));
        return static_cast<T*>(op_->allocate(count * sizeof(T)));
    }

    void deallocate(T* memory, std::size_t) noexcept {
        // Compared by address only, because the operation may be gone.
        if (static_cast<void*>(memory) == static_cast<void*>(op_->room.memory)) {
            op_->room_taken = false;
        } else {
            const handler_block& block = handler_block::of(memory);
            block.free(block.start);
        }
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

    delivered_operation* op_;
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

} // namespace asio_aio::detail
