// SPDX-License-Identifier: BSL-1.0
#include "subject.hpp"

#include "settings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

namespace info {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw usage_error(
        "\"" + path + "\" " + why +
        "; PATH is a file, a folder or a block device that can be read");
}

// Calls stat(2) before any open: opening a FIFO waits, and opening a device may have an effect.
place_kind kind_of(const std::string& path) {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0)
        refuse(path, std::string("cannot be opened: ") + std::strerror(errno));
    if (S_ISREG(status.st_mode))
        return place_kind::file;
    if (S_ISDIR(status.st_mode))
        return place_kind::folder;
    if (S_ISBLK(status.st_mode))
        return place_kind::block_device;
    refuse(path, "is of another kind");
}

/// Blocks all signals during its lifetime.
class signals_held {
public:
    signals_held() {
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_held() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
    signals_held(const signals_held&) = delete;
    signals_held& operator=(const signals_held&) = delete;

private:
    sigset_t before_;
};

descriptor make_nameless(const std::string& folder) {
    constexpr mode_t owner_only = 0600;
    if (descriptor made(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, owner_only)); made)
        return made;
    // Some filesystems do not support O_TMPFILE (open(2)): NFS, older overlayfs and FUSE.
    std::string name = folder + "/.asio-aio-info-XXXXXX";
    const signals_held until_unlinked;
    descriptor made(::mkostemp(name.data(), O_CLOEXEC));
    if (!made)
        throw std::system_error(
            errno, std::generic_category(), "a temporary file cannot be created");
    ::unlink(name.c_str());
    return made;
}

void write_all(int file, const char* from, std::size_t bytes) {
    while (bytes != 0) {
        const ssize_t written = ::write(file, from, bytes);
        if (written == -1 && errno == EINTR)
            continue;
        if (written == -1)
            throw std::system_error(
                errno, std::generic_category(), "the temporary file cannot be written");
        from += written;
        bytes -= std::size_t(written);
    }
}

void fill(int file, std::uint64_t bytes) {
    std::vector<std::uint64_t> piece(std::size_t(1024) * 1024 / sizeof(std::uint64_t));
    const std::size_t piece_bytes = piece.size() * sizeof(std::uint64_t);
    // Random data, so that a filesystem can neither make a hole nor compress it.
    std::mt19937_64 random;
    while (bytes != 0) {
        std::generate(piece.begin(), piece.end(), std::ref(random));
        const std::size_t now = std::size_t(std::min<std::uint64_t>(bytes, piece_bytes));
        write_all(file, reinterpret_cast<const char*>(piece.data()), now);
        bytes -= now;
    }
    ::fdatasync(file); // otherwise the first direct reads would wait for write-back
}

} // namespace

subject::subject(const std::string& path) : path_(path), kind_(kind_of(path)) {
    open_ = descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!open_)
        refuse(path, std::string("cannot be opened: ") + std::strerror(errno));
}

void subject::make_file(std::uint64_t bytes) {
    descriptor made = make_nameless(path_);
    fill(made.get(), bytes);
    open_ = std::move(made);
    path_ = "/proc/self/fd/" + std::to_string(open_.get());
}

} // namespace info
