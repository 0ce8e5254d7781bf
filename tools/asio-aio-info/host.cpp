// SPDX-License-Identifier: BSL-1.0
#include "host.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <fstream>
#include <limits>

namespace info {
namespace {

std::optional<std::uint64_t> read_number(std::istream& from) {
    std::uint64_t number = 0;
    return from >> number ? std::optional(number) : std::nullopt;
}

std::optional<std::uint64_t> sysctl(const char* path) {
    std::ifstream file(path);
    return read_number(file);
}

std::optional<std::uint64_t> soft_limit(__rlimit_resource which) {
    rlimit limit{};
    return ::getrlimit(which, &limit) == 0 ? std::optional<std::uint64_t>(limit.rlim_cur)
                                           : std::nullopt;
}

std::optional<std::uint64_t> seccomp_mode() {
    std::ifstream status("/proc/self/status");
    for (std::string field; status >> field;
         status.ignore(std::numeric_limits<std::streamsize>::max(), '\n'))
        if (field == "Seccomp:")
            return read_number(status);
    return std::nullopt;
}

} // namespace

host_report inspect_host() {
    host_report found;
    utsname name{};
    if (::uname(&name) == 0) {
        found.kernel = name.release;
        found.machine = name.machine;
    }
    found.io_uring_disabled = sysctl("/proc/sys/kernel/io_uring_disabled");
    found.aio_nr = sysctl("/proc/sys/fs/aio-nr");
    found.aio_max_nr = sysctl("/proc/sys/fs/aio-max-nr");
    found.memlock = soft_limit(RLIMIT_MEMLOCK);
    found.nofile = soft_limit(RLIMIT_NOFILE);
    found.seccomp = seccomp_mode();
    return found;
}

} // namespace info
