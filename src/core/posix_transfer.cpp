// SPDX-License-Identifier: BSL-1.0
// Reads and writes by system calls that block.
#include <asio_aio/detail/core/posix_file.hpp>

#include "core/priority_guard.hpp"
#include "core/uninterrupted.hpp"

#include <sys/uio.h>
#include <cerrno>

namespace asio_aio::detail::posix_file {
namespace {

// preadv(2) and pwritev(2) know no "current position".
ssize_t read_vector(int fd, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept {
    return offset == current_position ? ::readv(fd, iovecs, int(count))
                                      : ::preadv(fd, iovecs, int(count), off_t(offset));
}

ssize_t write_vector(int fd, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept {
    return offset == current_position ? ::writev(fd, iovecs, int(count))
                                      : ::pwritev(fd, iovecs, int(count), off_t(offset));
}

int transfer_plain(const operation& op) noexcept {
    const auto call = op.kind == op_kind::read ? read_vector : write_vector;
    return uninterrupted(
        [&] { return call(op.descriptor(), op.offset, op.iovecs, op.iovec_count); });
}

/// preadv2 and pwritev2 take the current position as the offset -1.
static_assert(off_t(current_position) == -1);

int transfer_with_flags(const operation& op) noexcept {
    const auto call = op.kind == op_kind::read ? ::preadv2 : ::pwritev2;
    const int result = uninterrupted([&] {
        return call(op.descriptor(), op.iovecs, int(op.iovec_count), off_t(op.offset), op.flags);
    });
    return result == -ENOSYS ? -EOPNOTSUPP : result; // seccomp may refuse the call
}

int transfer_with_options(operation& op) noexcept {
    const priority_guard guard(op.priority);
    if (guard.is_refused()) {
        if (op.file && is_real_time(op.priority))
            op.file->refuse(hint::real_time);
        op.drop_priority();
    }
    if (op.flags == 0)
        return transfer_plain(op);
    const int result = transfer_with_flags(op);
    if (result != -EOPNOTSUPP || (op.flags & rwf_uncached) == 0)
        return result;
    op.drop_uncached();
    const int without = op.flags == 0 ? transfer_plain(op) : transfer_with_flags(op);
    if (without != -EOPNOTSUPP && op.file) // otherwise another flag was refused
        op.file->refuse(hint::uncached);
    return without;
}

/// A transfer that its caller waits for.
struct transfer_in_place final : operation {
    transfer_in_place(op_kind what, const file_ref& used) : operation(what, no_fates) {
        file = used;
    }

    static constexpr fates no_fates{
        [](operation&, operation*& owner) { owner = nullptr; }, [](operation&) noexcept {}};
};

} // namespace

int transfer(operation& op) noexcept {
    return op.has_options() ? transfer_with_options(op) : transfer_plain(op);
}

int read(int descriptor, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept {
    return until_ready([&] {
        return uninterrupted([&] { return read_vector(descriptor, offset, iovecs, count); });
    });
}

int write(int descriptor, std::uint64_t offset, const iovec* iovecs, unsigned count) noexcept {
    return until_ready([&] {
        return uninterrupted([&] { return write_vector(descriptor, offset, iovecs, count); });
    });
}

int transfer_now(
    const file_ref& file, op_kind kind, std::uint64_t offset, const iovec* iovecs, unsigned count,
    const transfer_flags& flags, unsigned& hints_dropped) noexcept {
    transfer_in_place op(kind, file);
    op.offset = offset;
    op.iovecs = const_cast<iovec*>(iovecs); // a transfer does not change them
    op.iovec_count = count;
    op.set_options(flags);
    const int result = until_ready([&] { return transfer(op); });
    hints_dropped = op.hints_dropped;
    return result;
}

} // namespace asio_aio::detail::posix_file
