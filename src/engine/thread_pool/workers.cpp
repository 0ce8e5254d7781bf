// SPDX-License-Identifier: BSL-1.0
// The workers of the pool: what each one does.
#include "engine/thread_pool/engine.hpp"

#include "engine/thread_pool/judge.hpp"

#include <poll.h>
#include <algorithm>
#include <cerrno>
#include <utility>

namespace asio_aio::detail {

void* thread_pool_engine::worker_main(void* self) noexcept {
    static_cast<thread_pool_engine*>(self)->work();
    return nullptr;
}

void thread_pool_engine::work() noexcept {
    lock held(mutex_);
    --starting_;
    next_start_ = 0;
    seat& place = take_seat();
    stranded_since_ = 0;
    std::int64_t time = now();
    for (;;) {
        if (take(place, time)) {
            if (time - looked_ > nanoseconds(settings_.tick) && waiting() != 0)
                find_held_up(time);
            const help wanted = plan_help();
            const bool announces = should_announce(*place.from, time);
            held.unlock();
            if (announces)
                finished_.raise();
            give(wanted);
            if (announces || wanted.what != help::kind::none)
                time = now(); // a wake-up says nothing about the operation
            const bool finished = perform(place);
            const std::int64_t end = now();
            held.lock();
            place.from->speed.add(end - time);
            put_away(place, finished, end);
            time = end;
        } else if (unannounced_) {
            announce(held);
        } else if (wait_for_work(place, held)) {
            time = now();
        } else {
            break;
        }
    }
    place.taken = false;
    leave(held);
}

/// Finds a free seat. There are as many seats as there may be workers.
thread_pool_engine::seat& thread_pool_engine::take_seat() noexcept {
    const auto free =
        std::find_if(seats_.begin(), seats_.end(), [](const seat& each) { return !each.taken; });
    free->taken = true;
    return *free;
}

/// Takes an operation, if there is work. The three kinds of queues take turns, so that none starves.
bool thread_pool_engine::take(seat& place, std::int64_t time) noexcept {
    place.since = time;
    constexpr unsigned sources = 3;
    for (unsigned tried = 0; tried != sources; ++tried) {
        const unsigned source = next_source_;
        next_source_ = (next_source_ + 1) % sources;
        if (source == 0 && fast_.has_work(processors_)) {
            sit_down(place, *fast_.waiting.pop(), fast_);
        } else if (source == 1 && slow_may_run() && slow_.has_work(processors_)) {
            ++slow_running_;
            sit_down(place, *slow_.waiting.pop(), slow_);
        } else if (source == 2 && lanes_.has_work()) {
            operation& op = lanes_.take(place.lane);
            sit_down(place, op, *place.lane);
        } else {
            continue;
        }
        return true;
    }
    return false;
}

void thread_pool_engine::sit_down(seat& place, operation& op, work_queue& from) noexcept {
    place.op = &op;
    place.from = &from;
    ++working_;
    if (!place.lane)
        ++from.running;
    if (op.kind == op_kind::open && !op.is_cancelled())
        place.opening = op.file;
    ++calls_;
}

/// The operation of this worker takes long: another worker may join.
void thread_pool_engine::hold_up(seat& place) noexcept {
    if (std::exchange(place.is_held_up, true))
        return;
    --working_;
    if (place.lane)
        return lanes_.hold_up(*place.lane);
    --place.from->running;
    ++place.from->held_up;
}

void thread_pool_engine::end_work(seat& place) noexcept {
    const bool was_held_up = std::exchange(place.is_held_up, false);
    work_queue& from = *std::exchange(place.from, nullptr);
    working_ -= !was_held_up;
    if (const auto lane = std::exchange(place.lane, nullptr))
        lanes_.end(*lane, was_held_up);
    else
        --(was_held_up ? from.held_up : from.running);
}

/// Performs the operation of this worker. Returns false if it has to be repeated.
bool thread_pool_engine::perform(seat& place) noexcept {
    if (place.opening) {
        perform_open(place);
        return true;
    }
    operation& op = *place.op;
    if (op.state() == op_state::to_close) {
        place.closer = op.close_file();
        return true;
    }
    if (op.is_cancelled()) { // between two queues `cancel` could not find it
        place.closer = op.take_result_and_close(-ECANCELED);
        return true;
    }
    const int result = settings_.perform(op);
    if (op.passed == pass_reason::refused && result >= 0 && op.file)
        op.file->refuse(); // the operation was valid, so the engine cannot serve the file
    const judgement found = judge_call(op, result);
    if (found.what == verdict::retry) {
        constexpr int pause_ms = 1;
        ::poll(nullptr, 0, pause_ms); // otherwise this would be a busy loop
        return false;
    }
    // on this thread and not on the loop's, because close(2) may block
    place.closer = op.take_result_and_close(found.result);
    return true;
}

namespace {

/// Stands for an open while it is performed, because the operation itself may be abandoned.
struct open_in_progress final : operation {
    explicit open_in_progress(const file_ref& opening) : operation(op_kind::open, no_fates) {
        file = opening;
    }

    static constexpr fates no_fates{
        [](operation&, operation*& owner) { owner = nullptr; }, [](operation&) noexcept {}};
};

} // namespace

void thread_pool_engine::perform_open(seat& place) noexcept {
    int result = 0;
    {
        open_in_progress opening(place.opening);
        result = settings_.perform(opening);
    }
    file_ref file;
    operation* op = nullptr;
    {
        const lock held(mutex_);
        file = std::move(place.opening); // from now on the operation is not abandoned
        op = place.op;
    }
    if (!op)
        return file->close_unused();
    file.reset(); // now the operation is the only user beside the file object
    place.closer = op->take_result_and_close(result);
}

/// Puts the operation of a worker away: as finished, or behind the others to be repeated.
void thread_pool_engine::put_away(seat& place, bool finished, std::int64_t time) noexcept {
    if (std::exchange(place.is_extra, false))
        --extra_;
    else
        slow_running_ -= place.from == &slow_;
    end_work(place);
    operation* op = std::exchange(place.op, nullptr);
    operation* closer = std::exchange(place.closer, nullptr);
    bool has_result = op || closer; // neither: it was an open that was abandoned
    if (finished) {
        done_.push_if(op);
        done_.push_if(closer);
    } else if (op->is_cancelled()) { // while the worker had it
        has_result = abort(op);
    } else {
        has_result = false;
        ++repeated_;
        if (ending_) // otherwise this worker would never end
            postponed_.push(op);
        else
            queue(op);
    }
    if (has_result && !std::exchange(unannounced_, true))
        unannounced_since_ = time;
}

/// Decides whether the loop is woken before the next operation, which is `from` this queue.
/**
 * A wake-up costs more than a fast operation. So the loop gets fast operations in groups, and early
 * enough that it can start others before the pool has nothing to do.
 */
bool thread_pool_engine::should_announce(const work_queue& from, std::int64_t time) noexcept {
    constexpr std::size_t most = 64;
    constexpr std::int64_t longest = 50'000; // nanoseconds
    if (!unannounced_ ||
        (watching_ && from.speed.is_fast() && done_.size() < std::min(waiting(), most) &&
         time - unannounced_since_ < longest))
        return false;
    unannounced_ = false;
    return true;
}

void thread_pool_engine::announce(lock& held) noexcept {
    unannounced_ = false;
    held.unlock();
    finished_.raise();
    held.lock();
}

std::size_t thread_pool_engine::waiting() const noexcept {
    return fast_.waiting.size() + slow_.waiting.size() + lanes_.waiting();
}

bool thread_pool_engine::has_work() const noexcept {
    return fast_.has_work(processors_) || (slow_may_run() && slow_.has_work(processors_)) ||
        lanes_.has_work();
}

} // namespace asio_aio::detail
