// SPDX-License-Identifier: BSL-1.0
// The contestant libaio: a bare loop over Linux AIO with one context for each thread. All places
// that are free are submitted in one batch.
#include "contestant.hpp"

#include <libaio.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace {

class aio_loop final : public bench::worker {
public:
    aio_loop(bench::job& task, std::vector<bench::place>& places, unsigned queue_depth)
        : files_(task.files.open()),
          blocks_(std::min<std::size_t>(queue_depth, places.size())),
          events_(blocks_.size()),
          waiting_(places) {
        for (iocb& each : blocks_)
            free_.push_back(&each);
        const int error = ::io_setup(int(blocks_.size()), &context_);
        if (error != 0)
            throw bench::cannot_run(std::string("io_setup: ") + std::strerror(-error));
    }
    ~aio_loop() override { ::io_destroy(context_); }

    void run() noexcept override {
        for (submit(); free_.size() != blocks_.size(); submit())
            reap();
    }

private:
    void submit() noexcept {
        batch_.clear();
        while (!free_.empty()) {
            bench::place* const next = waiting_.pop();
            if (!next)
                break;
            batch_.push_back(free_.back());
            free_.pop_back();
            prepare(*batch_.back(), *next);
        }
        for (std::size_t submitted = 0; submitted != batch_.size();) {
            const int n =
                ::io_submit(context_, long(batch_.size() - submitted), batch_.data() + submitted);
            if (n < 0)
                bench::fail("io_submit", std::strerror(-n));
            submitted += std::size_t(n);
        }
    }

    void prepare(iocb& block, bench::place& next) noexcept {
        const bench::request& wanted = next.now();
        if (wanted.is_read)
            ::io_prep_pread(
                &block, files_[wanted.file], next.data(), next.size(), (long long)wanted.offset);
        else
            ::io_prep_pwrite(
                &block, files_[wanted.file], next.data(), next.size(), (long long)wanted.offset);
        block.data = &next;
    }

    void reap() noexcept {
        const int n = ::io_getevents(context_, 1, long(events_.size()), events_.data(), nullptr);
        if (n < 0 && n != -EINTR)
            bench::fail("io_getevents", std::strerror(-n));
        for (int i = 0; i < n; ++i) {
            const io_event& event = events_[std::size_t(i)];
            auto* const done = static_cast<bench::place*>(event.data);
            done->finish(std::int64_t(event.res)); // or -errno: libaio declares the field unsigned
            free_.push_back(event.obj);
            waiting_.push(done);
        }
    }

    bench::descriptors files_;
    std::vector<iocb> blocks_;
    std::vector<iocb*> free_;
    std::vector<iocb*> batch_;
    std::vector<io_event> events_;
    bench::place_queue waiting_;
    io_context_t context_ = nullptr;
};

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("A bare loop over libaio, one context for each thread. io_submit "
                              "blocks for buffered files.");
    unsigned queue_depth = 256;
    options.number("queue-depth", queue_depth, 1, 65536, "most operations that a context holds");
    return bench::run_contestant(argc, argv, "libaio", options, [&](bench::job& task) {
        task.engine = "libaio";
        bench::run_groups<aio_loop>(task, task.wanted.threads, task.wanted.depth, queue_depth);
    });
}
