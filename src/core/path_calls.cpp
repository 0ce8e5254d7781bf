// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/path_calls.hpp>

#include "core/descriptor.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cerrno>
#include <chrono>

namespace asio_aio::detail::path_calls {
namespace {

int result_of(long answer) noexcept {
    return answer == -1 ? -errno : 0;
}

std::filesystem::file_type type_of(mode_t mode) noexcept {
    using std::filesystem::file_type;
    switch (mode & S_IFMT) {
    case S_IFREG: return file_type::regular;
    case S_IFDIR: return file_type::directory;
    case S_IFLNK: return file_type::symlink;
    case S_IFBLK: return file_type::block;
    case S_IFCHR: return file_type::character;
    case S_IFIFO: return file_type::fifo;
    case S_IFSOCK: return file_type::socket;
    default: return file_type::unknown;
    }
}

file_status::time_point time_of(const struct statx_timestamp& when) noexcept {
    return file_status::time_point(
        std::chrono::seconds(when.tv_sec) + std::chrono::nanoseconds(when.tv_nsec));
}

} // namespace

int rename(const char* from, const char* to, unsigned flags) noexcept {
    // The system call, because older C libraries lack the function.
    return result_of(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags));
}

int remove(const char* path) noexcept {
    if (::unlink(path) == 0)
        return 0;
    const int error = errno;
    // EISDIR is Linux's answer for a directory, EPERM that of POSIX.
    if (error != EISDIR && error != EPERM)
        return -error;
    return ::rmdir(path) == 0 ? 0 : errno == ENOTDIR ? -error : -errno;
}

int status(const char* path, bool follows_links, file_status& found) noexcept {
    struct statx answer;
    const int flags = follows_links ? 0 : AT_SYMLINK_NOFOLLOW;
    if (::statx(AT_FDCWD, path, flags, STATX_BASIC_STATS | STATX_BTIME, &answer) != 0)
        return -errno;
    found.type = type_of(answer.stx_mode);
    found.permissions = answer.stx_mode & 07777;
    found.size = answer.stx_size;
    found.owner = answer.stx_uid;
    found.group = answer.stx_gid;
    found.links = answer.stx_nlink;
    found.device = makedev(answer.stx_dev_major, answer.stx_dev_minor);
    found.inode = answer.stx_ino;
    found.accessed = time_of(answer.stx_atime);
    found.modified = time_of(answer.stx_mtime);
    found.changed = time_of(answer.stx_ctime);
    if ((answer.stx_mask & STATX_BTIME) != 0)
        found.created = time_of(answer.stx_btime);
    return 0;
}

int create_directory(const char* path, mode_t permissions) noexcept {
    return result_of(::mkdir(path, permissions));
}

int sync_directory(const char* path) noexcept {
    const descriptor directory(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return directory ? result_of(::fsync(directory.get())) : -errno;
}

} // namespace asio_aio::detail::path_calls
