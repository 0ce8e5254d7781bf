// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine_decorator.hpp"
#include "support.hpp"

#include "engine/engine.hpp"
#include "engine/thread_pool/engine.hpp"
#include "selection/choice.hpp"

#include <asio_aio/detail/file_service.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

/// Support for tests of engines: a gate for the pool's threads, and engines that inject faults.
namespace test {

namespace detail = asio_aio::detail;

/// Blocks the threads of a pool before an operation's system call, until the test opens the gate.
/**
 * Only one gate may exist at a time, because the pool's hook is a plain function.
 * Each test makes its own gate, which starts closed.
 */
class gate {
public:
    gate() { current() = this; }
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() {
        open();
        current() = nullptr;
    }

    /// The function for `thread_pool_settings::perform`.
    static int perform(detail::operation& op) noexcept {
        if (gate* self = current())
            self->wait(op);
        return detail::posix_file::perform(op);
    }

    void open() {
        const std::lock_guard<std::mutex> held(mutex_);
        open_ = true;
        changed_.notify_all();
    }

    /// Waits until `count` operations have arrived in total; false after the deadline.
    bool wait_for_arrivals(std::size_t count) {
        std::unique_lock<std::mutex> held(mutex_);
        return changed_.wait_for(
            held, std::chrono::seconds(deadline_seconds), [&] { return kinds_.size() >= count; });
    }

    std::vector<detail::op_kind> arrived() const {
        const std::lock_guard<std::mutex> held(mutex_);
        return kinds_;
    }

private:
    static gate*& current() {
        static gate* the_gate = nullptr;
        return the_gate;
    }

    void wait(const detail::operation& op) {
        std::unique_lock<std::mutex> held(mutex_);
        kinds_.push_back(op.kind);
        changed_.notify_all();
        changed_.wait(held, [this] { return open_; });
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<detail::op_kind> kinds_;
    bool open_ = false;
};

/// Makes a pool as the only engine, with settings that `options` do not have.
inline detail::engine_factory make_pool(const detail::thread_pool_settings& settings) {
    return [settings](const asio_aio::options&, detail::event& finished) {
        detail::engine_list engines;
        engines.push_back(std::make_unique<detail::thread_pool_engine>(settings, finished));
        return engines;
    };
}

/// A pool whose threads call `perform` instead of the kernel.
inline detail::engine_factory make_pool(
    int (*perform)(detail::operation&) noexcept,
    unsigned max_threads = detail::thread_pool_settings().max_threads) {
    detail::thread_pool_settings settings;
    settings.perform = perform;
    settings.max_threads = max_threads;
    return make_pool(settings);
}

inline void use_engines(asio::execution_context& context, detail::engine_factory make) {
    asio::use_service<detail::file_service>(context).scheduler().use_engines(std::move(make));
}

/// Makes `ctx` use a pool whose threads stop at the gate.
inline void use_gated_pool(asio::io_context& ctx, unsigned max_threads) {
    use_engines(ctx, make_pool(&gate::perform, max_threads));
}

/// Makes `ctx` use a pool whose threads call `perform`.
inline void use_pool_that_calls(
    asio::io_context& ctx, int (*perform)(detail::operation&) noexcept) {
    use_engines(ctx, make_pool(perform));
}

/// Wraps a real engine, and completes some operations itself with scripted results.
class faulty_engine final : public engine_decorator {
public:
    /// Called for each submitted operation. If it returns a result, the operation completes with
    /// that result and does not reach the real engine.
    using script = std::function<std::optional<int>(detail::operation&)>;

    faulty_engine(std::unique_ptr<detail::engine> real, detail::event& finished, script decide)
        : engine_decorator(std::move(real), finished), decide_(std::move(decide)) {}

    void submit(detail::op_queue& batch) noexcept override {
        detail::op_queue passed;
        bool answered = false;
        while (detail::operation* op = batch.pop()) {
            const std::lock_guard<std::mutex> held(mutex_);
            if (const auto result = decide_(*op)) {
                op->take_result(*result);
                done_.push(op);
                answered = true;
            } else {
                passed.push(op);
            }
        }
        submit_to_real(passed);
        if (answered)
            finished().raise();
    }

    void reap(detail::op_queue& done) noexcept override {
        const std::lock_guard<std::mutex> held(mutex_);
        done.splice(done_);
        reap_real(done);
    }

    void stop(detail::op_queue& abandoned) noexcept override {
        abandoned.splice(done_);
        engine_decorator::stop(abandoned);
    }

private:
    script decide_;
    std::mutex mutex_;
    detail::op_queue done_;
};

/// Wraps the engine of `context` in a faulty engine.
inline void use_faulty_engine(
    asio::execution_context& context, backend engine, faulty_engine::script decide) {
    const auto selected =
        detail::select_engine({{engine}, asio_aio::choice_source::code, "this test", {}}, {})
            .factory;
    const auto make = [selected, decide](const asio_aio::options& opts, detail::event& finished) {
        detail::engine_list engines = selected(opts, finished);
        engines.front() =
            std::make_unique<faulty_engine>(std::move(engines.front()), finished, decide);
        return engines;
    };
    asio::use_service<detail::file_service>(context).scheduler().use_engines(make);
}

inline void use_faulty_engine(environment& env, faulty_engine::script decide) {
    use_faulty_engine(env.ctx, env.engine, std::move(decide));
}

} // namespace test
