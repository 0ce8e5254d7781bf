// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/engine_set.hpp>

#include <sys/eventfd.h>
#include <unistd.h>
#include <cerrno>

namespace asio_aio::detail {

int event::open() noexcept {
    if (descriptor_ != -1)
        return 0;
    descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor_ == -1 ? -errno : 0;
}

void event::close() noexcept {
    if (descriptor_ != -1)
        ::close(descriptor_);
    descriptor_ = -1;
}

void event::raise() noexcept {
    if (raised_.exchange(true, std::memory_order_acq_rel))
        return;
    // Cannot fail but by EAGAIN, at 2^64 - 2 unread wake-ups: then it is readable anyway.
    [[maybe_unused]] const int ignored = ::eventfd_write(descriptor_, 1);
}

void event::clear() noexcept {
    wake_ups_.fetch_add(1, std::memory_order_relaxed);
    eventfd_t count;
    [[maybe_unused]] const int ignored = ::eventfd_read(descriptor_, &count); // EAGAIN: nothing to clear
    // After the read: a raise in between finds `true` and writes nothing, but its completions are reaped by our caller.
    raised_.exchange(false, std::memory_order_acq_rel);
}

void engine_set::submit(op_queue& batch) noexcept {
    if (batch.empty())
        return;
    batches_.fetch_add(1, std::memory_order_relaxed);
    // Only one thread submits at a time (the service's flush), so no maximum is lost between load and store.
    if (batch.size() > largest_batch_.load(std::memory_order_relaxed))
        largest_batch_.store(batch.size(), std::memory_order_relaxed);
    if (engines_.size() > 1) { // once with the pool, an operation stays there
        op_queue passed;
        batch.extract_if([](const operation& op) { return op.passed != pass_reason::none; }, passed);
        engines_.back()->submit(passed);
    }
    engines_.front()->submit(batch);
}

void engine_set::reap(op_queue& done) noexcept {
    op_queue finished;
    engines_.front()->reap(finished);
    if (engines_.size() > 1) {
        pass_on(finished);
        engines_.back()->reap(finished);
    }
    done.splice(finished);
}

/// Gives to the pool what the chosen engine could not do.
void engine_set::pass_on(op_queue& finished) noexcept {
    op_queue passed;
    finished.extract_if([](const operation& op) { return op.passed != pass_reason::none; }, passed);
    passed.for_each(
        [this](const operation& op) { passed_[std::size_t(op.passed)].fetch_add(1, std::memory_order_relaxed); });
    engines_.back()->submit(passed);
}

void engine_set::cancel(file_handle& file) noexcept {
    for (auto& each : engines_)
        each->cancel(file);
}

void engine_set::cancel(operation& op) noexcept {
    for (auto& each : engines_)
        each->cancel(op);
}

void engine_set::stop(op_queue& abandoned) noexcept {
    for (auto& each : engines_)
        each->stop(abandoned);
}

void engine_set::prepare_fork(op_queue& pending) noexcept {
    engine& first = *engines_.front();
    engines_.back()->submit(pending); // the pool, which any thread may give something to
    first.prepare_fork();
    if (engines_.size() > 1) {
        // What it could not do is done now, and what is finished waits with the pool.
        op_queue finished;
        first.reap(finished);
        finished.for_each([](operation& op) {
            if (op.passed == pass_reason::none)
                op.passed = is_to_be_repeated(op.kind, op.result) ? pass_reason::unsupported : pass_reason::to_close;
        });
        pass_on(finished);
        engines_.back()->prepare_fork();
    }
}

int engine_set::become_child() noexcept {
    event_.close(); // shared with the parent: reading it would take the parent's wake-ups
    if (const int error = event_.open())
        return error;
    for (auto& each : engines_)
        each->become_child();
    event_.clear();
    event_.raise(); // what was finished before the fork and not yet reaped
    return 0;
}

engine_counters engine_set::counters() const noexcept {
    engine_counters sum;
    for (const auto& each : engines_) {
        const engine_counters one = each->counters();
        sum.kernel_entries += one.kernel_entries;
        sum.threads += one.threads;
        sum.resubmitted += one.resubmitted;
    }
    return sum;
}

} // namespace asio_aio::detail
