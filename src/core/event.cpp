// SPDX-License-Identifier: BSL-1.0
#include "core/event.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <cerrno>

namespace asio_aio::detail {

int event::open() noexcept {
    if (descriptor_ != -1)
        return 0;
    descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor_ == -1 ? -errno : 0;
}

void event::close() noexcept {
    if (descriptor_ != -1)
        ::close(descriptor_);
    descriptor_ = -1;
}

void event::raise() noexcept {
    if (raised_.exchange(true, std::memory_order_acq_rel))
        return;
    // Fails only with EAGAIN, at 2^64 - 2 unread wake-ups. The descriptor is readable then.
    [[maybe_unused]] const int ignored = ::eventfd_write(descriptor_, 1);
}

void event::clear() noexcept {
    wake_ups_.fetch_add(1, std::memory_order_relaxed);
    eventfd_t count;
    // EAGAIN: the eventfd was not raised
    [[maybe_unused]] const int ignored = ::eventfd_read(descriptor_, &count);
    // After the read. A raise before this line finds `true` and writes nothing, but the caller
    // reaps its completions.
    raised_.exchange(false, std::memory_order_acq_rel);
}

} // namespace asio_aio::detail
