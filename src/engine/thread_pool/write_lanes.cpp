// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/write_lanes.hpp"

#include <algorithm>
#include <new>

namespace asio_aio::detail {

bool write_lanes::push(operation& op) noexcept {
    if (op.kind != op_kind::write || op.state() == op_state::to_close || is_slow(op))
        return false;
    write_state* const writes = op.file->buffered();
    if (!writes)
        return false;
    try {
        if (!writes->lane)
            writes->lane = find(writes->inode);
    } catch (const std::bad_alloc&) {
        return false;
    }
    writes->lane->waiting.push(&op);
    ++waiting_;
    update(*writes->lane);
    return true;
}

std::shared_ptr<write_lane> write_lanes::find(const inode_id& id) {
    if (lanes_.size() >= sweep_at_) {
        for (auto each = lanes_.begin(); each != lanes_.end();)
            each = each->second.expired() ? lanes_.erase(each) : std::next(each);
        sweep_at_ = std::max(sweep_at_, 2 * lanes_.size());
    }
    std::weak_ptr<write_lane>& known = lanes_[id];
    std::shared_ptr<write_lane> lane = known.lock();
    if (!lane)
        known = lane = std::make_shared<write_lane>(slow_from_);
    return lane;
}

void write_lanes::remove(operation& op) noexcept {
    write_lane& lane = *op.file->buffered()->lane;
    lane.waiting.remove(op);
    --waiting_;
    update(lane);
}

void write_lanes::extract_cancelled(file_handle& file, op_queue& cancelled) noexcept {
    // A file that is being opened has no operation here, and its members are not for this thread.
    if (!file.is_open() || !file.buffered() || !file.buffered()->lane)
        return;
    write_lane& lane = *file.buffered()->lane;
    const std::size_t before = cancelled.size();
    lane.waiting.extract_cancelled(file, cancelled);
    waiting_ -= cancelled.size() - before;
    update(lane);
}

operation& write_lanes::take(std::shared_ptr<write_lane>& lane) noexcept {
    constexpr unsigned lists = 4;
    do
        next_list_ = (next_list_ + 1) % lists;
    while (!may_run(next_list_));
    operation& op = *lists_[next_list_].first()->waiting.pop();
    lane = op.file->buffered()->lane;
    --waiting_;
    lane->runs_slow = !lane->speed.is_fast();
    ++running_like(*lane);
    ++lane->running;
    update(*lane);
    return op;
}

void write_lanes::hold_up(write_lane& lane) noexcept {
    --running_like(lane);
    --lane.running;
    ++held_up_;
    ++lane.held_up;
    update(lane);
}

void write_lanes::end(write_lane& lane, bool was_held_up) noexcept {
    --(was_held_up ? held_up_ : running_like(lane));
    --(was_held_up ? lane.held_up : lane.running);
    update(lane);
}

/// True if a worker may take an operation of the first lane in this list.
bool write_lanes::may_run(unsigned which) const noexcept {
    return lists_[which].first() &&
        ((which & is_slow_lane) != 0 ? running_slow_ < most_.slow : running_fast_ < most_.fast) &&
        ((which & is_joined) == 0 || held_up_ < most_.joining);
}

unsigned& write_lanes::running_like(const write_lane& lane) noexcept {
    return lane.runs_slow ? running_slow_ : running_fast_;
}

/// Moves the lane to the list where it belongs now, behind the others.
void write_lanes::update(write_lane& lane) noexcept {
    lane_list* wanted = nullptr;
    if (!lane.waiting.empty() && lane.running == 0)
        wanted =
            &lists_
                [(lane.speed.is_fast() ? 0 : is_slow_lane) + (lane.held_up == 0 ? 0 : is_joined)];
    if (wanted == lane.list)
        return;
    if (lane.list)
        lane.list->remove(lane);
    if (wanted)
        wanted->push(lane);
}

void lane_list::push(write_lane& lane) noexcept {
    lane.list = this;
    lane.before = last_;
    lane.after = nullptr;
    (last_ ? last_->after : first_) = &lane;
    last_ = &lane;
}

void lane_list::remove(write_lane& lane) noexcept {
    lane.list = nullptr;
    (lane.before ? lane.before->after : first_) = lane.after;
    (lane.after ? lane.after->before : last_) = lane.before;
}

} // namespace asio_aio::detail
