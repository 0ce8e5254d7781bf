// SPDX-License-Identifier: BSL-1.0
// The contestant open_close: opens small files, asks for their sizes and closes them, in one of
// three ways. The handlers run on one thread, the loop's.
#include "contestant.hpp"

#include <asio_aio/asio_aio.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using file = asio_aio::random_access_file_aio;

struct settings {
    std::string way = "asio_aio";
    std::string engine = "automatic";
    unsigned pool_threads = 4;

    void add_to(bench::option_set& all) {
        all.word(
            "way", way, {"asio_aio", "asio_threads", "system_calls"},
            "asynchronous calls of asio_aio, open(2) and its like on an asio::thread_pool, or on "
            "the loop's thread");
        all.word(
            "engine", engine, {"automatic", "io_uring", "libaio", "thread_pool"},
            "engine of asio_aio");
        all.number("pool-threads", pool_threads, 1, 1024, "threads of the asio::thread_pool");
    }
};

/// What place::finish expects after success.
std::int64_t result_of(
    const bench::place& used, int error, std::uint64_t size, std::uint64_t wanted) {
    if (error != 0)
        return -error;
    return size == wanted ? std::int64_t(used.size()) : 0;
}

/// Opens, asks and closes on the calling thread. Returns 0 or the errno.
int ask(const std::string& path, std::uint64_t& size) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return errno;
    struct stat status {};
    const int error = ::fstat(fd, &status) == 0 ? 0 : errno;
    size = std::uint64_t(status.st_size);
    return ::close(fd) == 0 ? error : errno;
}

class system_calls final : public bench::worker {
public:
    system_calls(bench::job& task, std::vector<bench::place>& places)
        : paths_(task.files.paths()), bytes_(task.wanted.file_bytes()), place_(places.front()) {}

    void run() noexcept override {
        while (place_.next()) {
            std::uint64_t size = 0;
            const int error = ask(paths_[place_.now().file], size);
            place_.finish(result_of(place_, error, size, bytes_));
        }
    }

private:
    const std::vector<std::string>& paths_;
    const std::uint64_t bytes_;
    bench::place& place_;
};

class asio_threads final : public bench::worker {
public:
    asio_threads(bench::job& task, std::vector<bench::place>& places, unsigned threads)
        : paths_(task.files.paths()),
          bytes_(task.wanted.file_bytes()),
          places_(places),
          pool_(threads) {}

    void run() noexcept override {
        for (bench::place& each : places_)
            start(each);
        context_.run();
        pool_.join();
    }

private:
    void start(bench::place& used) {
        if (!used.next())
            return;
        asio::post(pool_, [this, &used, work = asio::make_work_guard(context_)] {
            std::uint64_t size = 0;
            const int error = ask(paths_[used.now().file], size);
            asio::post(context_, [this, &used, error, size] {
                used.finish(result_of(used, error, size, bytes_));
                start(used);
            });
        });
    }

    const std::vector<std::string>& paths_;
    const std::uint64_t bytes_;
    std::vector<bench::place>& places_;
    asio::io_context context_;
    asio::thread_pool pool_;
};

class asio_aio_calls final : public bench::worker {
public:
    asio_aio_calls(bench::job& task, std::vector<bench::place>& places, const settings& wanted)
        : paths_(task.files.paths()), bytes_(task.wanted.file_bytes()) {
        asio_aio::options options;
        if (const auto engine = asio_aio::backend_from_string(wanted.engine))
            options.choice = {*engine};
        asio_aio::configure(context_, options);
        file(context_, paths_.front(), file::read_only); // chooses the engine
        task.engine = to_string(*asio_aio::describe(context_).chosen);
        for (bench::place& each : places)
            chains_.emplace_back(*this, each);
    }

    void run() noexcept override {
        for (chain& each : chains_)
            each.start();
        context_.run();
    }

private:
    struct chain {
        chain(asio_aio_calls& who, bench::place& used) : owner(who), place(used), f(who.context_) {}

        void start() {
            if (!place.next())
                return;
            f.async_open(owner.paths_[place.now().file], file::read_only, [this](error_code ec) {
                if (ec)
                    return finish(ec, 0);
                f.async_size([this](error_code sized, std::uint64_t size) {
                    f.async_close([this, sized, size](error_code closed) {
                        finish(sized ? sized : closed, size);
                    });
                });
            });
        }

        void finish(error_code ec, std::uint64_t size) {
            place.finish(result_of(place, ec.value(), size, owner.bytes_));
            start();
        }

        asio_aio_calls& owner;
        bench::place& place;
        file f;
    };

    const std::vector<std::string>& paths_;
    const std::uint64_t bytes_;
    asio::io_context context_;
    std::deque<chain> chains_;
};

void run(bench::job& task, const settings& wanted) {
    task.notes = wanted.way;
    if (wanted.way == "system_calls")
        bench::run_groups<system_calls>(task, 1, 1);
    else if (wanted.way == "asio_threads")
        bench::run_groups<asio_threads>(task, 1, task.wanted.depth, wanted.pool_threads);
    else
        bench::run_groups<asio_aio_calls>(task, 1, task.wanted.depth, wanted);
}

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("Opens files, asks for their sizes and closes them.");
    settings wanted;
    wanted.add_to(options);
    return bench::run_contestant(
        argc, argv, "open_close", options, [&](bench::job& task) { run(task, wanted); });
}
