// SPDX-License-Identifier: BSL-1.0
#include "beneath.hpp"

#include "descriptor.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(SYS_openat2) && __has_include(<linux/openat2.h>)
# include <linux/openat2.h>
# define FILE_SERVER_HAS_OPENAT2 1
#endif

namespace file_server {
namespace {

// Without O_NONBLOCK, opening a FIFO waits for a writer, and opening a serial line for its carrier.
constexpr int open_flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

/// Opens with openat2(2), which Linux has since 5.6.
int open_by_kernel([[maybe_unused]] int root, [[maybe_unused]] const char* relative) {
#ifdef FILE_SERVER_HAS_OPENAT2
    open_how how{};
    how.flags = open_flags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: during a rename elsewhere the kernel cannot verify that ".." stays beneath the root.
    // openat2(2) recommends to retry.
    constexpr int attempts = 16;
    int result = -EAGAIN;
    for (int attempt = 0; attempt < attempts && result == -EAGAIN; ++attempt) {
        const long fd = ::syscall(SYS_openat2, root, relative, &how, sizeof how);
        result = fd < 0 ? -errno : static_cast<int>(fd);
    }
    return result;
#else
    return -ENOSYS;
#endif
}

int open_at(int directory, const char* name, int flags) {
    const int fd = ::openat(directory, name, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/// Resolves a path one component at a time. The kernel follows no symbolic link on the way, so no
/// race can lead outside of the root.
class path_walker {
public:
    explicit path_walker(const folder& root) : root_(root) {}

    int open(std::string_view relative) {
        add_components(relative);
        while (!names_.empty()) {
            const std::string name = std::move(names_.back());
            names_.pop_back();
            if (const auto result = step(name))
                return *result;
        }
        return open_at(here(), ".", open_flags);
    }

private:
    int here() const { return directories_.empty() ? root_.descriptor : directories_.back().get(); }

    /// Pushes the components in reverse: `names_` is a stack whose top is the next component.
    void add_components(std::string_view path) {
        while (!path.empty()) {
            const auto slash = path.rfind('/');
            const auto name = path.substr(slash + 1);
            if (!name.empty() && name != ".")
                names_.emplace_back(name);
            path = path.substr(0, slash == path.npos ? 0 : slash);
        }
    }

    /// Resolves one component. Returns the result of the walk if the walk ends here.
    std::optional<int> step(const std::string& name) {
        if (name == "..")
            return leave_directory();
        const int fd = open_at(here(), name.c_str(), O_PATH | O_NOFOLLOW);
        if (fd < 0)
            return fd;
        descriptor entry{fd};
        struct stat status {};
        if (::fstat(entry.get(), &status) != 0)
            return -errno;
        if (S_ISLNK(status.st_mode))
            return follow(entry.get());
        if (names_.empty())
            return open_at(here(), name.c_str(), open_flags | O_NOFOLLOW);
        if (!S_ISDIR(status.st_mode))
            return -ENOTDIR;
        directories_.push_back(std::move(entry));
        return std::nullopt;
    }

    std::optional<int> leave_directory() {
        if (directories_.empty())
            return -EXDEV;
        directories_.pop_back();
        return std::nullopt;
    }

    std::optional<int> follow(int link) {
        if (--links_left_ < 0)
            return -ELOOP;
        std::array<char, PATH_MAX> text{};
        const auto size = ::readlinkat(link, "", text.data(), text.size());
        if (size < 0)
            return -errno;
        std::string_view target{text.data(), static_cast<std::size_t>(size)};
        if (target.starts_with('/')) {
            const auto inside = within_root(target);
            if (!inside)
                return -EXDEV;
            target = *inside;
            directories_.clear();
        }
        add_components(target);
        return std::nullopt;
    }

    std::optional<std::string_view> within_root(std::string_view target) const {
        const std::string_view root =
            root_.canonical_path == "/" ? "" : std::string_view{root_.canonical_path};
        if (!target.starts_with(root) ||
            (target.size() > root.size() && target[root.size()] != '/'))
            return std::nullopt;
        return target.substr(root.size());
    }

    const folder& root_;
    std::vector<std::string> names_;      // still to resolve
    std::vector<descriptor> directories_; // from below the root to here
    int links_left_ = 40;                 // the limit of the kernel: path_resolution(7)
};

} // namespace

int open_beneath(const folder& root, const std::string& relative) {
    const int fd = open_by_kernel(root.descriptor, relative.empty() ? "." : relative.c_str());
    // ENOSYS: an old kernel. EPERM: a seccomp profile that does not know the call. EXDEV: a link
    // leaves the folder, or an absolute link points back into it, which the kernel refuses as well.
    if (fd == -ENOSYS || fd == -EPERM || fd == -EXDEV)
        return path_walker{root}.open(relative);
    return fd;
}

} // namespace file_server
