// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/core/file_handle.hpp>

#include <sys/uio.h>
#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

// UIO_FASTIOV is 8: up to eight buffers the kernel copies without allocating.
inline constexpr std::size_t usual_buffers = 8;

/// The number of iovecs that need no allocation: one if the type of the sequence is a single
/// buffer.
template <typename BufferSequence>
inline constexpr std::size_t iovecs_in_place =
    std::is_convertible_v<const BufferSequence&, net::const_buffer> ? 1 : usual_buffers;

/// The part of a buffer sequence that one system call can move: at most IOV_MAX non-empty buffers,
/// and no more bytes than the file allows.
struct transfer_extent {
    std::size_t buffers = 0;
    std::size_t bytes = 0;
    /// All addresses or-ed together; the low bits show the alignment.
    std::uintptr_t addresses = 0;
    std::size_t lengths = 0; ///< All lengths or-ed together.
};

/// Calls `visit(iovec)` for each buffer of that part, up to `most_bytes` in total.
template <typename BufferSequence, typename Visit>
transfer_extent for_each_iovec(
    const BufferSequence& sequence, std::size_t most_bytes, Visit visit) {
    transfer_extent extent;
    const auto end = net::buffer_sequence_end(sequence);
    for (auto it = net::buffer_sequence_begin(sequence); it != end; ++it) {
        const net::const_buffer buffer(*it);
        const std::size_t bytes = std::min(buffer.size(), most_bytes - extent.bytes);
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

/// The first iovecs of a sequence, up to `Capacity`, without an allocation.
template <std::size_t Capacity>
class small_iovecs {
public:
    /// `most_bytes` is the limit of one transfer of the file.
    template <typename BufferSequence>
    small_iovecs(const BufferSequence& sequence, std::size_t most_bytes)
        : extent_(for_each_iovec(
              sequence, most_bytes, [this, n = std::size_t(0)](const iovec& one) mutable {
                  if (n != Capacity)
                      iovecs_[n++] = one;
              })) {}

    /// The extent of the whole sequence, even if its iovecs do not fit.
    const transfer_extent& extent() const noexcept { return extent_; }
    std::size_t buffers() const noexcept { return extent_.buffers; }
    std::size_t bytes() const noexcept { return extent_.bytes; }

    bool fits() const noexcept { return extent_.buffers <= Capacity; }
    const iovec* data() const noexcept { return iovecs_; }

private:
    iovec iovecs_[Capacity];
    transfer_extent extent_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
