// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/thread_pool/work_queue.hpp"

#include <asio_aio/detail/core/op_queue.hpp>

#include <sys/types.h>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

namespace asio_aio::detail {

class lane_list;

/// The buffered writes of one inode.
/**
 * The kernel performs them one after another, because each one takes the lock of the inode. Workers
 * that perform some at the same time wait for each other. So one worker performs them, in order of
 * arrival. Another worker joins if that one is held up.
 */
struct write_lane : work_queue {
    explicit write_lane(std::int64_t slow_from) noexcept
        : work_queue(waiting_at::lane, slow_from) {}

    bool runs_slow = false; ///< What `speed` said when its worker took an operation.

    // Where it is listed, if it has work.
    lane_list* list = nullptr;
    write_lane *before = nullptr, *after = nullptr;
};

/// Lanes that take turns.
class lane_list {
public:
    write_lane* first() const noexcept { return first_; }
    void push(write_lane& lane) noexcept;
    void remove(write_lane& lane) noexcept;

private:
    write_lane *first_ = nullptr, *last_ = nullptr;
};

/// The lanes of all files that one pool writes. Not synchronised: the pool's mutex guards this.
class write_lanes {
public:
    /// How many workers at a time may write.
    struct limits {
        unsigned fast;    ///< In lanes whose writes only copy.
        unsigned slow;    ///< In lanes whose writes wait for something.
        unsigned joining; ///< Held up, where another one may join.
    };

    /// @param slow_from See `pace`.
    write_lanes(const limits& most, std::int64_t slow_from) noexcept
        : most_(most), slow_from_(slow_from) {}
    write_lanes(const write_lanes&) = delete;
    write_lanes& operator=(const write_lanes&) = delete;

    /// Adds an operation to the lane of its file. Returns false if it is none for a lane.
    bool push(operation& op) noexcept;

    /// True if `op` waits in a lane; `op` may be any operation that is alive.
    static bool holds(const operation& op) noexcept {
        const backlog* const where = op.waits_in.load(std::memory_order_relaxed);
        return where && where->is_at(waiting_at::lane);
    }

    /// Removes an operation that waits in a lane.
    void remove(operation& op) noexcept;
    void extract_cancelled(file_handle& file, op_queue& cancelled) noexcept;

    /// Moves all operations for which `wanted` is true to the end of `to`.
    template <typename Predicate>
    void extract_if(Predicate wanted, op_queue& to) noexcept;

    /// The number of operations that wait.
    std::size_t waiting() const noexcept { return waiting_; }

    /// True if a worker that is awake may take an operation.
    bool has_work() const noexcept { return may_run(0) || may_run(1) || may_run(2) || may_run(3); }

    /// Takes an operation for a worker, and the lane, which the worker keeps until `end`. There
    /// must be work. Lanes take turns.
    operation& take(std::shared_ptr<write_lane>& lane) noexcept;

    /// The worker that took an operation of this lane is held up: another one may join.
    void hold_up(write_lane& lane) noexcept;

    /// A worker has performed its operation.
    void end(write_lane& lane, bool was_held_up) noexcept;

private:
    struct inode_hash {
        std::size_t operator()(const inode_id& id) const noexcept {
            return std::hash<ino_t>()(id.inode) ^ std::hash<dev_t>()(id.device) << 1;
        }
    };

    std::shared_ptr<write_lane> find(const inode_id& id);
    bool may_run(unsigned which) const noexcept;
    unsigned& running_like(const write_lane& lane) noexcept;
    void update(write_lane& lane) noexcept;

    const limits most_;
    const std::int64_t slow_from_;
    /// By inode, so that files of one inode share a lane. Each file owns its lane.
    std::unordered_map<inode_id, std::weak_ptr<write_lane>, inode_hash> lanes_;
    std::size_t sweep_at_ = 64; ///< The number of lanes at which ended ones are removed.
    /// Lanes that have work and no worker, or only such that are held up. The index is a sum of the
    /// constants below.
    lane_list lists_[4];
    static constexpr unsigned is_slow_lane = 1, is_joined = 2;
    unsigned next_list_ = 0;
    std::size_t waiting_ = 0;
    unsigned running_fast_ = 0, running_slow_ = 0; ///< Workers that are not held up.
    unsigned held_up_ = 0;                         ///< In all lanes.
};

template <typename Predicate>
void write_lanes::extract_if(Predicate wanted, op_queue& to) noexcept {
    const std::size_t before = to.size();
    for (auto& each : lanes_)
        if (const auto lane = each.second.lock()) {
            lane->waiting.extract_if(wanted, to);
            update(*lane);
        }
    waiting_ -= to.size() - before;
}

} // namespace asio_aio::detail
