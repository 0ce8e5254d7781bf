// SPDX-License-Identifier: BSL-1.0
#include "engine/libaio/encode.hpp"

#include <sys/uio.h>

namespace asio_aio::detail {
namespace {

constexpr unsigned has_priority = 2; // IOCB_FLAG_IOPRIO of <linux/aio_abi.h>, Linux 4.18

void encode_transfer(iocb& entry, const operation& op) noexcept {
    const bool reads = op.kind == op_kind::read;
    const int fd = op.descriptor();
    const auto offset = static_cast<long long>(op.offset);
    if (op.iovec_count == 1)
        (reads ? io_prep_pread
               : io_prep_pwrite)(&entry, fd, op.iovecs->iov_base, op.iovecs->iov_len, offset);
    else
        (reads ? io_prep_preadv
               : io_prep_pwritev)(&entry, fd, op.iovecs, int(op.iovec_count), offset);
    entry.aio_rw_flags = RWF_NOWAIT | op.flags;
    if (op.priority == 0)
        return;
    entry.aio_reqprio = short(op.priority);
    entry.u.c.flags |= has_priority;
}

} // namespace

void encode(iocb& entry, const operation& op, int event_descriptor) noexcept {
    if (is_transfer(op.kind))
        encode_transfer(entry, op);
    else
        (op.flush_kind() == op_kind::sync_all ? io_prep_fsync
                                              : io_prep_fdsync)(&entry, op.descriptor());
    io_set_eventfd(&entry, event_descriptor);
}

} // namespace asio_aio::detail
