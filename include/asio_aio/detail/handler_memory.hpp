// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace asio_aio::detail {

/// Memory for one pending handler of the service, so that a posted round and an armed wait allocate
/// nothing.
/**
 * Not synchronised. The service has at most one pending handler of each kind, and the scheduler's
 * mutex orders one after the other. Asio may keep that handler until after the service was
 * destroyed. The memory then lives as long as the handler.
 */
class handler_memory {
public:
    handler_memory() = default;
    handler_memory(const handler_memory&) = delete;
    handler_memory& operator=(const handler_memory&) = delete;

    void* allocate(std::size_t bytes) {
        if (bytes > sizeof(block_) || in_use_)
            return ::operator new(bytes);
        in_use_ = true;
        return block_;
    }

    void deallocate(void* memory) noexcept {
        if (memory != block_)
            return ::operator delete(memory);
        in_use_ = false;
        if (orphaned_)
            delete this;
    }

    /// Ends the service's ownership; for `std::unique_ptr`.
    struct deleter {
        void operator()(handler_memory* memory) const noexcept {
            if (memory->in_use_)
                memory->orphaned_ = true;
            else
                delete memory;
        }
    };

private:
    // Asio's operation for a handler of two pointers takes about 100 bytes.
    alignas(std::max_align_t) std::byte block_[256];
    bool in_use_ = false;
    bool orphaned_ = false;
};

using handler_memory_ptr = std::unique_ptr<handler_memory, handler_memory::deleter>;

template <typename T>
class handler_memory_allocator {
public:
    using value_type = T;

    explicit handler_memory_allocator(handler_memory& memory) noexcept : memory_(&memory) {}

    template <typename U>
    handler_memory_allocator(const handler_memory_allocator<U>& other) noexcept
        : memory_(other.memory_) {}

    T* allocate(std::size_t n) { return static_cast<T*>(memory_->allocate(n * sizeof(T))); }
    void deallocate(T* p, std::size_t) noexcept { memory_->deallocate(p); }

    template <typename U>
    friend bool operator==(
        const handler_memory_allocator& a, const handler_memory_allocator<U>& b) noexcept {
        return a.memory_ == b.memory_;
    }
    template <typename U>
    friend bool operator!=(
        const handler_memory_allocator& a, const handler_memory_allocator<U>& b) noexcept {
        return !(a == b);
    }

private:
    template <typename>
    friend class handler_memory_allocator;

    handler_memory* memory_;
};

} // namespace asio_aio::detail
