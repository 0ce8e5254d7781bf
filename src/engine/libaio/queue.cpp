// SPDX-License-Identifier: BSL-1.0
#include "engine/libaio/queue.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <iterator>

namespace asio_aio::detail {
namespace {

constexpr unsigned least_depth = 16; // in smaller contexts the kernel's batching is lost

} // namespace

refusal libaio_queue::open(unsigned depth) noexcept {
    for (depth_ = depth;; depth_ /= 2) {
        const int error = ::io_setup(int(depth_), &context_);
        if (error == 0)
            break;
        context_ = nullptr;
        if (error != -EAGAIN || depth_ <= least_depth)
            return {-error, "io_setup"};
    }
    process_ = ::getpid();
    reads_ring_ = is_ring_as_expected();
    if (reads_ring_)
        keep_from_children();
    return {};
}

/// Removes the ring's mapping from child processes, as Linux 7.2 does by itself.
/** If madvise(2) is refused, a child process keeps the mapping until it exits. */
void libaio_queue::keep_from_children() noexcept {
    const auto page = std::size_t(::sysconf(_SC_PAGESIZE));
    // The kernel maps whole pages; `size` counts the events that fit into them.
    const std::size_t bytes = offsetof(shared_ring, events) + ring()->size * sizeof(io_event);
    ::madvise(context_, (bytes + page - 1) / page * page, MADV_DONTFORK);
}

bool libaio_queue::is_ring_as_expected() const noexcept {
    constexpr unsigned magic = 0xa10a10a1; // AIO_RING_MAGIC
    return ring()->magic == magic && ring()->incompatible_features == 0 &&
        ring()->header_bytes == offsetof(shared_ring, events) && ring()->size != 0;
}

void libaio_queue::close() noexcept {
    if (context_ && is_of_this_process())
        ::io_destroy(context_);
    context_ = nullptr;
}

void libaio_queue::forget() noexcept {
    context_ = nullptr; // without munmap: the address may hold something else since the fork
}

bool libaio_queue::is_of_this_process() const noexcept {
    return process_ == ::getpid();
}

int libaio_queue::submit(iocb** entries, std::size_t count) noexcept {
    ++calls_;
    return ::io_submit(context_, long(count), entries);
}

std::size_t libaio_queue::take(completion* to, std::size_t room) noexcept {
    return reads_ring_ ? take_from_ring(to, room) : take_from_kernel(to, room, 0);
}

std::size_t libaio_queue::take_after_wait(completion* to, std::size_t room) noexcept {
    std::size_t count = take(to, room);
    if (count == 0)
        count = take_from_kernel(to, room, 1);
    constexpr int pause_ms = 1;
    // io_getevents is refused, because the program restricted itself after the trial
    while (count == 0 && reads_ring_) {
        ::poll(nullptr, 0, pause_ms);
        count = take(to, room);
    }
    return count;
}

int libaio_queue::ask_kernel() noexcept {
    io_event none;
    timespec no_wait{0, 0};
    // A direct system call: the library's function would see an empty ring and return without one.
    const long result = ::syscall(SYS_io_getevents, context_, 0L, 1L, &none, &no_wait);
    return result < 0 ? -errno : 0;
}

std::size_t libaio_queue::take_from_ring(completion* to, std::size_t room) noexcept {
    shared_ring& shared = *ring();
    // acquire: the kernel wrote the events before it moved the tail
    const unsigned tail = __atomic_load_n(&shared.tail, __ATOMIC_ACQUIRE);
    unsigned head = shared.head;
    std::size_t count = 0;
    for (; head != tail && count != room; head = head + 1 == shared.size ? 0 : head + 1) {
        const io_event& event = shared.events[head];
        to[count++] = {
            std::uint64_t(reinterpret_cast<std::uintptr_t>(event.data)),
            int(std::int64_t(event.res))};
    }
    if (count != 0)
        __atomic_store_n(&shared.head, head, __ATOMIC_RELEASE); // the kernel may write there again
    return count;
}

std::size_t libaio_queue::take_from_kernel(completion* to, std::size_t room, long least) noexcept {
    io_event events[64];
    int count = 0;
    do {
        ++calls_;
        count = ::io_getevents(
            context_, least, long(std::min(room, std::size(events))), events, nullptr);
    } while (count == -EINTR);
    for (int i = 0; i < count; ++i)
        to[i] = {
            std::uint64_t(reinterpret_cast<std::uintptr_t>(events[i].data)),
            int(std::int64_t(events[i].res))};
    return std::size_t(std::max(count, 0));
}

} // namespace asio_aio::detail
