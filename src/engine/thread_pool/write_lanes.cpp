// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/write_lanes.hpp"

#include <algorithm>
#include <new>

namespace asio_aio::detail {

bool write_lanes::push(operation& op) noexcept {
    if (op.kind != op_kind::write || op.state() == op_state::to_close)
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
    lane.waiting.extract_if(
        [&](const operation& op) { return op.file.operator->() == &file && op.is_cancelled(); },
        cancelled);
    waiting_ -= cancelled.size() - before;
    update(lane);
}

operation& write_lanes::take(std::shared_ptr<write_lane>& lane) noexcept {
    operation& op = *first_->waiting.pop();
    lane = op.file->buffered()->lane;
    --waiting_;
    ++running_;
    ++lane->running;
    remove_from_list(*lane);
    update(*lane); // behind the others
    return op;
}

void write_lanes::hold_up(write_lane& lane) noexcept {
    --running_;
    --lane.running;
    ++held_up_;
    ++lane.held_up;
    update(lane);
}

void write_lanes::end(write_lane& lane, bool was_held_up) noexcept {
    --(was_held_up ? held_up_ : running_);
    --(was_held_up ? lane.held_up : lane.running);
    update(lane);
}

bool write_lanes::may_continue(const write_lane& lane) const noexcept {
    return lane.has_work(1) && (lane.held_up == 0 || held_up_ < most_joining_);
}

/// Brings the list up to date, after a change of the lane.
void write_lanes::update(write_lane& lane) noexcept {
    const bool wanted = may_continue(lane);
    if (wanted == lane.is_listed)
        return;
    wanted ? add_to_list(lane) : remove_from_list(lane);
}

void write_lanes::add_to_list(write_lane& lane) noexcept {
    lane.before = last_;
    lane.after = nullptr;
    (last_ ? last_->after : first_) = &lane;
    last_ = &lane;
    lane.is_listed = true;
}

void write_lanes::remove_from_list(write_lane& lane) noexcept {
    (lane.before ? lane.before->after : first_) = lane.after;
    (lane.after ? lane.after->before : last_) = lane.before;
    lane.is_listed = false;
}

} // namespace asio_aio::detail
