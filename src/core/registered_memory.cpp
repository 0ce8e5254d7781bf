// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/registered_memory.hpp>

#include "core/router.hpp"

#include <cerrno>

namespace asio_aio::detail {

std::string find_fault(const iovec* memory, std::size_t count) {
    if (count == 0)
        return "the buffers are empty";
    for (const iovec* one = memory; one != memory + count; ++one) {
        const auto begin = reinterpret_cast<std::uintptr_t>(one->iov_base);
        if (begin == 0 || begin + one->iov_len < begin)
            return "a buffer of " + std::to_string(one->iov_len) +
                (begin == 0 ? " bytes has a null address"
                            : " bytes exceeds the end of the address space");
    }
    return {};
}

std::uint64_t memory_gate::add(const iovec* memory, std::size_t count) {
    const std::lock_guard<std::mutex> held(mutex_);
    return engines_ ? engines_->register_memory(memory, count) : 0;
}

void memory_gate::remove(std::uint64_t name) noexcept {
    const std::lock_guard<std::mutex> held(mutex_);
    if (engines_)
        engines_->unregister_memory(name);
}

int memory_gate::why_plain(std::uint64_t name) const noexcept {
    const std::lock_guard<std::mutex> held(mutex_);
    return engines_ ? engines_->why_plain(name) : -ESHUTDOWN;
}

void memory_gate::close() noexcept {
    const std::lock_guard<std::mutex> held(mutex_);
    engines_ = nullptr;
}

int registered_memory::why_plain() const noexcept {
    return gate_ ? gate_->why_plain(name_) : -EBADF;
}

} // namespace asio_aio::detail
