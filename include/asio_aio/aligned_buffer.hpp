// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/direct_alignment.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Memory for direct I/O: owned by this object, and aligned as a file requires.
/**
 * `asio::buffer(object)` is the whole memory as a mutable buffer, and `asio::buffer(object, n)` its
 * first `n` bytes. The content is not initialised. A moved-from object is empty.
 *
 * @par Thread safety
 * As for a standard container.
 */
class aligned_buffer {
public:
    /// Constructs an empty buffer.
    aligned_buffer() noexcept = default;

    /// Allocates at least `bytes` bytes.
    /**
     * @param bytes     Size, which is rounded up to a multiple of `alignment.offset`, because
     *                  direct I/O moves whole blocks.
     * @param alignment Alignment that a file needs, in bytes (`direct_io_alignment()`). Zeros mean
     *                  no requirement.
     *
     * @throws std::invalid_argument if a member of `alignment` is neither 0 nor a power of two.
     * @throws std::bad_alloc        if there is not enough memory.
     */
    aligned_buffer(std::size_t bytes, const direct_alignment& alignment)
        : size_(whole_blocks(bytes, alignment.offset)) {
        const auto at = std::align_val_t(std::max(check(alignment.memory), sizeof(void*)));
        memory_ = std::unique_ptr<void, deleter>(::operator new(size_, at), deleter(at));
    }

    aligned_buffer(aligned_buffer&& other) noexcept
        : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}

    aligned_buffer& operator=(aligned_buffer&& other) noexcept {
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    void* data() noexcept { return memory_.get(); }
    const void* data() const noexcept { return memory_.get(); }

    /// Returns the size in bytes, a multiple of `alignment.offset`.
    std::size_t size() const noexcept { return size_; }

    operator net::mutable_buffer() noexcept { return {data(), size_}; }

private:
    struct deleter {
        deleter() noexcept : alignment() {}
        explicit deleter(std::align_val_t at) noexcept : alignment(at) {}
        void operator()(void* memory) const noexcept { ::operator delete(memory, alignment); }

        std::align_val_t alignment;
    };

    /// Returns the alignment, at least 1.
    static std::size_t check(std::size_t alignment) {
        if ((alignment & (alignment - 1)) != 0)
            detail::throw_exception(std::invalid_argument(
                "asio_aio::aligned_buffer: the alignment must be 0 or a power of two"));
        return std::max(alignment, std::size_t(1));
    }

    static std::size_t whole_blocks(std::size_t bytes, std::size_t block) {
        const std::size_t last = check(block) - 1;
        if (bytes > std::numeric_limits<std::size_t>::max() - last)
            detail::throw_exception(std::bad_alloc());
        return (bytes + last) & ~last;
    }

    std::unique_ptr<void, deleter> memory_;
    std::size_t size_ = 0;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
