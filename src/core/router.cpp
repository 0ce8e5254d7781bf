// SPDX-License-Identifier: BSL-1.0
#include "core/router.hpp"

namespace asio_aio::detail {

void router::submit(op_queue& batch) noexcept {
    if (batch.empty())
        return;
    count_batch(batch.size());
    if (has_two()) {
        op_queue to_pool;
        batch.extract_if([this](operation& op) { return !goes_to_chosen(op); }, to_pool);
        if (!to_pool.empty())
            pool().submit(to_pool);
    }
    chosen().submit(batch);
}

void router::count_batch(std::size_t size) noexcept {
    batches_.fetch_add(1, std::memory_order_relaxed);
    // One round at a time submits, so no maximum is lost between load and store.
    if (size > largest_batch_.load(std::memory_order_relaxed))
        largest_batch_.store(size, std::memory_order_relaxed);
}

/// Returns whether the chosen engine gets the operation; if not, counts the reason.
bool router::goes_to_chosen(operation& op) noexcept {
    if (op.state() == op_state::to_close)
        return false;
    op.passed = route(op);
    if (op.passed == pass_reason::none)
        return true;
    passed_[std::size_t(op.passed)].fetch_add(1, std::memory_order_relaxed);
    return false;
}

void router::reap(op_queue& done) noexcept {
    op_queue reaped;
    chosen().reap(reaped);
    if (has_two()) {
        op_queue returned;
        reaped.extract_if(
            [](const operation& op) { return op.state() != op_state::finished; }, returned);
        give_to_pool(returned);
        pool().reap(reaped);
    }
    done.splice(reaped);
}

/// Submits to the pool what the chosen engine handed back: operations that it passed, and finished
/// operations whose file has to be closed.
void router::give_to_pool(op_queue& returned) noexcept {
    returned.for_each([this](const operation& op) {
        if (op.state() == op_state::pending)
            passed_[std::size_t(op.passed)].fetch_add(1, std::memory_order_relaxed);
    });
    if (!returned.empty())
        pool().submit(returned);
}

void router::cancel(file_handle& file) noexcept {
    for (auto& each : engines_)
        each->cancel(file);
}

void router::cancel(operation& op) noexcept {
    for (auto& each : engines_)
        each->cancel(op);
}

void router::stop(op_queue& abandoned) noexcept {
    for (auto& each : engines_)
        each->stop(abandoned);
}

void router::prepare_fork(op_queue& pending, op_queue& done) noexcept {
    pool().submit(pending); // any thread may submit to the pool
    chosen().prepare_fork();
    if (has_two()) {
        op_queue reaped, returned;
        chosen().reap(reaped);
        reaped.extract_if(
            [](const operation& op) { return op.state() != op_state::finished; }, returned);
        give_to_pool(returned);
        done.splice(reaped);
        pool().prepare_fork();
    }
    pool().reap_before_fork(done);
}

int router::become_child() noexcept {
    finished_.close(); // shared with the parent: a read would take the parent's wake-ups
    if (const int error = finished_.open())
        return error;
    for (auto& each : engines_)
        each->become_child();
    finished_.clear();
    finished_.raise(); // for completions from before the fork that no round has taken
    return 0;
}

engine_counters router::counters() const noexcept {
    engine_counters sum;
    for (const auto& each : engines_) {
        const engine_counters one = each->counters();
        sum.kernel_entries += one.kernel_entries;
        sum.threads += one.threads;
        sum.resubmitted += one.resubmitted;
        sum.with_fixed_buffers += one.with_fixed_buffers;
    }
    return sum;
}

void router::add_to(context_statistics& sum) const noexcept {
    const engine_counters of_engines = counters();
    sum.kernel_entries =
        of_engines.kernel_entries + sum.inline_hits + sum.inline_misses + sum.inline_writes;
    sum.threads = of_engines.threads;
    sum.retried = of_engines.resubmitted;
    sum.fixed_buffers = of_engines.with_fixed_buffers;
    sum.batches = batches_.load(std::memory_order_relaxed);
    sum.largest_batch = largest_batch_.load(std::memory_order_relaxed);
    sum.wake_ups = finished_.wake_ups();
    sum.passed_unsupported = passed(pass_reason::unsupported);
    sum.passed_refused = passed(pass_reason::refused);
    sum.passed_buffered = passed(pass_reason::buffered);
    sum.passed_would_wait = passed(pass_reason::would_wait);
}

} // namespace asio_aio::detail
