// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine_decorator.hpp"
#include "support.hpp"

#include "selection/choice.hpp"
#include "engine/engine.hpp"

#include <asio_aio/detail/file_service.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace test {

/// Where a `hold` stops operations: before the engine under test gets them, or after that engine
/// has finished them.
enum class hold_at { submission, completion };

/// What a `hold` and its engine share. The engine lives as long as its context, and the hold as
/// long as its test.
class hold_state {
public:
    explicit hold_state(hold_at where) : where_(where) {}

    hold_at where() const { return where_; }

    std::unique_lock<std::mutex> lock() const { return std::unique_lock(mutex_); }

    /// The caller holds the lock.
    bool is_released() const { return released_; }

    /// The caller holds the lock.
    void set_held(std::size_t count) {
        held_ = count;
        changed_.notify_all();
    }

    std::size_t held() const {
        const auto locked = lock();
        return held_;
    }

    bool wait_for(std::size_t count, std::chrono::seconds deadline) {
        auto locked = lock();
        return changed_.wait_for(locked, deadline, [&] { return held_ >= count; });
    }

    void release() {
        const auto locked = lock();
        released_ = true;
        if (finished_)
            finished_->raise();
    }

    /// The event of the engine; null after the end of the engine.
    void set_event(asio_aio::detail::event* finished) {
        const auto locked = lock();
        finished_ = finished;
    }

private:
    const hold_at where_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    asio_aio::detail::event* finished_ = nullptr;
    std::size_t held_ = 0;
    bool released_ = false;
};

/// Wraps a real engine, and holds operations until the test releases them.
class holding_engine final : public engine_decorator {
public:
    holding_engine(std::unique_ptr<engine> real, std::shared_ptr<hold_state> state, event& finished)
        : engine_decorator(std::move(real), finished), state_(std::move(state)) {
        state_->set_event(&finished);
    }

    ~holding_engine() override { state_->set_event(nullptr); }

    void submit(op_queue& batch) noexcept override {
        const auto locked = state_->lock();
        if (state_->where() == hold_at::completion || state_->is_released())
            return submit_to_real(batch);
        end_cancelled(batch);
        held_.splice(batch);
        state_->set_held(held_.size());
    }

    void reap(op_queue& done) noexcept override {
        const auto locked = state_->lock();
        if (state_->where() == hold_at::submission) {
            if (state_->is_released() && !held_.empty())
                submit_to_real(held_);
            done.splice(cancelled_);
            reap_real(done);
        } else {
            reap_real(held_);
            if (state_->is_released())
                done.splice(held_);
        }
        state_->set_held(held_.size());
    }

    void cancel(file_handle& which) noexcept override {
        cancel_held();
        engine_decorator::cancel(which);
    }

    void cancel(operation& op) noexcept override {
        cancel_held();
        engine_decorator::cancel(op);
    }

    void stop(op_queue& abandoned) noexcept override {
        abandoned.splice(held_);
        abandoned.splice(cancelled_);
        engine_decorator::stop(abandoned);
    }

private:
    void cancel_held() noexcept {
        const auto locked = state_->lock();
        if (state_->where() != hold_at::submission)
            return;
        if (end_cancelled(held_))
            finished().raise();
        state_->set_held(held_.size());
    }

    bool end_cancelled(op_queue& all) noexcept {
        op_queue found;
        all.extract_if([](const auto& op) { return op.is_cancelled(); }, found);
        const bool any = !found.empty();
        while (auto* op = found.pop()) {
            op->take_result(-ECANCELED);
            cancelled_.push(op);
        }
        return any;
    }

    std::shared_ptr<hold_state> state_;
    op_queue held_;
    op_queue cancelled_;
};

/// Keeps every operation of a context's engine in flight until the test releases the hold.
class hold {
public:
    /// Configures the context for `which`. The context must not have opened a file yet.
    hold(asio::execution_context& context, backend which, hold_at where)
        : state_(std::make_shared<hold_state>(where)) {
        namespace detail = asio_aio::detail;
        asio_aio::options options;
        options.choice = {which};
        options.inline_read_limit = 0; // every read goes to the engine
        asio_aio::configure(context, options);
        const auto selected =
            detail::select_engine({{which}, asio_aio::choice_source::code, "this test", {}}, {})
                .factory;
        const auto make = [selected,
                           state = state_](const asio_aio::options& opts, detail::event& finished) {
            detail::engine_list engines = selected(opts, finished);
            // The tests' files are buffered: under libaio the pool serves them.
            auto& serving =
                engines.front()->kind() == backend::libaio ? engines.back() : engines.front();
            serving = std::make_unique<holding_engine>(std::move(serving), state, finished);
            return engines;
        };
        asio::use_service<detail::file_service>(context).scheduler().use_engines(make);
    }

    std::size_t held() const { return state_->held(); }

    /// Waits until other threads, which run the context, have `count` operations held. False after
    /// the deadline.
    [[nodiscard]] bool wait_for(std::size_t count) {
        return state_->wait_for(count, std::chrono::seconds(deadline_seconds / 2));
    }

    /// Runs the context on this thread until `count` operations are held.
    void run_until_held(asio::io_context& ctx, std::size_t count) {
        while (held() < count)
            BOOST_REQUIRE(run_one_with_deadline(ctx) == 1u);
    }

    /// Releases the held operations. Later operations are not held.
    void release() { state_->release(); }

private:
    std::shared_ptr<hold_state> state_;
};

} // namespace test
