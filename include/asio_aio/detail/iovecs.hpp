// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/buffer.hpp>

#include <sys/uio.h>
#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

namespace asio_aio::detail {

/// Bytes that one system call moves at most (read(2), NOTES): INT_MAX rounded down to a page.
inline constexpr std::size_t max_transfer_bytes = 0x7ffff000;

// UIO_FASTIOV is 8: up to eight buffers the kernel copies without allocating.
inline constexpr std::size_t usual_buffers = 8;

/// How many iovecs to have room for without allocating: one where the sequence is a single buffer by its type.
template <typename BufferSequence>
inline constexpr std::size_t iovecs_in_place =
    std::is_convertible_v<const BufferSequence&, boost::asio::const_buffer> ? 1 : usual_buffers;

/// What one system call can move of a buffer sequence: at most IOV_MAX buffers that are not empty, and at most
/// `max_transfer_bytes`.
struct transfer_extent {
    std::size_t buffers = 0;
    std::size_t bytes = 0;
    std::uintptr_t addresses = 0; ///< All addresses or-ed together: their low bits tell the alignment.
    std::size_t lengths = 0;      ///< All lengths or-ed together.
};

/// Calls `visit(iovec)` for each buffer of that part.
template <typename BufferSequence, typename Visit>
transfer_extent for_each_iovec(const BufferSequence& sequence, Visit visit) {
    transfer_extent extent;
    const auto end = boost::asio::buffer_sequence_end(sequence);
    for (auto it = boost::asio::buffer_sequence_begin(sequence); it != end; ++it) {
        const boost::asio::const_buffer buffer(*it);
        const std::size_t bytes = std::min(buffer.size(), max_transfer_bytes - extent.bytes);
        if (bytes == 0)
            continue;
        visit(iovec{const_cast<void*>(buffer.data()), bytes});
        extent.bytes += bytes;
        extent.addresses |= reinterpret_cast<std::uintptr_t>(buffer.data());
        extent.lengths |= bytes;
        if (++extent.buffers == IOV_MAX)
            break;
    }
    return extent;
}

/// The iovecs of a sequence, as many as have room in place.
template <std::size_t Capacity>
class small_iovecs {
public:
    template <typename BufferSequence>
    explicit small_iovecs(const BufferSequence& sequence)
        : extent_(for_each_iovec(sequence, [this, n = std::size_t(0)](const iovec& one) mutable {
              if (n != Capacity)
                  iovecs_[n++] = one;
          })) {}

    /// Of the whole sequence, whether it has room here or not.
    const transfer_extent& extent() const noexcept { return extent_; }
    std::size_t buffers() const noexcept { return extent_.buffers; }
    std::size_t bytes() const noexcept { return extent_.bytes; }

    bool fits() const noexcept { return extent_.buffers <= Capacity; }
    const iovec* data() const noexcept { return iovecs_; }

private:
    iovec iovecs_[Capacity];
    transfer_extent extent_;
};

} // namespace asio_aio::detail
