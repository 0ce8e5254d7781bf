// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/async_op.hpp>
#include <asio_aio/detail/file_service.hpp>
#include <asio_aio/detail/initiation.hpp>
#include <asio_aio/detail/inline_turn.hpp>
#include <asio_aio/detail/iovecs.hpp>
#include <asio_aio/detail/core/posix_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

/// Reads and writes, from the user's buffers to the service or the system call.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// True if the range ends at 2^63 - 1 or before. Beyond it, an offset would be negative for the
/// kernel; -1 means "the current position" to preadv2 and io_uring.
inline bool is_valid_range(std::uint64_t offset, std::size_t bytes) noexcept {
    constexpr auto max_offset = std::uint64_t(std::numeric_limits<std::int64_t>::max());
    return offset <= max_offset && bytes <= max_offset - offset;
}

/// Stands for the offset of a transfer at the current position of the file.
struct at_position {};

/// The offset of a transfer as the kernel gets it.
constexpr std::uint64_t to_kernel(std::uint64_t offset) noexcept {
    return offset;
}
constexpr std::uint64_t to_kernel(at_position) noexcept {
    return current_position;
}

/// True if direct I/O allows the alignment of a transfer, and its range is valid. Only the kernel
/// knows the current position.
inline bool is_valid(
    const file_handle& file, std::uint64_t offset, const transfer_extent& extent) noexcept {
    return is_valid_range(offset, extent.bytes) &&
        file.accepts(extent.addresses, offset | extent.lengths);
}
inline bool is_valid(const file_handle& file, at_position, const transfer_extent& extent) noexcept {
    return file.accepts(extent.addresses, extent.lengths);
}

/// The most bytes that one transfer of `file` moves; `file` may be closed.
inline std::size_t max_transfer_of(const file_ref& file) noexcept {
    return file.is_open() ? file->max_transfer() : max_transfer_bytes;
}

/// Returns the result of a transfer that needs no kernel, or nothing if it needs the kernel.
/** @tparam Offset `std::uint64_t`, or `at_position`. */
template <typename Offset>
std::optional<transfer_result> result_without_io(
    const file_ref& file, Offset offset, const transfer_extent& extent,
    const transfer_flags& flags) noexcept {
    if (!file.is_open())
        return transfer_result{net::error::bad_descriptor, 0};
    if (extent.bytes == 0)
        return transfer_result{{}, 0};
    if (flags.priority == invalid_priority ||
        ((flags.rw & rwf_atomic) != 0 && extent.buffers != 1) ||
        !is_valid(*file.operator->(), offset, extent))
        return transfer_result{net::error::invalid_argument, 0};
    return std::nullopt;
}

/// The iovecs of a read or write, up to `Room` of them without an allocation, and the handler's
/// arguments.
template <std::size_t Room>
class transfer_outcome {
public:
    static std::tuple<error_code, std::size_t> arguments(const operation& op) {
        const transfer_result answer = to_transfer(op);
        return {answer.error, answer.bytes};
    }

    /// Stores the iovecs of `buffers`. `in_place` holds those that fit; if there are more,
    /// `allocator` provides memory for all.
    template <typename BufferSequence, typename Allocator>
    void assign_iovecs(
        operation& op, const small_iovecs<Room>& in_place, const BufferSequence& buffers,
        const Allocator& allocator) {
        op.iovecs = in_place_;
        op.iovec_count = unsigned(in_place.buffers());
        if (in_place.fits()) {
            std::copy_n(in_place.data(), in_place.buffers(), in_place_);
            return;
        }
        op.iovecs = rebound<Allocator>(allocator).allocate(in_place.buffers());
        // what `release` frees; this member has no other use now
        in_place_[0] = {op.iovecs, in_place.buffers()};
        allocated_ = true;
        for_each_iovec(buffers, in_place.bytes(), [next = op.iovecs](const iovec& one) mutable {
            *next++ = one;
        });
    }

    template <typename Allocator>
    void release(const Allocator& allocator) noexcept {
        if (allocated_)
            rebound<Allocator>(allocator).deallocate(
                static_cast<iovec*>(in_place_->iov_base), in_place_->iov_len);
    }

private:
    template <typename Allocator>
    using rebound = typename std::allocator_traits<Allocator>::template rebind_alloc<iovec>;

    iovec in_place_[Room];
    bool allocated_ = false;
};

template <typename Offset, typename BufferSequence>
transfer_result transfer_now(
    file_service& service, const file_ref& file, op_kind kind, Offset offset,
    const BufferSequence& buffers, const transfer_flags& flags) {
    small_iovecs<iovecs_in_place<BufferSequence>> in_place(buffers, max_transfer_of(file));
    if (const auto result = result_without_io(file, offset, in_place.extent(), flags))
        return *result;
    const iovec* iovecs = in_place.data();
    std::vector<iovec> all;
    if (!in_place.fits()) {
        all.reserve(in_place.buffers());
        for_each_iovec(buffers, in_place.bytes(), [&](const iovec& one) { all.push_back(one); });
        iovecs = all.data();
    }
    const std::uint64_t position = to_kernel(offset);
    const auto count = unsigned(in_place.buffers());
    if (!flags.any()) {
        const auto call = kind == op_kind::read ? posix_file::read : posix_file::write;
        return to_transfer(kind, call(file->descriptor(), position, iovecs, count));
    }
    unsigned hints_dropped = 0;
    const int result =
        posix_file::transfer_now(file, kind, position, iovecs, count, flags, hints_dropped);
    service.scheduler().count_dropped_hints(hints_dropped);
    return to_transfer(kind, result);
}

/// Ends a transfer inside its initiating function, without calling the handler there.
template <typename Op, typename Executor, typename Handler>
void end_transfer_at_start(
    file_service& service, const Executor& executor, op_kind kind, Handler& handler,
    const transfer_result& found) {
    const bool nothing_to_do = !found.error && found.bytes == 0; // not the end of the file
    const int result = found.error == net::error::eof ? 0
        : found.error                                 ? -found.error.value()
                                                      : int(found.bytes);
    end_at_start<Op>(
        service, executor, nothing_to_do ? op_kind::write : kind, handler, result, found.error,
        found.bytes);
}

/// Reads from memory at the current position. Returns false if an engine has to read.
/** Fewer bytes than were asked for are a short read. */
template <typename Op, typename Executor, std::size_t Room, typename Handler>
bool read_stream_inline(
    file_service& service, file_handle& file, const Executor& executor,
    const small_iovecs<Room>& in_place, Handler& handler) {
    inline_turn turn(service, file);
    std::size_t moved = 0;
    if (!turn ||
        (!service.scheduler().read_inline(
             file, turn.position(), in_place.data(), unsigned(in_place.buffers()), in_place.bytes(),
             moved) &&
         moved == 0))
        return false;
    turn.move_by(moved);
    const transfer_result found = to_transfer(op_kind::read, int(moved));
    turn.keep(true); // a handler that is called here may throw, but it has got the bytes
    if (submit_immediately(handler, executor, found.error, found.bytes))
        return true;
    turn.keep(false);
    end_transfer_at_start<Op>(service, executor, op_kind::read, handler, found);
    turn.keep(true);
    return true;
}

/// @tparam Offset `std::uint64_t`, or `at_position`. Operations of a file at its position run in the
///                order in which they are started.
template <typename Executor, typename Offset, typename BufferSequence, typename Handler>
void start_transfer(
    file_service& service, const file_ref& file, const Executor& executor, op_kind kind,
    Offset offset, const BufferSequence& buffers, const transfer_flags& flags, Handler& handler) {
    constexpr std::size_t room = iovecs_in_place<BufferSequence>;
    constexpr bool is_stream = std::is_same_v<Offset, at_position>;
    using op_type = async_op<Handler, Executor, transfer_outcome<room>>;
    const small_iovecs<room> in_place(buffers, max_transfer_of(file));
    const auto end_without_io = [&](const transfer_result& result) {
        service.scheduler().count_ended_at_start(bool(result.error));
        end_transfer_at_start<op_type>(service, executor, kind, handler, result);
    };
    if (in_place.bytes() == 0) // success even if the file is closed, as in Asio
        return end_without_io({{}, 0});
    if (const auto result = result_without_io(file, offset, in_place.extent(), flags))
        return end_without_io(*result);

    std::size_t moved = 0;
    const bool may_be_inline = kind == op_kind::read && (flags.rw & rwf_uncached) == 0;
    if (may_be_inline && in_place.fits()) {
        file_handle& from = *file.operator->();
        if constexpr (is_stream) {
            if (read_stream_inline<op_type>(service, from, executor, in_place, handler))
                return;
        } else if (service.scheduler().read_inline(
                       from, offset, in_place.data(), unsigned(in_place.buffers()),
                       in_place.bytes(), moved)) {
            return end_transfer_at_start<op_type>(
                service, executor, kind, handler, to_transfer(op_kind::read, int(moved)));
        }
    }
    if constexpr (!is_stream)
        if (kind == op_kind::write && !flags.any() && in_place.fits() &&
            service.scheduler().write_inline(
                *file.operator->(), offset, in_place.data(), unsigned(in_place.buffers()),
                in_place.bytes(), moved))
            return end_transfer_at_start<op_type>(
                service, executor, kind, handler, to_transfer(op_kind::write, int(moved)));

    auto op = op_type::create(kind, handler);
    op->result_part().assign_iovecs(*op, in_place, buffers, op->allocator());
    op->file = file;
    if (kind == op_kind::write && file->in_memory() != memory_test::no_wait)
        op->file.mark_as_writer();
    op->offset = to_kernel(offset);
    op->advance(moved);
    op->set_options(flags);
    if constexpr (is_stream)
        op->turn.hold(*file.operator->());
    launch(service, executor, std::move(op));
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
