// SPDX-License-Identifier: BSL-1.0
#include "core/replace_file/temporary_file.hpp"

#include "core/replace_file/failure.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

namespace asio_aio::detail::path_calls {
namespace {

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

constexpr unsigned most_names = 1000; // replacements of one file at the same time

std::string name_of(const std::string& target, unsigned number) {
    const std::string tail = ".~asio_aio" + std::to_string(number);
    return "." + target.substr(0, NAME_MAX - 1 - tail.size()) + tail;
}

} // namespace

temporary_file::temporary_file(const target_file& target, mode_t permissions) : target_(target) {
    remove_all_left_behind();
    for (unsigned n = 0; n != most_names; ++n) {
        const std::string name = name_of(target.name(), n);
        if (create(name, permissions))
            return;
    }
    fail(EBUSY);
}

temporary_file::~temporary_file() {
    if (!name_.empty())
        ::unlinkat(target_.directory(), name_.c_str(), 0); // before the lock ends
    files_in_use::instance().remove(identity_);
}

void temporary_file::rename_to_target() {
    check(::renameat(
        target_.directory(), name_.c_str(), target_.directory(), target_.name().c_str()));
    name_.clear();
}

/// Creates and locks the file. Returns false if the name is taken.
bool temporary_file::create(const std::string& name, mode_t permissions) {
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
void temporary_file::remove_all_left_behind() {
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
void temporary_file::remove_left_behind(const std::string& name) {
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
bool temporary_file::lock(const descriptor& file, const std::string& name) {
    struct stat opened, named;
    check(::fstat(file.get(), &opened));
    const file_identity identity{opened.st_dev, opened.st_ino};
    if (!files_in_use::instance().add(identity))
        return false;
    // Where a filesystem has no locks, only the replacements of this process exclude each
    // other.
    const bool locked = ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (locked && ::fstatat(target_.directory(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        file_identity{named.st_dev, named.st_ino} == identity) {
        identity_ = identity;
        return true;
    }
    files_in_use::instance().remove(identity);
    return false;
}

} // namespace asio_aio::detail::path_calls
