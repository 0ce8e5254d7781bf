// SPDX-License-Identifier: BSL-1.0
#include "durable.hpp"

#include <asio_aio/asio_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using file = asio_aio::random_access_file_aio;

class asio_aio_writers final : public worker {
public:
    asio_aio_writers(job& task, std::vector<place>& places, const std::string& engine)
        : file_(context_) {
        open(task, engine);
        task.engine = to_string(*asio_aio::describe(context_).chosen);
        for (place& each : places)
            chains_.push_back({*this, each});
    }

    void run() noexcept override {
        for (chain& each : chains_)
            each.start();
        context_.run();
    }

private:
    struct chain {
        asio_aio_writers& owner;
        place& used;

        void start() {
            if (!used.next())
                return;
            owner.file_.async_write_some_at(
                used.now().offset, asio::buffer(used.data(), used.size()),
                [this](error_code ec, std::size_t bytes) {
                    if (ec)
                        fail("async_write_some_at", ec.message());
                    sync(std::int64_t(bytes));
                });
        }

        void sync(std::int64_t written) {
            owner.file_.async_sync_data([this, written](error_code ec) {
                if (ec)
                    fail("async_sync_data", ec.message());
                used.finish(written);
                start();
            });
        }
    };

    void open(const job& task, const std::string& engine) try {
        asio_aio::options options;
        if (const auto chosen = asio_aio::backend_from_string(engine))
            options.choice = {*chosen};
        asio_aio::configure(context_, options);
        file_.open(task.files.paths().front(), file::flags(task.wanted.open_flags()));
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio_aio::errc::engine_unavailable)
            throw cannot_run(asio_aio::describe(context_).error);
        throw;
    }

    asio::io_context context_;
    file file_;
    std::vector<chain> chains_;
};

} // namespace

void append_with_asio_aio(job& task, const std::string& engine) {
    run_groups<asio_aio_writers>(task, 1, task.wanted.depth, engine);
}

} // namespace bench
