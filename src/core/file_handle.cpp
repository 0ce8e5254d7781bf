// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/file_ref.hpp>

#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/detail/core/posix_file.hpp>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>

namespace asio_aio::detail {

namespace {

file_type type_of(int descriptor) noexcept {
    struct stat status;
    if (::fstat(descriptor, &status) != 0)
        return file_type::other;
    if (S_ISREG(status.st_mode))
        return file_type::regular;
    return S_ISBLK(status.st_mode) ? file_type::block_device : file_type::other;
}

/// The magic number of the filesystem (statfs(2)); 0 if it is unknown.
long filesystem_of(int descriptor) noexcept {
    struct statfs where;
    return ::fstatfs(descriptor, &where) == 0 ? long(where.f_type) : 0;
}

/// True for filesystems that treat operations of the kernel's queues differently from system calls.
/**
 * FUSE returns EIO for a write from a queue that moved fewer bytes (fuse_get_res_by_io, Linux
 * 6.18).
 */
bool needs_thread(long filesystem) noexcept {
    return filesystem == FUSE_SUPER_MAGIC;
}

/// True for filesystems that answer fstat(2) from the inode in memory, without a request to a
/// server and without a lock that I/O holds.
bool knows_sizes(long filesystem) noexcept {
    switch (filesystem) {
    case BTRFS_SUPER_MAGIC:
    case EXT4_SUPER_MAGIC: // ext2 and ext3, too
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case XFS_SUPER_MAGIC: return true;
    default: return false;
    }
}

memory_test test_of(long filesystem) noexcept {
    switch (filesystem) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC: return memory_test::not_needed;
    case OVERLAYFS_SUPER_MAGIC: return memory_test::mincore;
    default: return memory_test::no_wait;
    }
}

/// The alignment that reads and writes of a file with O_DIRECT must have.
direct_alignment required_alignment(int descriptor) noexcept {
    const auto reported = posix_file::reported_alignment(descriptor);
    // Zeros: the kernel reports no direct I/O, although the file was opened for it. The kernel
    // decides.
    return reported && reported->memory != 0 && reported->offset != 0 ? *reported
                                                                      : direct_alignment{1, 1};
}

/// Asks the kernel about an open file. Network filesystems may wait for their server.
file_traits traits_of(int descriptor, bool finds_memory) noexcept {
    const int flags = ::fcntl(descriptor, F_GETFL);
    const long filesystem = filesystem_of(descriptor);
    file_traits traits;
    traits.direct = flags != -1 && (flags & O_DIRECT) != 0;
    traits.writable = flags != -1 && (flags & O_ACCMODE) != O_RDONLY;
    traits.appends = flags != -1 && (flags & O_APPEND) != 0;
    traits.syncs_writes = flags != -1 && (flags & O_DSYNC) != 0; // a part of O_SYNC, too
    traits.type = type_of(descriptor);
    traits.needs_thread = needs_thread(filesystem);
    traits.writes_at_once = filesystem == XFS_SUPER_MAGIC;
    traits.knows_size = traits.type == file_type::regular && knows_sizes(filesystem);
    if (finds_memory && traits.type == file_type::regular)
        traits.in_memory = test_of(filesystem);
    if (traits.direct)
        traits.required = required_alignment(descriptor);
    return traits;
}

} // namespace

file_ref file_ref::adopt(int descriptor, bool finds_memory) {
    file_ref made(new file_handle(descriptor, traits_of(descriptor, finds_memory)));
    made->find_inode();
    return made;
}

void file_handle::find_inode() noexcept {
    struct stat status;
    if (!regular() || !traits_.writable || direct() || ::fstat(descriptor_, &status) != 0)
        return;
    write_state_.reset(new (std::nothrow) write_state);
    if (write_state_)
        write_state_->inode = {status.st_dev, status.st_ino};
    takes_turns_ = write_state_ != nullptr;
}

int file_handle::perform_open() noexcept {
    const open_request& wanted = *request_;
    const int result = posix_file::open(wanted.path.c_str(), wanted.flags, wanted.permissions);
    if (result < 0)
        return result;
    traits_ = traits_of(result, wanted.finds_memory);
    refused_.store(traits_.needs_thread, std::memory_order_relaxed);
    descriptor_ = result;
    find_inode();
    request_.reset();
    return 0;
}

void file_handle::close_unused() noexcept {
    if (descriptor_ != -1)
        posix_file::close(std::exchange(descriptor_, -1));
}

int file_handle::direct_io_alignment(direct_alignment& found) noexcept {
    // The last bit distinguishes "no direct I/O" from "not asked yet"; alignments are below 2^31.
    const std::uint64_t known = alignment_.load(std::memory_order_relaxed);
    if (known != 0) {
        found = {std::size_t(known >> 32), std::size_t(known & 0xffffffff) >> 1};
        return 0;
    }
    const int error = posix_file::direct_io_alignment(descriptor_, found);
    if (error == 0)
        alignment_.store(
            std::uint64_t(found.memory) << 32 | std::uint64_t(found.offset) << 1 | 1,
            std::memory_order_relaxed);
    return error;
}

flush_state* file_handle::make_flush() noexcept {
    if (!write_state_)
        write_state_.reset(new (std::nothrow) write_state);
    return flush();
}

int file_ref::reset() noexcept {
    if (!handle_)
        return 0;
    operation* closer = nullptr;
    const int result = drop(closer);
    if (closer)
        closer->discard();
    return result;
}

int file_ref::drop(operation*& closer) noexcept {
    end_writing();
    file_handle* handle = std::exchange(handle_, nullptr);
    // acq_rel: what other users did with the descriptor happens before its close.
    if (handle->users_.fetch_sub(1, std::memory_order_acq_rel) != 1)
        return 0;
    const int result = handle->descriptor_ == -1 ? 0 : posix_file::close(handle->descriptor_);
    closer = handle->closer_;
    file_pin::release(handle);
    return result;
}

void file_pin::release(file_handle* handle) noexcept {
    if (handle->pins_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete handle;
}

bool file_ref::reset_with_closer(operation& closer) noexcept {
    handle_->closer_ = &closer; // before this use ends, because the last user may be quick
    if (reset_if_shared())
        return true;
    handle_->closer_ = nullptr;
    return false;
}

bool file_ref::reset_if_shared() noexcept {
    end_writing();
    unsigned users = handle_->users_.load(std::memory_order_relaxed);
    while (users != 1)
        if (handle_->users_.compare_exchange_weak(users, users - 1, std::memory_order_acq_rel)) {
            handle_ = nullptr;
            return true;
        }
    return false;
}

int file_ref::release() noexcept {
    if (!is_shared()) {
        const int descriptor = std::exchange(handle_->descriptor_, -1);
        reset();
        return descriptor;
    }
    const int duplicate = ::fcntl(handle_->descriptor_, F_DUPFD_CLOEXEC, 0);
    if (duplicate == -1)
        return -errno;
    reset();
    return duplicate;
}

} // namespace asio_aio::detail
