// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/posix_file.hpp>

#include "core/uninterrupted.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>

namespace asio_aio::detail::posix_file {
namespace {

int block_device_size(int descriptor, std::uint64_t& bytes) noexcept {
    return uninterrupted([&] { return ::ioctl(descriptor, BLKGETSIZE64, &bytes); });
}

// The part of statx(2) of Linux 6.1 and 6.11 that the library reads. Older C libraries do not
// declare it.
constexpr unsigned statx_dioalign = 0x2000;
constexpr unsigned statx_write_atomic = 0x10000;
struct statx_answer {
    std::uint32_t mask;
    std::uint8_t between[0x98 - 4];
    std::uint32_t dio_mem_align;
    std::uint32_t dio_offset_align;
    std::uint64_t subvolume;
    std::uint32_t atomic_write_unit_min;
    std::uint32_t atomic_write_unit_max;
    std::uint8_t after[0x100 - 0xb0];
};
static_assert(sizeof(statx_answer) == 0x100, "struct statx is 256 bytes on every architecture");

} // namespace

int perform(operation& op) noexcept {
    const int fd = op.descriptor();
    switch (op.kind) {
    case op_kind::read:
    case op_kind::write: return transfer(op);
    case op_kind::sync_all:
    case op_kind::sync_data:
        return uninterrupted(
            [&] { return op.flush_kind() == op_kind::sync_all ? ::fsync(fd) : ::fdatasync(fd); });
    case op_kind::sync_range:
        return uninterrupted([&] {
            return ::sync_file_range(fd, off_t(op.offset), off_t(op.length), unsigned(op.flags));
        });
    case op_kind::size: return size(fd, op.length);
    case op_kind::resize: return uninterrupted([&] { return ::ftruncate(fd, off_t(op.length)); });
    case op_kind::allocate:
        return uninterrupted(
            [&] { return ::fallocate(fd, op.flags, off_t(op.offset), off_t(op.length)); });
    case op_kind::open: return op.file->perform_open();
    case op_kind::close: return op.file.reset(); // the last use
    case op_kind::call: return op.function->perform(op);
    }
    return -ENOSYS;
}

int open(const char* path, int flags, mode_t permissions) noexcept {
    return uninterrupted([&] { return ::open(path, flags | O_CLOEXEC, permissions); });
}

int close(int descriptor) noexcept {
    // Never repeated: Linux frees the number before anything can fail (close(2), "Dealing with
    // error returns").
    if (::close(descriptor) == 0)
        return 0;
    const int error = errno;
    return error == EINTR ? 0 : -error;
}

bool sizes_are_unlimited() noexcept {
    rlimit limit;
    return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

int sync_all(int descriptor) noexcept {
    return until_ready([&] { return uninterrupted([&] { return ::fsync(descriptor); }); });
}

int sync_data(int descriptor) noexcept {
    return until_ready([&] { return uninterrupted([&] { return ::fdatasync(descriptor); }); });
}

int size(int descriptor, std::uint64_t& bytes) noexcept {
    struct stat status;
    const int result = uninterrupted([&] { return ::fstat(descriptor, &status); });
    if (result != 0)
        return result;
    if (S_ISBLK(status.st_mode))
        return block_device_size(descriptor, bytes);
    bytes = std::uint64_t(status.st_size);
    return 0;
}

bool is_short_of_end(const operation& op, int result) noexcept {
    if (op.kind != op_kind::read || result < 0 || std::size_t(result) >= op.total_bytes() ||
        op.offset == current_position) // a short read, which moved the position
        return false;
    struct statx status;
    return op.file && op.file->regular() &&
        ::statx(op.descriptor(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &status) ==
        0 &&
        status.stx_size > op.offset + std::uint64_t(result);
}

int resize(int descriptor, std::uint64_t bytes) noexcept {
    if (bytes > std::uint64_t(INT64_MAX))
        return -EINVAL;
    return until_ready(
        [&] { return uninterrupted([&] { return ::ftruncate(descriptor, off_t(bytes)); }); });
}

int seek(int descriptor, std::int64_t offset, int whence, std::uint64_t& position) noexcept {
    const off_t found = ::lseek(descriptor, off_t(offset), whence);
    if (found == -1)
        return -errno;
    position = std::uint64_t(found);
    return 0;
}

int advise(int descriptor, std::uint64_t offset, std::uint64_t length, int advice) noexcept {
    constexpr auto max = std::uint64_t(INT64_MAX);
    if (offset > max || length > max - offset)
        return -EINVAL;
    return -::posix_fadvise(descriptor, off_t(offset), off_t(length), advice);
}

namespace {

/// True if a regular file ends at `offset` or before. fstat does not wait on the filesystems for
/// which the library reads inline.
bool ends_at(int descriptor, std::uint64_t offset) noexcept {
    struct stat status;
    return ::fstat(descriptor, &status) == 0 && std::uint64_t(status.st_size) <= offset;
}

/// The offset itself, or where the current position is now.
std::uint64_t position_of(int descriptor, std::uint64_t offset) noexcept {
    return offset == current_position ? std::uint64_t(::lseek(descriptor, 0, SEEK_CUR)) : offset;
}

/// True if these bytes are in memory up to the end of the file, and nothing changes the file through
/// this object.
/** XFS reads under a lock that a write or fallocate(2) holds until its end. */
bool is_ready(file_handle& file, std::uint64_t offset, std::size_t wanted) noexcept {
    if (file.is_written())
        return false;
    const auto found = file.residency().count(file.descriptor(), offset, wanted);
    return found && (*found == wanted || ends_at(file.descriptor(), offset + *found));
}

} // namespace

cached_read read_cached(
    file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count,
    std::size_t wanted) noexcept {
    using outcome = cached_read::outcome;
    const int fd = file.descriptor();
    if (file.in_memory() == memory_test::mincore &&
        !is_ready(file, position_of(fd, offset), wanted))
        return {outcome::part, 0};
    const int flags = file.in_memory() == memory_test::no_wait ? RWF_NOWAIT : 0;
    const ssize_t got = ::preadv2(fd, iovecs, int(count), off_t(offset), flags);
    if (got == ssize_t(wanted))
        return {outcome::whole, int(got)};
    if (got == -1) {
        const int error = errno;
        const bool retry = error == EAGAIN || error == EINTR || error == EBUSY;
        return {retry ? outcome::part : outcome::refused, 0};
    }
    // Fewer bytes: the rest is not in memory, or not in the file. The size decides, because Linux
    // 5.9 and 5.10 may return 0 before the end of the file (preadv2(2), BUGS).
    const std::uint64_t next =
        offset == current_position ? position_of(fd, offset) : offset + std::uint64_t(got);
    if (file.regular() && ends_at(fd, next))
        return {outcome::whole, int(got)};
    return {outcome::part, int(got)};
}

namespace {

/// Returns 0 or -errno. `answer.mask` tells what the kernel knew.
int ask(int descriptor, unsigned what, statx_answer& answer) noexcept {
    return uninterrupted(
        [&] { return ::syscall(SYS_statx, descriptor, "", AT_EMPTY_PATH, what, &answer); });
}

} // namespace

std::optional<direct_alignment> reported_alignment(int descriptor) noexcept {
    statx_answer answer{};
    if (ask(descriptor, statx_dioalign | STATX_TYPE, answer) != 0 ||
        (answer.mask & statx_dioalign) == 0)
        return std::nullopt;
    return direct_alignment{answer.dio_mem_align, answer.dio_offset_align};
}

int find_atomic_write_limits(int descriptor, atomic_write_range& found) noexcept {
    statx_answer answer{};
    const int result = ask(descriptor, statx_write_atomic | STATX_TYPE, answer);
    const bool known = result == 0 && (answer.mask & statx_write_atomic) != 0;
    found = known ? atomic_write_range{answer.atomic_write_unit_min, answer.atomic_write_unit_max}
                  : atomic_write_range{};
    return result;
}

int direct_io_alignment(int descriptor, direct_alignment& found) noexcept {
    if (const auto reported = reported_alignment(descriptor)) {
        found = *reported;
        return 0;
    }
    struct stat status;
    if (const int error = uninterrupted([&] { return ::fstat(descriptor, &status); }))
        return error;
    int sector = 0;
    if (S_ISBLK(status.st_mode) && ::ioctl(descriptor, BLKSSZGET, &sector) == 0) {
        found = {std::size_t(sector), std::size_t(sector)};
        return 0;
    }
    // A page: every disk and filesystem in use accepts it.
    constexpr std::size_t page = 4096;
    found = {page, page};
    return 0;
}

} // namespace asio_aio::detail::posix_file
