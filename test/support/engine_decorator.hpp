// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/event.hpp"
#include "engine/engine.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace test {

/// Wraps a real engine, and receives every operation, also those that the real engine leaves to the
/// pool.
class engine_decorator : public asio_aio::detail::engine {
protected:
    using event = asio_aio::detail::event;
    using file_handle = asio_aio::detail::file_handle;
    using op_queue = asio_aio::detail::op_queue;
    using op_state = asio_aio::detail::op_state;
    using operation = asio_aio::detail::operation;
    using pass_reason = asio_aio::detail::pass_reason;

public:
    engine_decorator(std::unique_ptr<engine> real, event& finished)
        : real_(std::move(real)), finished_(finished) {}

    asio_aio::backend kind() const noexcept override { return real_->kind(); }
    bool serves(const file_handle& what) const noexcept override { return real_->serves(what); }
    pass_reason why_not(operation&) const noexcept override { return pass_reason::none; }
    asio_aio::detail::refusal failure() const noexcept override { return real_->failure(); }
    void submit(op_queue& batch) noexcept override { submit_to_real(batch); }
    void reap(op_queue& done) noexcept override { reap_real(done); }
    void cancel(file_handle& which) noexcept override { real_->cancel(which); }
    void cancel(operation& op) noexcept override { real_->cancel(op); }
    void stop(op_queue& abandoned) noexcept override {
        abandoned.splice(returned_);
        real_->stop(abandoned);
    }
    void prepare_fork() noexcept override { real_->prepare_fork(); }
    void become_child() noexcept override { real_->become_child(); }
    std::uint64_t register_memory(const iovec* memory, std::size_t count) override {
        return real_->register_memory(memory, count);
    }
    void unregister_memory(std::uint64_t name) noexcept override { real_->unregister_memory(name); }
    int why_plain(std::uint64_t name) const noexcept override { return real_->why_plain(name); }
    asio_aio::detail::refused_memory refused_buffers() const noexcept override {
        return real_->refused_buffers();
    }
    asio_aio::detail::engine_counters counters() const noexcept override {
        return real_->counters();
    }

protected:
    /// Submits to the real engine what that engine serves, and passes the rest to the pool.
    void submit_to_real(op_queue& batch) noexcept {
        op_queue served, returned;
        while (operation* op = batch.pop()) {
            const pass_reason why = real_->why_not(*op);
            if (why != pass_reason::none) {
                op->become(op_state::with_engine);
                op->pass(why);
            }
            (why == pass_reason::none ? served : returned).push(op);
        }
        real_->submit(served);
        if (returned.empty())
            return;
        const std::lock_guard<std::mutex> held(mutex_);
        returned_.splice(returned);
        finished_.raise();
    }

    void reap_real(op_queue& done) noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        done.splice(returned_);
        real_->reap(done);
    }

    event& finished() noexcept { return finished_; }

private:
    std::unique_ptr<engine> real_;
    event& finished_;
    std::mutex mutex_;
    op_queue returned_;
};

} // namespace test
