// SPDX-License-Identifier: BSL-1.0
#include "durable.hpp"

#include <sys/uio.h>
#include <unistd.h>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace bench {

namespace {

/// Appends a record. Returns the number of bytes or a negative errno.
using append_call = std::int64_t (*)(int fd, const place& used);

std::int64_t write_and_sync(int fd, const place& used) {
    const ssize_t bytes = ::pwrite(fd, used.data(), used.size(), off_t(used.now().offset));
    if (bytes == -1)
        return -errno;
    return ::fdatasync(fd) == 0 ? bytes : -errno;
}

std::int64_t write_through(int fd, const place& used) {
    const iovec data{used.data(), used.size()};
    const ssize_t bytes = ::pwritev2(fd, &data, 1, off_t(used.now().offset), RWF_DSYNC);
    return bytes == -1 ? -errno : bytes;
}

class thread_writer final : public worker {
public:
    thread_writer(job& task, std::vector<place>& places, append_call append)
        : files_(task.files.open()), place_(places.front()), append_(append) {}

    void run() noexcept override {
        while (place_.next())
            place_.finish(append_(files_[0], place_));
    }

private:
    descriptors files_;
    place& place_;
    append_call append_;
};

void append_with(job& task, append_call append) {
    task.engine = std::to_string(task.wanted.depth) + " threads";
    run_groups<thread_writer>(task, task.wanted.depth, 1, append);
}

} // namespace

void append_with_fdatasync(job& task) {
    append_with(task, write_and_sync);
}

void append_with_rwf_dsync(job& task) {
    append_with(task, write_through);
}

} // namespace bench
