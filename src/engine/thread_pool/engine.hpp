// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/event.hpp"
#include "engine/engine.hpp"
#include "engine/thread_pool/work_queue.hpp"
#include "engine/thread_pool/worker_thread.hpp"
#include "engine/thread_pool/write_lanes.hpp"

#include <asio_aio/detail/core/posix_file.hpp>

#include <pthread.h>
#include <sys/types.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace asio_aio::detail {

struct thread_pool_settings {
    unsigned max_threads = 32;

    /// A worker ends after this time without work, unless it is the last idle one.
    std::chrono::milliseconds idle_time = std::chrono::seconds(10);

    /// A worker is held up if its operation takes one to two ticks. Then another worker joins.
    std::chrono::milliseconds tick = std::chrono::milliseconds(1);

    /// Operations that take longer on average wait for something, and get more workers.
    std::chrono::nanoseconds slow_from = std::chrono::microseconds(30);

    /// The processors for which fast operations have workers; 0: those that this process may use.
    unsigned processors = 0;

    /// If no thread can be started, operations wait this long for the first one. Then they fail.
    std::chrono::milliseconds thread_patience = std::chrono::seconds(5);

    /// The function that a worker calls for an operation. Tests replace it.
    int (*perform)(operation&) noexcept = &posix_file::perform;

    /// The function that starts a worker. Tests replace it.
    int (*start)(pthread_t&, void* (*)(void*), void*) noexcept = &create_worker_thread;
};

/// Performs every kind of operation by a system call on one of its threads.
/**
 * Uses only POSIX, apart from posix_file. The number of tasks may be limited (RLIMIT_NPROC,
 * pids.max). The engine therefore keeps its last idle worker until it ends. If the first worker
 * cannot be started, operations wait, and `submit` and `reap` try again.
 *
 * Fast operations, which only copy, get no more workers than there are processors, and are announced
 * in groups: a thread that is woken costs more than such an operation. While operations wait for
 * that reason, an idle worker watches. At each tick it announces what is finished and finds the
 * workers that are held up, for which others join.
 */
class thread_pool_engine final : public engine {
public:
    thread_pool_engine(const thread_pool_settings& settings, event& finished);
    ~thread_pool_engine() override;

    backend kind() const noexcept override { return backend::thread_pool; }
    bool serves(const file_handle&) const noexcept override { return true; }
    pass_reason why_not(operation&) const noexcept override { return pass_reason::none; }
    void submit(op_queue& batch) noexcept override;
    void reap(op_queue& done) noexcept override;
    void reap_before_fork(op_queue& done) noexcept override;
    void cancel(file_handle& file) noexcept override;
    void cancel(operation& op) noexcept override;
    void stop(op_queue& abandoned) noexcept override;
    void prepare_fork() noexcept override;
    void become_child() noexcept override;
    engine_counters counters() const noexcept override;

private:
    using lock = std::unique_lock<std::mutex>;

    /// Where a worker sits while it performs operations.
    struct seat {
        bool taken = false;
        operation* op = nullptr;     ///< Null if `abandon_opens` took the operation away.
        operation* closer = nullptr; ///< The operation that waited for the close of a file.
        file_ref opening;            ///< The file that is being opened; `op` may be abandoned.
        bool is_extra = false;       ///< Counted in `extra_`.
        work_queue* from = nullptr;  ///< Where its operation waited; null between two operations.
        std::shared_ptr<write_lane> lane; ///< If `from` is a lane.
        bool is_held_up = false;
        std::int64_t since = 0; ///< When it took the operation.

        std::condition_variable call; ///< Its worker sleeps until `is_called`.
        bool is_called = false;
        seat* next_sleeper = nullptr;
    };

    /// How to get one more worker.
    struct help {
        enum class kind : unsigned char { none, sleeper, watcher, new_worker };
        kind what = kind::none;
        seat* sleeper = nullptr;
    };

    static void* worker_main(void* self) noexcept;
    void work() noexcept;
    seat& take_seat() noexcept;
    bool take(seat& place, std::int64_t time) noexcept;
    void sit_down(seat& place, operation& op, work_queue& from) noexcept;
    void hold_up(seat& place) noexcept;
    void end_work(seat& place) noexcept;
    bool perform(seat& place) noexcept;
    void perform_open(seat& place) noexcept;
    void put_away(seat& place, bool finished, std::int64_t time) noexcept;
    bool should_announce(const work_queue& from, std::int64_t time) noexcept;
    void announce(lock& held) noexcept;
    template <typename Predicate>
    bool abandon_opens(Predicate wanted) noexcept;
    void queue(operation* op) noexcept;
    bool abort(operation* op) noexcept;
    backlog* find(const operation& op) noexcept;
    std::size_t waiting() const noexcept;
    bool slow_may_run() const noexcept { return slow_running_ < max_slow_; }
    bool has_work() const noexcept;
    bool is_worth_waking() const noexcept;
    bool needs_watch() const noexcept;
    bool wait_for_work(seat& place, lock& held) noexcept;
    bool spin(lock& held) noexcept;
    void watch(lock& held) noexcept;
    bool sleep(seat& place, lock& held) noexcept;
    void leave_sleepers(const seat& place) noexcept;
    void find_held_up(std::int64_t time) noexcept;
    bool is_only_idle_worker() const noexcept;
    bool may_start_worker() const noexcept;
    help plan_help() noexcept;
    bool give(const help& wanted) noexcept;
    void manage_without() noexcept;
    void fail(op_queue& failed) noexcept;
    bool is_stranded() const noexcept;
    bool find_worker() noexcept;
    void leave(lock& held) noexcept;
    void end_workers(lock& held) noexcept;
    void forget_workers(op_queue& abandoned) noexcept;
    void take_waiting(op_queue& all) noexcept;
    void cancel_repeats(op_queue& twice) noexcept;

    const thread_pool_settings settings_;
    /// The number of workers that slow kinds may occupy, so that reads continue during syncs.
    const unsigned max_slow_;
    const unsigned processors_;
    event& finished_;
    pid_t process_; ///< The process of the workers.

    /// Guards everything below. No call on a file is made under it, not even close(2).
    mutable std::mutex mutex_;
    std::condition_variable tick_; ///< The watching worker waits for it.
    std::condition_variable all_ended_;
    work_queue fast_, slow_; ///< By `is_slow`; writes that take turns are in `lanes_`.
    write_lanes lanes_;
    op_queue done_;
    bool unannounced_ = false; ///< `done_` has operations for which the event was not raised.
    std::int64_t unannounced_since_ = 0;
    /// Operations to repeat after the workers that are ending have ended.
    op_queue postponed_;
    std::vector<seat> seats_; ///< One for each worker that there may be.
    unsigned workers_ = 0;    ///< With those that are being started.
    unsigned starting_ = 0;   ///< Whether they will run is not known yet.
    unsigned working_ = 0;    ///< With an operation, and not held up.
    /// Workers whose open was cancelled and has not returned. They do not count for the limits, as
    /// long as they are no more than `max_threads`.
    unsigned extra_ = 0;
    unsigned slow_running_ = 0;
    unsigned next_source_ = 0; ///< Of the next operation; see `take`.

    // Idle workers: at most one spins, at most one watches, the others sleep.
    seat* sleepers_ = nullptr; ///< The last one that fell asleep is the first.
    unsigned waking_ = 0;      ///< Workers that were called and do not run yet.
    bool watching_ = false;
    bool spinning_ = false;
    std::atomic<bool> spin_ends_{false};
    static constexpr std::int64_t longest_spin = 50'000; // nanoseconds
    std::int64_t idle_since_ = 0;                        ///< When a worker found no work last.
    pace idle_time_{longest_spin};                       ///< How long there was no work lately.
    std::int64_t looked_ = 0; ///< When somebody looked for workers that are held up.
    /// No thread could be started lately. While there are workers, none is tried before this time.
    std::int64_t next_start_ = 0;
    /// Since when operations wait for the first worker; zero if none does.
    std::int64_t stranded_since_ = 0;
    /// Workers end as soon as they find no work.
    bool ending_ = false;
    std::uint64_t calls_ = 0, repeated_ = 0;
    pthread_t last_ended_{}; ///< Has joined all that ended before it; valid if `any_ended_`.
    bool any_ended_ = false;
};

} // namespace asio_aio::detail
