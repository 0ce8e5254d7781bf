// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "contestant.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

/// Options of the contestants that use Asio.
struct asio_settings {
    std::string token = "callback";
    unsigned contexts = 1; ///< 1: all threads run one context. Otherwise one for each thread.

    void add_to(option_set& options) {
        options.word(
            "token", token, {"callback", "use_awaitable", "use_future"}, "completion token");
        options.number(
            "contexts", contexts, 1, 64,
            "io_contexts: 1 that all threads run, or as many as --threads");
    }

    void check(const workload& wanted) const {
        if (contexts != 1 && contexts != wanted.threads)
            throw usage_error(
                "--contexts: must be 1 or the number of --threads, " +
                std::to_string(wanted.threads));
    }
};

/// Drives the files of one `io_context`. Asio's file and ours have the same members.
template <typename File>
class asio_worker final : public worker {
public:
    /// Called with each context and the places that it uses, before its first file is opened. The
    /// result lives longer than the operations.
    using prepare =
        std::function<std::shared_ptr<void>(boost::asio::io_context&, const std::vector<place>&)>;

    asio_worker(
        job& task, std::vector<place>& places, const asio_settings& settings, unsigned threads,
        const prepare& first)
        : token_(settings.token), threads_(threads), places_(places) {
        prepared_ = first(context_, places);
        files_.reserve(task.files.paths().size());
        for (const std::string& path : task.files.paths())
            files_.emplace_back(context_, path, typename File::flags(task.wanted.open_flags()));
    }

    void run() noexcept override {
        if (token_ == "use_future")
            return run_futures();
        std::vector<chain> chains;
        chains.reserve(places_.size());
        for (place& each : places_)
            chains.push_back({*this, each});
        for (chain& each : chains)
            token_ == "callback" ? each.start() : spawn(each.used);
        std::vector<std::thread> others = run_on_others(threads_ - 1);
        context_.run();
        join(others);
    }

private:
    using error_code = boost::system::error_code;

    /// Starts the current operation of `used`.
    template <typename Token>
    auto start(place& used, Token&& token) {
        const request& wanted = used.now();
        File& file = files_[wanted.file];
        const auto buffer = boost::asio::buffer(used.data(), used.size());
        return wanted.is_read
            ? file.async_read_some_at(wanted.offset, buffer, std::forward<Token>(token))
            : file.async_write_some_at(wanted.offset, buffer, std::forward<Token>(token));
    }

    struct chain {
        asio_worker& owner;
        place& used;

        void start() {
            if (!used.next())
                return;
            owner.start(used, [this](error_code ec, std::size_t bytes) {
                if (ec)
                    fail(used.call(), ec.message());
                used.finish(std::int64_t(bytes));
                start();
            });
        }
    };

    void spawn(place& used) {
        boost::asio::co_spawn(
            context_, all_of(used), [&used](std::exception_ptr error) { check(used, error); });
    }

    boost::asio::awaitable<void> all_of(place& used) {
        while (used.next())
            used.finish(std::int64_t(co_await start(used, boost::asio::use_awaitable)));
    }

    /// Waits for the futures, the oldest first, while other threads run the context.
    void run_futures() {
        auto guard = boost::asio::make_work_guard(context_);
        std::vector<std::thread> others = run_on_others(threads_);
        std::vector<std::future<std::size_t>> pending(places_.size());
        bool any = false;
        const auto begin = [&](std::size_t i) {
            if (places_[i].next()) {
                pending[i] = start(places_[i], boost::asio::use_future);
                any = true;
            }
        };
        for (std::size_t i = 0; i != pending.size(); ++i)
            begin(i);
        while (std::exchange(any, false))
            for (std::size_t i = 0; i != pending.size(); ++i)
                if (pending[i].valid()) {
                    places_[i].finish(wait(places_[i], pending[i]));
                    begin(i);
                }
        guard.reset();
        join(others);
    }

    static std::int64_t wait(place& used, std::future<std::size_t>& result) try {
        return std::int64_t(result.get());
    } catch (...) {
        check(used, std::current_exception());
        return -1;
    }

    static void check(place& used, std::exception_ptr error) try {
        if (error)
            std::rethrow_exception(error);
    } catch (const std::exception& reason) {
        fail(used.call(), reason.what());
    }

    std::vector<std::thread> run_on_others(unsigned count) {
        std::vector<std::thread> others;
        for (unsigned i = 0; i != count; ++i)
            others.emplace_back([this] { context_.run(); });
        return others;
    }

    static void join(std::vector<std::thread>& others) {
        for (std::thread& each : others)
            each.join();
    }

    std::string token_;
    unsigned threads_;
    std::vector<place>& places_;
    boost::asio::io_context context_;
    std::shared_ptr<void> prepared_;
    std::vector<File> files_;
};

/// Runs one group of places for each context.
template <typename File>
void run_asio(
    job& task, const asio_settings& settings, const typename asio_worker<File>::prepare& first) {
    settings.check(task.wanted);
    const unsigned threads = task.wanted.threads / settings.contexts;
    run_groups<asio_worker<File>>(
        task, settings.contexts, task.wanted.depth * threads, settings, threads, first);
}

} // namespace bench
