// SPDX-License-Identifier: BSL-1.0
#include "durable.hpp"

#include <uv.h>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

namespace {

class uv_writers final : public worker {
public:
    uv_writers(job& task, std::vector<place>& places)
        : files_(task.files.open()), chains_(places.size()) {
        if (const int error = ::uv_loop_init(&loop_))
            throw cannot_run(std::string("uv_loop_init: ") + ::uv_strerror(error));
        for (std::size_t i = 0; i != places.size(); ++i) {
            chains_[i].request.data = &chains_[i];
            chains_[i].owner = this;
            chains_[i].used = &places[i];
        }
    }
    ~uv_writers() override { ::uv_loop_close(&loop_); }

    void run() noexcept override {
        for (chain& each : chains_)
            each.start();
        ::uv_run(&loop_, UV_RUN_DEFAULT);
    }

private:
    struct chain {
        uv_fs_t request{};
        uv_writers* owner = nullptr;
        place* used = nullptr;

        void start() noexcept {
            if (!used->next())
                return;
            const uv_buf_t buffer = ::uv_buf_init(used->data(), unsigned(used->size()));
            check(
                "uv_fs_write",
                ::uv_fs_write(
                    &owner->loop_, &request, owner->files_[0], &buffer, 1,
                    std::int64_t(used->now().offset), written));
        }

        /// Ends the request and returns its result.
        ssize_t take_result() noexcept {
            const ssize_t result = request.result;
            ::uv_fs_req_cleanup(&request);
            return result;
        }

        static void written(uv_fs_t* request) {
            auto& self = *static_cast<chain*>(request->data);
            const ssize_t bytes = self.take_result();
            if (bytes != ssize_t(self.used->size()))
                return self.used->finish(bytes); // reports the failure and ends the program
            check(
                "uv_fs_fdatasync",
                ::uv_fs_fdatasync(&self.owner->loop_, request, self.owner->files_[0], synced));
        }

        static void synced(uv_fs_t* request) {
            auto& self = *static_cast<chain*>(request->data);
            check("uv_fs_fdatasync", int(self.take_result()));
            self.used->finish(std::int64_t(self.used->size()));
            self.start();
        }

        static void check(const char* call, int error) noexcept {
            if (error != 0)
                fail(call, ::uv_strerror(error));
        }
    };

    descriptors files_;
    std::vector<chain> chains_;
    uv_loop_t loop_{};
};

std::string pool() {
    const char* const threads = std::getenv("UV_THREADPOOL_SIZE");
    return std::string(threads ? threads : "4") + " threads";
}

} // namespace

void append_with_libuv(job& task) {
    task.engine = "libuv " + std::string(::uv_version_string()) + ", " + pool();
    run_groups<uv_writers>(task, 1, task.wanted.depth);
}

} // namespace bench
