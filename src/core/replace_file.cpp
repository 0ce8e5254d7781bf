// SPDX-License-Identifier: BSL-1.0
// The new content goes to a temporary file beside the target, which is then renamed.
#include <asio_aio/detail/core/path_calls.hpp>

#include "core/descriptor.hpp"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace asio_aio::detail::path_calls {
namespace {

[[noreturn]] void fail(int error = errno) {
    throw std::system_error(error, std::system_category());
}

int check(int answer) {
    if (answer == -1)
        fail();
    return answer;
}

// --- The target ---

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

using file_identity = std::pair<dev_t, ino_t>;

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

/// The old file. Where this process may not read it, or another one has a lease on it, the
/// descriptor gives access to the attributes alone (O_PATH).
struct old_file {
    descriptor file;
    bool is_open = false; ///< Not O_PATH.

    ssize_t attribute(const char* name, void* value, std::size_t size) const {
        return is_open ? ::fgetxattr(file.get(), name, value, size)
                       : ::getxattr(path().c_str(), name, value, size);
    }

    ssize_t attribute_names(char* names, std::size_t size) const {
        return is_open ? ::flistxattr(file.get(), names, size)
                       : ::listxattr(path().c_str(), names, size);
    }

private:
    std::string path() const { return "/proc/self/fd/" + std::to_string(file.get()); }
};

/// A directory and the name of the file in it, after all symbolic links.
class target_file {
public:
    target_file(const std::string& path, bool follow_links) {
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

    int directory() const noexcept { return directory_.get(); }
    const std::string& name() const noexcept { return name_; }

    /// Opens the old file for its attributes; empty if there is none.
    old_file open_old() const {
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

private:
    /// A link of procfs to a file without a name has a text that is no path.
    void check_is(const file_identity& wanted) const {
        struct stat found;
        check(::fstatat(directory(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW));
        if (file_identity{found.st_dev, found.st_ino} != wanted)
            fail(ENOENT);
    }

    descriptor directory_;
    std::string name_;
};

// --- The temporary file ---

/// The temporary files that this process is writing. Locks of one process do not exclude each other
/// on every filesystem (flock(2), NFS).
class files_in_use {
public:
    static files_in_use& instance() {
        // Never destroyed: a static execution context may replace files until the process ends.
        static files_in_use& all = *new files_in_use;
        return all;
    }

    bool add(const file_identity& file) {
        const std::lock_guard<std::mutex> held(mutex_);
        return files_.insert(file).second;
    }
    void remove(const file_identity& file) noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        files_.erase(file);
    }
    bool contains(const file_identity& file) {
        const std::lock_guard<std::mutex> held(mutex_);
        return files_.count(file) != 0;
    }

private:
    std::mutex mutex_;
    std::set<file_identity> files_;
};

/// A locked temporary file beside the target; removed by the destructor unless it was renamed.
/**
 * A process that is killed leaves its file behind, without the lock. The names are the same each
 * time, so a later replacement of the target finds such a file and removes it.
 */
class temporary_file {
public:
    /// `permissions` are those of a new file, before the umask.
    temporary_file(const target_file& target, mode_t permissions) : target_(target) {
        remove_all_left_behind();
        for (unsigned n = 0; n != most_names; ++n) {
            const std::string name = name_of(target.name(), n);
            if (create(name, permissions))
                return;
        }
        fail(EBUSY);
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() {
        if (!name_.empty())
            ::unlinkat(target_.directory(), name_.c_str(), 0); // before the lock ends
        files_in_use::instance().remove(identity_);
    }

    int get() const noexcept { return file_.get(); }

    void rename_to_target() {
        check(::renameat(
            target_.directory(), name_.c_str(), target_.directory(), target_.name().c_str()));
        name_.clear();
    }

private:
    static constexpr unsigned most_names = 1000; // replacements of one file at the same time

    static std::string name_of(const std::string& target, unsigned number) {
        const std::string tail = ".~asio_aio" + std::to_string(number);
        return "." + target.substr(0, NAME_MAX - 1 - tail.size()) + tail;
    }

    /// Creates and locks the file. Returns false if the name is taken.
    bool create(const std::string& name, mode_t permissions) {
        descriptor file(::openat(
            target_.directory(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
            permissions));
        if (!file)
            return errno == EEXIST ? false : (fail(), false);
        // Until the lock, another process may take the file for one that was left behind.
        try {
            if (!lock(file, name))
                return false;
            name_ = name;
        } catch (...) {
            ::unlinkat(target_.directory(), name.c_str(), 0);
            files_in_use::instance().remove(identity_);
            throw;
        }
        file_ = std::move(file);
        return true;
    }

    /// Removes what killed processes have left behind, and leaves what is in use.
    void remove_all_left_behind() {
        constexpr unsigned always_looked_at = 16; // a name may be missing before others
        for (unsigned n = 0; n != most_names; ++n) {
            const std::string name = name_of(target_.name(), n);
            struct stat ignored;
            if (::fstatat(target_.directory(), name.c_str(), &ignored, AT_SYMLINK_NOFOLLOW) == 0)
                remove_left_behind(name);
            else if (n >= always_looked_at)
                return;
        }
    }

    /// Removes the file, unless it is in use or not ours.
    void remove_left_behind(const std::string& name) {
        struct stat found;
        const int directory = target_.directory();
        // Before the open, because a close may end a lock of this process (fcntl(2)).
        if (::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(found.st_mode) || found.st_uid != ::geteuid() || found.st_nlink != 1 ||
            files_in_use::instance().contains({found.st_dev, found.st_ino}))
            return;
        const descriptor file(
            ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file || !lock(file, name))
            return;
        ::unlinkat(directory, name.c_str(), 0);
        files_in_use::instance().remove(std::exchange(identity_, {}));
    }

    /// Locks the file. Returns false if another replacement has it, or has renamed it.
    bool lock(const descriptor& file, const std::string& name) {
        struct stat opened, named;
        check(::fstat(file.get(), &opened));
        const file_identity identity{opened.st_dev, opened.st_ino};
        if (!files_in_use::instance().add(identity))
            return false;
        // Where a filesystem has no locks, only the replacements of this process exclude each
        // other.
        const bool locked = ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        if (locked &&
            ::fstatat(target_.directory(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            file_identity{named.st_dev, named.st_ino} == identity) {
            identity_ = identity;
            return true;
        }
        files_in_use::instance().remove(identity);
        return false;
    }

    const target_file& target_;
    descriptor file_;
    std::string name_; ///< Empty after the rename.
    file_identity identity_{};
};

// --- Content and attributes ---

void stop_if_cancelled(const operation& op) {
    if (op.is_cancelled())
        fail(ECANCELED);
}

void write_all(int file, const replacement& with, const operation& op) {
    std::vector<iovec> rest(with.iovecs, with.iovecs + with.iovec_count);
    for (auto next = rest.begin(); next != rest.end();) {
        stop_if_cancelled(op);
        const auto count = std::min<std::ptrdiff_t>(rest.end() - next, IOV_MAX);
        const ssize_t written = ::writev(file, &*next, int(count));
        if (written == -1 && errno != EINTR && errno != EAGAIN)
            fail();
        auto bytes = std::size_t(std::max(written, ssize_t(0)));
        for (; next != rest.end() && bytes >= next->iov_len; ++next)
            bytes -= next->iov_len;
        if (next != rest.end()) {
            next->iov_base = static_cast<char*>(next->iov_base) + bytes;
            next->iov_len -= bytes;
        }
    }
}

/// Takes the access control list away that the directory gave to a new file (acl(5), default ACL),
/// unless the old file has a list, which replaces it.
void drop_inherited_list(const old_file& from, int to) {
    constexpr const char* list = "system.posix_acl_access";
    const bool has_none = from.attribute(list, nullptr, 0) == -1;
    if (has_none && errno != ENODATA && errno != EOPNOTSUPP)
        fail();
    if (has_none && ::fremovexattr(to, list) == -1 && errno != ENODATA && errno != EOPNOTSUPP)
        fail();
}

/// Copies extended attributes as far as the kernel permits, and the access control list in any
/// case: without it, the bits of the group have another meaning.
void copy_attributes(const old_file& from, int to) {
    const ssize_t bytes = from.attribute_names(nullptr, 0);
    if (bytes <= 0)
        return;
    std::string names(std::size_t(bytes), '\0');
    names.resize(
        std::size_t(std::max(from.attribute_names(names.data(), names.size()), ssize_t(0))));
    for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
        const char* const name = names.data() + at;
        const ssize_t length = from.attribute(name, nullptr, 0);
        std::string value(std::size_t(std::max(length, ssize_t(0))), '\0');
        const ssize_t got = from.attribute(name, value.data(), value.size());
        const bool failed =
            got >= 0 && ::fsetxattr(to, name, value.data(), std::size_t(got), 0) == -1;
        if (failed && std::strcmp(name, "system.posix_acl_access") == 0)
            fail();
    }
}

/// Gives the new file owner, permissions and extended attributes of the old one.
void copy_metadata(const old_file& from, int to) {
    struct stat old, now;
    check(::fstat(from.file.get(), &old));
    check(::fstat(to, &now));
    if (now.st_uid != old.st_uid || now.st_gid != old.st_gid)
        check(::fchown(
            to, now.st_uid == old.st_uid ? uid_t(-1) : old.st_uid,
            now.st_gid == old.st_gid ? gid_t(-1) : old.st_gid));
    drop_inherited_list(from, to);
    check(::fchmod(to, old.st_mode & 07777)); // after fchown, which clears some bits
    copy_attributes(from, to);
}

void replace(const std::string& path, const replacement& with, const operation& op) {
    const target_file target(path, with.follow_links);
    const old_file old = target.open_old();
    constexpr mode_t nobody_else = 0600; // until the permissions of the old file are known
    temporary_file file(target, old.file ? nobody_else : with.permissions);
    write_all(file.get(), with, op);
    if (old.file)
        copy_metadata(old, file.get());
    if (with.durable)
        check(::fsync(file.get()));
    stop_if_cancelled(op);
    file.rename_to_target();
    if (with.durable)
        check(::fsync(target.directory()));
}

} // namespace

int replace_file(const char* path, const replacement& with, const operation& op) noexcept {
    try {
        replace(path, with, op);
        return 0;
    } catch (const std::system_error& error) {
        return -error.code().value();
    } catch (const std::exception&) { // out of memory
        return -ENOMEM;
    }
}

} // namespace asio_aio::detail::path_calls
