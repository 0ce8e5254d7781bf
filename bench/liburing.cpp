// SPDX-License-Identifier: BSL-1.0
// The contestant liburing: a bare loop over io_uring with one ring for each thread. It shows the
// cost of the kernel's interface without a library above it.
#include "contestant.hpp"

#include <liburing.h>
#include <algorithm>
#include <cstring>
#include <string>

namespace {

constexpr unsigned deepest_queue = 32768; // IORING_MAX_ENTRIES

struct settings {
    unsigned queue_depth = 256;
    bool sqpoll = false;
    bool single_issuer = false;
    bool registered_buffers = false;

    unsigned flags() const {
        return (sqpoll ? IORING_SETUP_SQPOLL : 0) |
            (single_issuer ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0);
    }
};

class uring_loop final : public bench::worker {
public:
    uring_loop(bench::job& task, std::vector<bench::place>& places, const settings& wanted)
        : files_(task.files.open()),
          in_flight_most_(std::min<std::size_t>(wanted.queue_depth, places.size())),
          waiting_(places),
          registered_buffers_(wanted.registered_buffers) {
        const int error = ::io_uring_queue_init(unsigned(in_flight_most_), &ring_, wanted.flags());
        if (error != 0)
            throw bench::cannot_run(std::string("io_uring_queue_init: ") + std::strerror(-error));
        if (registered_buffers_)
            register_memory(bench::memory_of(places));
    }
    ~uring_loop() override { ::io_uring_queue_exit(&ring_); }

    void run() noexcept override {
        for (prepare(); in_flight_ != 0; prepare()) {
            const int submitted = ::io_uring_submit_and_wait(&ring_, 1);
            if (submitted < 0 && submitted != -EINTR)
                bench::fail("io_uring_submit_and_wait", std::strerror(-submitted));
            reap();
        }
    }

private:
    void register_memory(const bench::memory_block& memory) {
        const iovec all{memory.data, memory.size};
        const int error = ::io_uring_register_buffers(&ring_, &all, 1);
        if (error == 0)
            return;
        ::io_uring_queue_exit(&ring_);
        throw bench::cannot_run(std::string("io_uring_register_buffers: ") + std::strerror(-error));
    }

    void prepare() noexcept {
        while (in_flight_ != in_flight_most_) {
            bench::place* const next = waiting_.pop();
            if (!next)
                return;
            // With sqpoll an operation can complete before the kernel's thread has released its
            // submission entry.
            while (::io_uring_sq_space_left(&ring_) == 0)
                ::io_uring_sqring_wait(&ring_);
            prepare(*::io_uring_get_sqe(&ring_), *next);
            ++in_flight_;
        }
    }

    void prepare(io_uring_sqe& entry, bench::place& next) noexcept {
        const bench::request& wanted = next.now();
        const auto bytes = unsigned(next.size());
        const int file = files_[wanted.file];
        if (registered_buffers_ && wanted.is_read)
            ::io_uring_prep_read_fixed(&entry, file, next.data(), bytes, wanted.offset, 0);
        else if (registered_buffers_)
            ::io_uring_prep_write_fixed(&entry, file, next.data(), bytes, wanted.offset, 0);
        else if (wanted.is_read)
            ::io_uring_prep_read(&entry, file, next.data(), bytes, wanted.offset);
        else
            ::io_uring_prep_write(&entry, file, next.data(), bytes, wanted.offset);
        ::io_uring_sqe_set_data(&entry, &next);
    }

    void reap() noexcept {
        unsigned head = 0, count = 0;
        io_uring_cqe* entry = nullptr;
        io_uring_for_each_cqe(&ring_, head, entry) {
            ++count;
            auto* const done = static_cast<bench::place*>(::io_uring_cqe_get_data(entry));
            done->finish(entry->res);
            waiting_.push(done);
        }
        ::io_uring_cq_advance(&ring_, count);
        in_flight_ -= count;
    }

    bench::descriptors files_;
    std::size_t in_flight_most_;
    std::size_t in_flight_ = 0;
    bench::place_queue waiting_;
    bool registered_buffers_;
    io_uring ring_{};
};

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("A bare loop over liburing, one ring for each thread.");
    settings own;
    options.number(
        "queue-depth", own.queue_depth, 1, deepest_queue, "most operations that a ring holds");
    options.flag("sqpoll", own.sqpoll, "a thread of the kernel submits (IORING_SETUP_SQPOLL)");
    options.flag(
        "single-issuer", own.single_issuer,
        "one thread uses each ring (IORING_SETUP_SINGLE_ISSUER and _DEFER_TASKRUN)");
    options.flag(
        "registered-buffers", own.registered_buffers,
        "register the memory of all operations (io_uring_register_buffers)");
    return bench::run_contestant(argc, argv, "liburing", options, [&](bench::job& task) {
        task.engine = "io_uring";
        bench::run_groups<uring_loop>(task, task.wanted.threads, task.wanted.depth, own);
    });
}
