// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/event.hpp"
#include "engine/engine.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

namespace test {

namespace detail = asio_aio::detail;

/// An engine without a kernel or a thread: the test decides when an operation is finished.
class scripted_engine final : public detail::engine {
public:
    using predicate = bool (*)(const detail::operation&);

    /// `accepts` decides which operations are routed here.
    scripted_engine(asio_aio::backend kind, detail::event& finished, predicate accepts)
        : kind_(kind), finished_(finished), accepts_(accepts) {}

    asio_aio::backend kind() const noexcept override { return kind_; }
    bool serves(const detail::file_handle&) const noexcept override { return true; }
    detail::pass_reason why_not(detail::operation& op) const noexcept override {
        return accepts_(op) ? detail::pass_reason::none : detail::pass_reason::unsupported;
    }

    void submit(detail::op_queue& batch) noexcept override {
        while (detail::operation* op = batch.pop()) {
            if (op->state() == detail::op_state::to_close) {
                held_.push_back(op);
                continue;
            }
            op->become(detail::op_state::with_engine);
            ++submissions_;
            if (detail::is_flush(op->kind))
                flushes_begun_[op] = now_ ? *now_ : 0;
            if (!op->is_cancelled()) {
                held_.push_back(op);
                continue;
            }
            finish(*op, -ECANCELED); // `reap` follows in the same round: no event needed
        }
    }

    void reap(detail::op_queue& done) noexcept override { done.splice(done_); }

    void cancel(detail::file_handle& file) noexcept override {
        for (detail::operation* op : std::vector(held_))
            if (op->file.operator->() == &file)
                end_if_cancelled(*op);
    }

    void cancel(detail::operation& op) noexcept override {
        if (holds(op))
            end_if_cancelled(op);
    }

    void stop(detail::op_queue& abandoned) noexcept override {
        for (detail::operation* op : std::exchange(held_, {}))
            abandoned.push(op);
        abandoned.splice(done_);
    }

    void prepare_fork() noexcept override {
        while (!held_.empty())
            complete(*held_.front());
    }
    void become_child() noexcept override {}
    detail::engine_counters counters() const noexcept override { return {}; }

    // --- For the script ---

    bool holds(const detail::operation& op) const noexcept {
        return std::find(held_.begin(), held_.end(), &op) != held_.end();
    }

    /// Completes the operation with success, or closes its file. Raises the event if `raises`.
    void complete(detail::operation& op, bool raises = true) noexcept {
        forget(op);
        if (op.state() == detail::op_state::to_close) {
            done_.push(&op);
            done_.push_if(op.close_file());
        } else {
            if (detail::is_flush(op.kind))
                flushes_performed_.push_back(flushes_begun_[&op]);
            finish(op, detail::needs_thread(op.kind) ? 0 : 1);
        }
        if (raises)
            finished_.raise();
    }

    /// Passes the operation to the pool, as an engine does when the kernel refuses it.
    void pass(detail::operation& op) noexcept {
        forget(op);
        op.pass(detail::pass_reason::refused);
        done_.push(&op);
        finished_.raise();
    }

    unsigned submissions() const noexcept { return submissions_; }

    /// From now on `flushes_performed` uses this clock.
    void set_clock(const unsigned& now) noexcept { now_ = &now; }

    /// For each flush that was performed, when it was submitted.
    const std::vector<unsigned>& flushes_performed() const noexcept { return flushes_performed_; }

private:
    void end_if_cancelled(detail::operation& op) noexcept {
        if (op.state() != detail::op_state::with_engine || !op.is_cancelled())
            return;
        forget(op);
        finish(op, -ECANCELED);
        finished_.raise();
    }

    void forget(detail::operation& op) noexcept {
        held_.erase(std::find(held_.begin(), held_.end(), &op));
    }

    void finish(detail::operation& op, int result) noexcept {
        detail::operation* closer = nullptr;
        if (kind_ == asio_aio::backend::thread_pool)
            closer = op.take_result_and_close(result);
        else
            op.take_result(result);
        done_.push(&op);
        done_.push_if(closer);
    }

    const asio_aio::backend kind_;
    detail::event& finished_;
    const predicate accepts_;
    std::vector<detail::operation*> held_;
    detail::op_queue done_;
    unsigned submissions_ = 0;
    const unsigned* now_ = nullptr;
    std::map<const detail::operation*, unsigned> flushes_begun_;
    std::vector<unsigned> flushes_performed_;
};

} // namespace test
