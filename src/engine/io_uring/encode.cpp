// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/encode.hpp"

#include <fcntl.h>
#include <cstdint>

namespace asio_aio::detail {
namespace {

// Linux 6.9. The headers of Debian 12 do not declare it; the number is part of the kernel's ABI.
constexpr unsigned op_ftruncate = 55;

void encode_place(io_uring_sqe* entry, const operation& op, int buffer) noexcept {
    const bool reads = op.kind == op_kind::read;
    const int fd = op.descriptor();
    if (op.iovec_count != 1) {
        (reads ? io_uring_prep_readv
               : io_uring_prep_writev)(entry, fd, op.iovecs, op.iovec_count, op.offset);
        return;
    }
    const iovec& one = *op.iovecs;
    const auto length = unsigned(one.iov_len); // at most 0x7ffff000
    if (buffer < 0) {
        if (reads)
            io_uring_prep_read(entry, fd, one.iov_base, length, op.offset);
        else
            io_uring_prep_write(entry, fd, one.iov_base, length, op.offset);
    } else if (reads) {
        io_uring_prep_read_fixed(entry, fd, one.iov_base, length, op.offset, buffer);
    } else {
        io_uring_prep_write_fixed(entry, fd, one.iov_base, length, op.offset, buffer);
    }
}

void encode_transfer(io_uring_sqe* entry, const operation& op, int buffer) noexcept {
    encode_place(entry, op, buffer);
    entry->rw_flags = op.flags;
    entry->ioprio = op.priority;
}

} // namespace

unsigned opcode_of(op_kind kind) noexcept {
    switch (kind) {
    case op_kind::read: return IORING_OP_READV;
    case op_kind::write: return IORING_OP_WRITEV;
    case op_kind::sync_all:
    case op_kind::sync_data: return IORING_OP_FSYNC;
    case op_kind::sync_range: return IORING_OP_SYNC_FILE_RANGE;
    case op_kind::size: return IORING_OP_STATX;
    case op_kind::resize: return op_ftruncate;
    case op_kind::allocate: return IORING_OP_FALLOCATE;
    default: break;
    }
    return IORING_OP_LAST;
}

bool is_expressible(const operation& op) noexcept {
    if (op.kind == op_kind::sync_range && op.length > UINT32_MAX)
        return false; // a submission has 32 bits for the length
    // preadv(2) knows what a position means on a pipe or a device; a submission does not.
    return !op.file || op.file->is_storage();
}

void encode(io_uring_sqe* entry, const operation& op, struct statx* status, int buffer) noexcept {
    const int fd = op.descriptor();
    switch (op.kind) {
    case op_kind::read:
    case op_kind::write: encode_transfer(entry, op, buffer); break;
    case op_kind::sync_all:
    case op_kind::sync_data:
        io_uring_prep_fsync(
            entry, fd, op.flush_kind() == op_kind::sync_all ? 0 : IORING_FSYNC_DATASYNC);
        break;
    case op_kind::sync_range:
        io_uring_prep_sync_file_range(entry, fd, unsigned(op.length), op.offset, op.flags);
        break;
    case op_kind::size:
        io_uring_prep_statx(entry, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, status);
        break;
    case op_kind::resize:
        io_uring_prep_rw(int(op_ftruncate), entry, fd, nullptr, 0, op.length);
        break;
    case op_kind::allocate:
        io_uring_prep_fallocate(entry, fd, op.flags, off_t(op.offset), off_t(op.length));
        break;
    default: break; // needs a thread
    }
}

} // namespace asio_aio::detail
