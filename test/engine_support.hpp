// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "support.hpp"

#include "../src/thread_pool_engine.hpp"

#include <asio_aio/detail/choice.hpp>
#include <asio_aio/detail/engine.hpp>
#include <asio_aio/detail/file_service.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

/// What tests need below the line: gates for the pool's threads, and engines that misbehave.
namespace test {

namespace detail = asio_aio::detail;

/// Holds the threads of a pool between taking an operation and its system call, until it is opened.
/** There is one, since the pool's hook is a plain function; each test makes its own, so that it starts closed. */
class gate {
public:
    gate() { current() = this; }
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() {
        open();
        current() = nullptr;
    }

    /// The pool's `before_call`.
    static void pass(const detail::operation& op) {
        if (gate* self = current())
            self->wait(op);
    }

    void open() {
        const std::lock_guard<std::mutex> held(mutex_);
        open_ = true;
        changed_.notify_all();
    }

    /// Returns when `count` operations have come here in all; false after the deadline.
    bool wait_for_arrivals(std::size_t count) {
        std::unique_lock<std::mutex> held(mutex_);
        return changed_.wait_for(held, std::chrono::seconds(deadline_seconds), [&] { return kinds_.size() >= count; });
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

/// Has the files of `ctx` served by a pool whose threads stop at the gate.
inline void use_gated_pool(asio::io_context& ctx, unsigned max_threads) {
    const auto make = [max_threads](const asio_aio::options&, detail::event& finished) {
        detail::thread_pool_settings settings;
        settings.max_threads = max_threads;
        settings.before_call = &gate::pass;
        detail::engine_list engines;
        engines.push_back(std::make_unique<detail::thread_pool_engine>(settings, finished));
        return engines;
    };
    asio::use_service<detail::file_service>(ctx).use_engines(make);
}

/// Stands before a real engine and answers some operations itself.
class faulty_engine final : public detail::engine {
public:
    /// Called for each operation that is submitted; a value is the result, and the real engine never sees the
    /// operation.
    using script = std::function<std::optional<int>(detail::operation&)>;

    faulty_engine(std::unique_ptr<detail::engine> real, detail::event& finished, script decide)
        : real_(std::move(real)), finished_(finished), decide_(std::move(decide)) {}

    backend kind() const noexcept override { return real_->kind(); }
    bool serves(const detail::file_handle& what) const noexcept override { return real_->serves(what); }

    void submit(detail::op_queue& batch) noexcept override {
        detail::op_queue passed;
        bool answered = false;
        while (detail::operation* op = batch.pop()) {
            const std::lock_guard<std::mutex> held(mutex_);
            if (const auto result = decide_(*op)) {
                op->result = *result;
                done_.push(op);
                answered = true;
            } else {
                passed.push(op);
            }
        }
        real_->submit(passed);
        if (answered)
            finished_.raise();
    }

    void reap(detail::op_queue& done) noexcept override {
        const std::lock_guard<std::mutex> held(mutex_);
        done.splice(done_);
        real_->reap(done);
    }

    void cancel(detail::file_handle& which) noexcept override { real_->cancel(which); }
    void cancel(detail::operation& op) noexcept override { real_->cancel(op); }

    void stop(detail::op_queue& abandoned) noexcept override {
        abandoned.splice(done_);
        real_->stop(abandoned);
    }

    void prepare_fork() noexcept override { real_->prepare_fork(); }
    void become_child() noexcept override { real_->become_child(); }
    detail::engine_counters counters() const noexcept override { return real_->counters(); }

private:
    std::unique_ptr<detail::engine> real_;
    detail::event& finished_;
    script decide_;
    std::mutex mutex_;
    detail::op_queue done_;
};

/// Puts a faulty engine before the engine that serves `context`.
inline void use_faulty_engine(asio::execution_context& context, backend engine, faulty_engine::script decide) {
    const auto selected = detail::select_engine({{engine}, asio_aio::choice_source::code, "this test", {}}, {}).factory;
    const auto make = [selected, decide](const asio_aio::options& opts, detail::event& finished) {
        detail::engine_list engines = selected(opts, finished);
        engines.front() = std::make_unique<faulty_engine>(std::move(engines.front()), finished, decide);
        return engines;
    };
    asio::use_service<detail::file_service>(context).use_engines(make);
}

inline void use_faulty_engine(environment& env, faulty_engine::script decide) {
    use_faulty_engine(env.ctx, env.engine, std::move(decide));
}

} // namespace test
