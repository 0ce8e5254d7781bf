// SPDX-License-Identifier: BSL-1.0
// The contestant pread: a loop of pread and pwrite on each thread that waits for each operation.
#include "contestant.hpp"

#include <unistd.h>
#include <cerrno>

namespace {

class pread_loop final : public bench::worker {
public:
    pread_loop(bench::job& task, std::vector<bench::place>& places)
        : files_(task.files.open()), place_(places.front()) {}

    void run() noexcept override {
        while (place_.next()) {
            const bench::request& wanted = place_.now();
            const int fd = files_[wanted.file];
            const ssize_t bytes = wanted.is_read
                ? ::pread(fd, place_.data(), place_.size(), off_t(wanted.offset))
                : ::pwrite(fd, place_.data(), place_.size(), off_t(wanted.offset));
            place_.finish(bytes == -1 ? -errno : bytes);
        }
    }

private:
    bench::descriptors files_;
    bench::place& place_;
};

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("A loop of pread and pwrite on each thread. It ignores --depth: one "
                              "operation is in flight.");
    return bench::run_contestant(argc, argv, "pread", options, [](bench::job& task) {
        task.engine = "none";
        bench::run_groups<pread_loop>(task, task.wanted.threads, 1);
    });
}
