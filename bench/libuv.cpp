// SPDX-License-Identifier: BSL-1.0
// The contestant libuv: its file requests, with one loop for each thread. One pool of
// UV_THREADPOOL_SIZE threads serves all loops.
#include "contestant.hpp"

#include <uv.h>
#include <cstdlib>

namespace {

class uv_worker final : public bench::worker {
public:
    uv_worker(bench::job& task, std::vector<bench::place>& places)
        : files_(task.files.open()), requests_(places.size()) {
        if (const int error = ::uv_loop_init(&loop_))
            throw bench::cannot_run(std::string("uv_loop_init: ") + ::uv_strerror(error));
        for (std::size_t i = 0; i != places.size(); ++i) {
            requests_[i].owner = this;
            requests_[i].used = &places[i];
        }
    }
    ~uv_worker() override { ::uv_loop_close(&loop_); }

    void run() noexcept override {
        for (chain& each : requests_)
            each.start();
        ::uv_run(&loop_, UV_RUN_DEFAULT);
    }

private:
    struct chain {
        uv_fs_t request{};
        uv_worker* owner = nullptr;
        bench::place* used = nullptr;

        void start() noexcept {
            if (!used->next())
                return;
            const bench::request& wanted = used->now();
            const uv_buf_t buffer = ::uv_buf_init(used->data(), unsigned(used->size()));
            const auto call = wanted.is_read ? ::uv_fs_read : ::uv_fs_write;
            request.data = this;
            const int error = call(
                &owner->loop_, &request, owner->files_[wanted.file], &buffer, 1,
                std::int64_t(wanted.offset), completed);
            if (error != 0)
                bench::fail(wanted.is_read ? "uv_fs_read" : "uv_fs_write", ::uv_strerror(error));
        }

        static void completed(uv_fs_t* request) {
            auto* const self = static_cast<chain*>(request->data);
            const ssize_t result = request->result;
            ::uv_fs_req_cleanup(request);
            self->used->finish(result);
            self->start();
        }
    };

    bench::descriptors files_;
    std::vector<chain> requests_;
    uv_loop_t loop_{};
};

std::string pool() {
    const char* const threads = std::getenv("UV_THREADPOOL_SIZE");
    return std::string(threads ? threads : "4") + " threads";
}

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options(
        "libuv's uv_fs_read and uv_fs_write, one loop for each thread. "
        "The environment variable UV_THREADPOOL_SIZE is the size of its pool (4).");
    return bench::run_contestant(argc, argv, "libuv", options, [](bench::job& task) {
        task.engine = "libuv " + std::string(::uv_version_string()) + ", " + pool();
        bench::run_groups<uv_worker>(task, task.wanted.threads, task.wanted.depth);
    });
}
