// SPDX-License-Identifier: BSL-1.0
#include "selection/system_facts.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace asio_aio::detail {

namespace {

/// Returns what one read gives of a small file; empty if the file does not exist.
std::string read_file(const char* path) {
    std::array<char, 4096> text;
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return {};
    const ssize_t n = ::read(fd, text.data(), text.size());
    ::close(fd);
    return {text.data(), std::size_t(std::max<ssize_t>(n, 0))};
}

} // namespace

std::string read_line(const char* path) {
    const std::string text = read_file(path);
    return text.substr(0, text.find('\n'));
}

bool has_seccomp_filter() {
    // proc(5): "Seccomp: 2" means that this thread has a filter (Linux 3.17)
    const std::string status = read_file("/proc/thread-self/status");
    return status.find("\nSeccomp:\t2") != status.npos;
}

std::string who_refuses(int error) {
    const bool filtered = has_seccomp_filter();
    if (error == ENOSYS)
        return filtered ? "a seccomp profile returns this error, or the kernel was built without it"
                        : "the kernel was built without it";
    const std::string module = "a security module (SELinux, AppArmor) refuses it";
    if (error == EPERM)
        return filtered ? "a seccomp profile refuses it" : module;
    if (error == EACCES)
        return filtered ? module + ", or a seccomp profile returns this error" : module;
    return {};
}

std::string why_memory_is_refused(int error) {
    std::string text = std::string("io_uring_register: ") + std::strerror(error);
    rlimit limit{};
    if (error == ENOMEM && ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        text += "; RLIMIT_MEMLOCK (ulimit -l) allows this user to lock " +
            std::to_string(limit.rlim_cur) + " bytes in all processes together";
    else if (error == EFAULT)
        text += "; the memory is not mapped, not writable, or a shared mapping of a file";
    else if (error == EOPNOTSUPP)
        text += "; the memory maps a file, or the kernel has no registered buffers";
    else if (error == ENOBUFS)
        text += "; the kernel's table of registered buffers is full";
    return text;
}

int open_trial_file() noexcept {
    // The file stays empty, because a write would count against RLIMIT_FSIZE.
    const int in_memory = ::memfd_create("asio_aio-trial", MFD_CLOEXEC);
    if (in_memory != -1)
        return in_memory;
    const int program = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return program != -1 ? program : -errno;
}

bool wait_for_event(int event_descriptor) noexcept {
    using std::chrono::milliseconds, std::chrono::steady_clock;
    // A trial that timed out is repeated for each context. If all trials time out, a context waits
    // only for the short time.
    constexpr milliseconds at_first(2000), after_timeout(200);
    static std::atomic<bool> last_timed_out{false};
    const auto end = steady_clock::now() +
        (last_timed_out.load(std::memory_order_relaxed) ? after_timeout : at_first);
    pollfd woken{event_descriptor, POLLIN, 0};
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
        const int ready = ::poll(&woken, 1, std::max(0, int(left.count())));
        if (ready == -1 && errno == EINTR)
            continue;
        last_timed_out.store(ready != 1, std::memory_order_relaxed);
        return ready == 1;
    }
}

} // namespace asio_aio::detail
