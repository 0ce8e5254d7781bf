// SPDX-License-Identifier: BSL-1.0
#include "timer_load.hpp"

#include "outcome.hpp"
#include "request.hpp"

#include <asio_aio/asio_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>

#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <thread>
#include <vector>

namespace bench {

namespace asio = boost::asio;

namespace {

using file = asio_aio::random_access_file_aio;

/// The numbers of writes and syncs.
class tally {
public:
    std::uint64_t writes() const { return writes_; }
    std::uint64_t syncs() const { return syncs_; }
    void count_write() { ++writes_; }
    void count_sync() { ++syncs_; }

private:
    std::atomic<std::uint64_t> writes_{0};
    std::atomic<std::uint64_t> syncs_{0};
};

bool sync_is_due(unsigned& written, unsigned every) {
    return every != 0 && ++written % every == 0;
}

/// Threads that call pwrite and fdatasync, without the loop.
class thread_load final : public timer_load {
public:
    thread_load(const timer_settings& wanted, const workload& given, const data_files& files)
        : wanted_(wanted), given_(given), files_(files.open()) {}
    ~thread_load() override {
        stop();
        for (std::thread& each : threads_)
            each.join();
    }

    void start() override {
        for (unsigned i = 0; i != wanted_.writes; ++i)
            threads_.emplace_back([this, i] { write_all(i); });
    }
    void stop() override { stopping_ = true; }

    std::uint64_t writes() const override { return tally_.writes(); }
    std::uint64_t syncs() const override { return tally_.syncs(); }
    std::string engine() const override { return std::to_string(wanted_.writes) + " threads"; }

private:
    void write_all(unsigned number) noexcept {
        request_source requests(given_, number);
        const std::vector<char> block(given_.block, char(number));
        unsigned written = 0;
        while (!stopping_) {
            const request next = requests();
            const int fd = files_[next.file];
            if (::pwrite(fd, block.data(), block.size(), off_t(next.offset)) !=
                ssize_t(block.size()))
                fail("pwrite", std::strerror(errno));
            tally_.count_write();
            if (!sync_is_due(written, wanted_.sync_every))
                continue;
            if (::fdatasync(fd) == -1)
                fail("fdatasync", std::strerror(errno));
            tally_.count_sync();
        }
    }

    const timer_settings& wanted_;
    const workload& given_;
    descriptors files_;
    std::atomic<bool> stopping_{false};
    tally tally_;
    std::vector<std::thread> threads_;
};

/// Writes of asio_aio files in the loop of the timer.
class loop_load final : public timer_load {
public:
    loop_load(
        asio::io_context& context, const timer_settings& wanted, const workload& given,
        const data_files& files)
        : wanted_(wanted), given_(given), context_(context) {
        asio_aio::options options;
        options.max_threads = wanted.max_threads;
        if (const auto engine = asio_aio::backend_from_string(wanted.engine))
            options.choice = {*engine};
        asio_aio::configure(context, options);
        for (const std::string& path : files.paths())
            files_.emplace_back(context, path, file::read_write);
    }

    void start() override {
        for (unsigned i = 0; i != wanted_.writes; ++i)
            chains_.emplace_back(*this, i).start();
    }
    void stop() override { stopping_ = true; }

    std::uint64_t writes() const override { return tally_.writes(); }
    std::uint64_t syncs() const override { return tally_.syncs(); }
    std::string engine() const override {
        return std::string(to_string(*asio_aio::describe(context_).chosen));
    }

private:
    class chain {
    public:
        chain(loop_load& owner, unsigned number)
            : owner_(owner),
              requests_(owner.given_, number),
              block_(owner.given_.block, char(number)) {}

        void start() {
            if (owner_.stopping_)
                return;
            const request next = requests_();
            file& target = owner_.files_[next.file];
            target.async_write_some_at(
                next.offset, asio::buffer(block_),
                [this, &target](boost::system::error_code ec, std::size_t bytes) {
                    if (ec || bytes != block_.size())
                        fail("async_write_some_at", ec ? ec.message() : "incomplete");
                    owner_.tally_.count_write();
                    sync_is_due(written_, owner_.wanted_.sync_every) ? sync(target) : start();
                });
        }

    private:
        void sync(file& target) {
            target.async_sync_data([this](boost::system::error_code ec) {
                if (ec)
                    fail("async_sync_data", ec.message());
                owner_.tally_.count_sync();
                start();
            });
        }

        loop_load& owner_;
        request_source requests_;
        std::vector<char> block_;
        unsigned written_ = 0;
    };

    const timer_settings& wanted_;
    const workload& given_;
    asio::io_context& context_;
    bool stopping_ = false;
    tally tally_;
    std::vector<file> files_;
    std::deque<chain> chains_;
};

} // namespace

void timer_settings::add_to(option_set& options) {
    options.number("writes", writes, 1, 1024, "writes and syncs in flight");
    options.number(
        "sync-every", sync_every, 0, 1'000'000,
        "writes of a place before each of its syncs; 0: no syncs");
    options.word(
        "engine", engine, {"automatic", "io_uring", "libaio", "thread_pool"},
        "engine of the load asio_aio");
    options.number(
        "max-threads", max_threads, 1, asio_aio::options::most_threads,
        "most threads of the pool of asio_aio");
}

std::unique_ptr<timer_load> make_timer_load(
    const std::string& name, asio::io_context& context, const timer_settings& wanted,
    const workload& given, const data_files& files) try {
    if (name == "threads")
        return std::make_unique<thread_load>(wanted, given, files);
    if (name == "asio_aio")
        return std::make_unique<loop_load>(context, wanted, given, files);
    return std::make_unique<timer_load>();
} catch (const boost::system::system_error& error) {
    if (error.code() == asio_aio::errc::engine_unavailable)
        throw cannot_run(asio_aio::describe(context).error);
    throw;
}

} // namespace bench
