// SPDX-License-Identifier: BSL-1.0
#include "durable.hpp"

#include <liburing.h>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace bench {

namespace {

class uring_writers final : public worker {
public:
    uring_writers(job& task, std::vector<place>& places)
        : files_(task.files.open()), waiting_(places) {
        const int error = ::io_uring_queue_init(unsigned(places.size()) * 2, &ring_, 0);
        if (error != 0)
            throw cannot_run(std::string("io_uring_queue_init: ") + std::strerror(-error));
    }
    ~uring_writers() override { ::io_uring_queue_exit(&ring_); }

    void run() noexcept override {
        for (prepare(); in_flight_ != 0; prepare()) {
            const int submitted = ::io_uring_submit_and_wait(&ring_, 1);
            if (submitted < 0 && submitted != -EINTR)
                fail("io_uring_submit_and_wait", std::strerror(-submitted));
            reap();
        }
    }

private:
    void prepare() noexcept {
        while (place* const next = waiting_.pop()) {
            io_uring_sqe& write = *::io_uring_get_sqe(&ring_);
            ::io_uring_prep_write(
                &write, files_[0], next->data(), unsigned(next->size()), next->now().offset);
            ::io_uring_sqe_set_flags(&write, IOSQE_IO_LINK);
            ::io_uring_sqe_set_data(&write, nullptr);
            io_uring_sqe& sync = *::io_uring_get_sqe(&ring_);
            ::io_uring_prep_fsync(&sync, files_[0], IORING_FSYNC_DATASYNC);
            ::io_uring_sqe_set_data(&sync, next);
            ++in_flight_;
        }
    }

    void reap() noexcept {
        unsigned head = 0, count = 0;
        io_uring_cqe* entry = nullptr;
        io_uring_for_each_cqe(&ring_, head, entry) {
            ++count;
            if (auto* const done = static_cast<place*>(::io_uring_cqe_get_data(entry)))
                finish(*done, entry->res);
            else if (entry->res < 0)
                fail("io_uring write", std::strerror(-entry->res));
        }
        ::io_uring_cq_advance(&ring_, count);
    }

    /// `result` is that of the sync. The kernel cancels the sync if its write is incomplete.
    void finish(place& done, int result) noexcept {
        done.finish(result == 0 ? std::int64_t(done.size()) : result);
        waiting_.push(&done);
        --in_flight_;
    }

    descriptors files_;
    std::size_t in_flight_ = 0;
    place_queue waiting_;
    io_uring ring_{};
};

} // namespace

void append_with_liburing(job& task) {
    task.engine = "io_uring";
    run_groups<uring_writers>(task, 1, task.wanted.depth);
}

} // namespace bench
