// SPDX-License-Identifier: BSL-1.0
#include "core/replace_file/target_file.hpp"

#include "core/replace_file/failure.hpp"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

namespace asio_aio::detail::path_calls {
namespace {

struct location {
    std::string directory; ///< "." or ends with a slash.
    std::string name;
};

location locate(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == path.npos)
        return {"./", path};
    return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

/// Returns what the symbolic link in the directory refers to; empty if `name` is no link.
std::string link_target(int directory, const std::string& name) {
    std::string target(PATH_MAX, '\0');
    const ssize_t bytes = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (bytes == -1 && errno != EINVAL && errno != ENOENT)
        fail();
    target.resize(std::size_t(std::max(bytes, ssize_t(0))));
    return target;
}

/// The file that the kernel finds behind a link; zeros if it does not exist yet. Fails if the kernel
/// does not let this process follow the link (fs.protected_symlinks).
file_identity follow_link(int directory, const std::string& name) {
    const descriptor found(::openat(directory, name.c_str(), O_PATH | O_CLOEXEC));
    struct stat status;
    if (found && ::fstat(found.get(), &status) == 0)
        return {status.st_dev, status.st_ino};
    return errno == ENOENT ? file_identity() : (fail(), file_identity());
}

/// True for a folder of procfs. Its links to open files need not contain a path (proc(5)).
bool is_in_procfs(int directory) noexcept {
    struct statfs where;
    return ::fstatfs(directory, &where) == 0 && where.f_type == PROC_SUPER_MAGIC;
}

} // namespace

ssize_t old_file::attribute(const char* name, void* value, std::size_t size) const {
    return is_open ? ::fgetxattr(file.get(), name, value, size)
                   : ::getxattr(path().c_str(), name, value, size);
}

ssize_t old_file::attribute_names(char* names, std::size_t size) const {
    return is_open ? ::flistxattr(file.get(), names, size)
                   : ::listxattr(path().c_str(), names, size);
}

std::string old_file::path() const {
    return "/proc/self/fd/" + std::to_string(file.get());
}

target_file::target_file(const std::string& path, bool follow_links) {
    std::string rest = path;
    file_identity wanted{};        // behind a link of procfs, or zeros
    constexpr int most_links = 40; // as in the kernel
    for (int links = 0; links != most_links; ++links) {
        const location where = locate(rest);
        if (where.name.empty())
            fail(path.empty() ? ENOENT : EISDIR);
        // An absolute path ignores the directory that is open.
        directory_ = descriptor(check(::openat(
            directory_ ? directory_.get() : AT_FDCWD, where.directory.c_str(),
            O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
        name_ = where.name;
        rest = link_target(directory_.get(), name_);
        if (rest.empty()) {
            if (wanted != file_identity())
                check_is(wanted);
            return;
        }
        if (!follow_links)
            break;
        const auto found = follow_link(directory_.get(), name_);
        if (is_in_procfs(directory_.get()))
            wanted = found;
    }
    fail(ELOOP);
}

old_file target_file::open_old() const {
    struct stat found;
    if (::fstatat(directory(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? old_file() : (fail(), old_file());
    if (!S_ISREG(found.st_mode)) // a device or FIFO would become a regular file
        fail(S_ISDIR(found.st_mode) ? EISDIR : EINVAL);
    constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    descriptor old(::openat(directory(), name_.c_str(), O_RDONLY | flags));
    const bool is_open(old);
    if (!old && (errno == EACCES || errno == EWOULDBLOCK)) // EWOULDBLOCK: a lease (fcntl(2))
        old = descriptor(::openat(directory(), name_.c_str(), O_PATH | flags));
    if (!old && errno != ENOENT)
        fail();
    return {std::move(old), is_open};
}

/// A link of procfs to a file without a name has a text that is no path.
void target_file::check_is(const file_identity& wanted) const {
    struct stat found;
    check(::fstatat(directory(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW));
    if (file_identity{found.st_dev, found.st_ino} != wanted)
        fail(ENOENT);
}

} // namespace asio_aio::detail::path_calls
