// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>

#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace asio_aio::detail {

class router;

/// Returns what is wrong with memory that is to be registered, in words; empty if nothing is.
ASIO_AIO_API std::string find_fault(const iovec* memory, std::size_t count);

/// Connects registrations of memory to the engines of their context. The gate outlives both: a
/// registration that ends late finds it closed. Thread-safe.
class memory_gate {
public:
    explicit memory_gate(router& engines) noexcept : engines_(&engines) {}
    memory_gate(const memory_gate&) = delete;
    memory_gate& operator=(const memory_gate&) = delete;

    /// Registers memory and returns the name of the registration, or 0 after `close`. Throws
    /// std::bad_alloc.
    std::uint64_t add(const iovec* memory, std::size_t count);
    ASIO_AIO_API void remove(std::uint64_t name) noexcept;

    /// Returns 0 if operations use all memory of the registration as fixed buffers. Otherwise
    /// -errno; -ESHUTDOWN after `close`.
    int why_plain(std::uint64_t name) const noexcept;

    void close() noexcept;

private:
    /// Guards the next member. An engine is called under it, so that the context does not end
    /// meanwhile.
    mutable std::mutex mutex_;
    router* engines_;
};

/// One registration. The destructor ends it.
class registered_memory {
public:
    registered_memory() noexcept = default;
    registered_memory(std::shared_ptr<memory_gate> gate, std::uint64_t name) noexcept
        : gate_(std::move(gate)), name_(name) {}
    registered_memory(registered_memory&& other) noexcept
        : gate_(std::move(other.gate_)), name_(other.name_) {}
    registered_memory& operator=(registered_memory&& other) noexcept {
        registered_memory moved(std::move(other));
        std::swap(gate_, moved.gate_);
        std::swap(name_, moved.name_);
        return *this;
    }
    ~registered_memory() { reset(); }

    void reset() noexcept {
        if (const auto gate = std::exchange(gate_, nullptr))
            gate->remove(name_);
    }

    /// As `memory_gate::why_plain`; -EBADF if there is no registration.
    ASIO_AIO_API int why_plain() const noexcept;

private:
    std::shared_ptr<memory_gate> gate_; ///< Null if there is no registration.
    std::uint64_t name_ = 0;
};

} // namespace asio_aio::detail
