// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/api.hpp>
#include <asio_aio/detail/core/cancel_gate.hpp>
#include <asio_aio/detail/core/op_queue.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/detail/core/registered_memory.hpp>
#include <asio_aio/options.hpp>
#include <asio_aio/statistics.hpp>

#include <sys/types.h>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace asio_aio::detail {

class call_thread;
class engine;
class event;
class counters;
class group_commit;
class router;

/// Returns what is wrong with `opts`, in words that name the option and its value; empty if nothing
/// is.
ASIO_AIO_API std::string find_fault(const options& opts);

/// The engines of a context, the chosen one first and the thread pool last. One engine if the pool
/// was chosen.
using engine_list = std::vector<std::unique_ptr<engine>>;
using engine_factory = std::function<engine_list(const options&, event&)>;

/// Why a round of the scheduler runs.
enum class turn : unsigned char {
    posted, ///< Because of `actions::post_round` or `actions::defer_round`.
    /// Because of `actions::arm_wait`: the event is readable, or the wait was cancelled.
    woken,
    /// Because of `actions::run_round_here`, inside the initiating function of the operation.
    lone_operation
};

/// What the owner of a scheduler performs after a call returned. The scheduler itself calls nobody.
struct actions {
    /// Wait once until the event is readable, and then run a round (`turn::woken`).
    bool arm_wait = false;
    bool post_round = false; ///< Run one round (`turn::posted`) on a thread that runs the context.
    /// As `post_round`, but as a continuation of the running function; see `asio::defer`.
    bool defer_round = false;
    /// If this thread runs the context, run a round now (`turn::lone_operation`). Otherwise post
    /// one.
    bool run_round_here = false;
    bool set_up = false; ///< Call `scheduler::set_up_elsewhere`.
};

/// One round in progress. Its owner delivers `done`. If some of it is left, the owner calls
/// `scheduler::take_back`.
struct round {
    turn why = turn::posted;
    bool submits = false; ///< This round takes what is pending; one round at a time does.
    actions todo;
    std::size_t reaped = 0;
    op_queue batch;       ///< Operations to submit.
    op_queue done;        ///< Operations to deliver.
    op_queue handed_back; ///< As `done`, from rounds that did not deliver them.
};

/// Everything between the start of an operation and its result, without Asio: queues, engines,
/// rounds, and the choice.
/**
 * Each function changes the state under the mutex and returns what its owner has to do next. A
 * started operation is pending until a round takes it. A round submits one batch to the engines and
 * takes the operations that are finished. While an engine has an operation, the wait for the
 * engines' event is armed.
 *
 * Thread-safe, except where a function's description differs.
 */
class ASIO_AIO_API scheduler final : public canceller {
public:
    scheduler();
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    ~scheduler();

    // --- Before the first file ---

    /// Sets the options. Returns 0, -EINVAL or `failure::already_open`.
    int configure(const options& opts);

    /// Sets what Asio's configuration says, as text; null or empty: nothing. `make_engines` reports
    /// what is wrong with it. Call it before anything else.
    void set_config(const char* engines, const char* queue_depth);

    /// Sets the engines instead of the choice, before the first file is opened. For tests that
    /// inject faults.
    void use_engines(engine_factory make);

    /// From now on the scheduler requests rounds by `actions::post_round`; before, by the event. A
    /// second call changes nothing.
    void begin_to_post() noexcept;

    /// Makes the engines' event, unless it exists. Returns 0 or -errno. No other function may run
    /// at the same time.
    int open_event() noexcept;

    /// Chooses and makes the engines, unless they exist. Blocks. The event must exist. Returns 0,
    /// -errno, or a value of `failure`.
    int make_engines();

    /// Makes the engines on a thread of its own, for the operations that wait for them. If no
    /// thread can be made, makes them here.
    void set_up_elsewhere() noexcept;

    /// What that thread does. If there is no engine, the operations fail with that error.
    void set_up() noexcept;

    // --- Files ---

    /// Opens a file; the engines must exist. Returns 0 or -errno of open(2). Throws std::bad_alloc.
    int open(const char* path, int flags, mode_t permissions, file_ref& file);

    /// Makes a file that an operation has to open. Throws std::bad_alloc.
    file_ref make_opening(std::string path, int flags, mode_t permissions) const;

    /// Takes over a descriptor. Throws std::bad_alloc; the descriptor then stays the caller's.
    void assign(int descriptor, file_ref& file);

    backend backend_of(const file_handle& file) const noexcept;

    /// Tries to read `bytes` bytes from memory, without an engine.
    /**
     * Returns true if `moved` bytes are the result of the read; 0 means the end of the file.
     * Returns false if an engine has to read what follows the first `moved` bytes.
     */
    bool read_inline(
        file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count,
        std::size_t bytes, std::size_t& moved) noexcept;

    /// Tries to write `bytes` bytes to a file that is in memory, without an engine. Returns as
    /// `read_inline`. An error is left to an engine.
    bool write_inline(
        file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count,
        std::size_t bytes, std::size_t& moved) noexcept;

    /// Finds the size of a file without an engine. Returns false if the kernel might wait for it, or
    /// if the options allow no inline reads.
    bool find_size_inline(const file_handle& file, std::uint64_t& bytes) noexcept;

    // --- Registered memory ---

    /// Registers memory with the chosen engine. Blocks. The engines must exist, and `find_fault`
    /// must find nothing. Throws std::bad_alloc. After `stop` the result is empty.
    registered_memory register_memory(const iovec* memory, std::size_t count);

    // --- Operations ---

    /// Takes over an operation. Returns false after `stop`: the caller then keeps the operation and
    /// discards it. If its `turn` is set, it waits until earlier ones of the file have ended.
    [[nodiscard]] bool start(operation& op, actions& todo) noexcept;

    /// Takes over an operation that closes a file, and the file object's use of it. The operation
    /// completes after the last operation in flight. Returns false as `start` does.
    [[nodiscard]] bool start_close(operation& op, file_ref& last_use, actions& todo) noexcept;

    /// Takes over an operation that has its result already. Returns false after `stop`.
    [[nodiscard]] bool start_finished(operation& op, actions& todo) noexcept;

    /// Counts an operation that ended in its initiating function without I/O.
    void count_ended_at_start(bool failed) noexcept;

    /// Counts the hints that a synchronous transfer dropped.
    void count_dropped_hints(unsigned number) noexcept;

    /// Counts a finished operation. `time` is in nanoseconds of the steady clock.
    void count_completed(const operation& op, std::int64_t time) noexcept;

    /// Ends a turn that `file_handle::take_turn` gave, and starts the operation that waits for it.
    void give_turn_back(file_handle& file, actions& todo) noexcept;

    /// Cancels the operations of `file` that were started before the call.
    void cancel(file_handle& file) noexcept;

    /// Cancels one operation; the cancel_gate calls this.
    void cancel(operation& op) noexcept override;

    // --- Rounds ---

    /// Begins a round. Returns false after `stop`. The owner must end each round that began.
    bool begin(round& now) noexcept;

    /// Submits the batch to the engines and takes what they have finished.
    void exchange(round& now) noexcept;

    /// Decides what the owner does next: it performs `now.todo` and delivers `now.done`.
    void settle(round& now) noexcept;

    /// Takes back operations that were not delivered, because an executor threw or only one handler
    /// may run in a turn. The next round delivers them.
    actions take_back(round& now) noexcept;

    /// Ends a round, after the owner has performed all its actions. `stop` no longer waits for this
    /// round.
    void end() noexcept;

    /// Requests a round after the handlers that a woken round delivered, if these handlers are
    /// likely to start operations.
    actions follow_handlers() noexcept;

    // --- End and fork ---

    /// Waits until no round is in progress and the engines have let go. Moves all operations to
    /// `abandoned`.
    void stop(op_queue& abandoned);

    /// Completes all operations that were started. No other function may run at the same time.
    actions prepare_fork();

    /// Replaces what the kernel shares with the parent process. Returns 0 or -errno. No other
    /// function may run at the same time.
    int become_child();

    // --- Reports ---

    int event_descriptor() const noexcept;
    description describe() const;
    context_statistics count() const;

private:
    using lock = std::unique_lock<std::mutex>;
    enum class round_request : unsigned char { none, posted, by_event, running };

    bool has_engines() const noexcept { return has_engines_.load(std::memory_order_acquire); }
    int choose(engine_factory& make);
    static void* set_up_main(void* self) noexcept;
    void queue(operation& op, actions& todo) noexcept;
    void count_start(operation& op) noexcept;
    operation* next_in_turn(file_handle& file) noexcept;
    void take_turns(op_queue& finished) noexcept;
    void add_pending(operation& op) noexcept;
    void take_pending(op_queue& batch) noexcept;
    void end_waiting(op_queue& cancelled) noexcept;
    void end_cancelled() noexcept;
    bool is_lone_operation() const noexcept;
    bool has_finished() const noexcept { return !finished_.empty() || !handed_back_.empty(); }
    void request_round(actions& todo) noexcept;
    void arm_wait(actions& todo) noexcept;
    static std::int64_t now() noexcept;

    const std::unique_ptr<counters> counts_; ///< Thread-safe.
    std::atomic<std::size_t> inline_read_limit_{options().inline_read_limit};
    std::atomic<bool> finds_memory_{options().inline_reads_without_nowait};
    std::atomic<bool> has_engines_{false};

    /// Guards the next two members. Engines are tried under it. Locked before `mutex_`.
    mutable std::mutex opening_mutex_;
    options options_;
    std::string engines_of_config_, fault_of_config_;
    engine_factory injected_;
    const std::unique_ptr<call_thread> set_up_thread_; ///< Thread-safe.
    /// Filled once, before `has_engines_` is set; thread-safe from then on.
    const std::unique_ptr<router> router_;
    const std::shared_ptr<memory_gate> memory_gate_; ///< Thread-safe.

    /// Guards everything below. Nothing waits under it, and no file is accessed.
    mutable std::mutex mutex_;
    description description_;
    bool sets_up_ = false; ///< A thread makes the engines, or is about to.
    /// Waits until an earlier operation of the file has ended.
    const std::unique_ptr<backlog> in_order_;
    const std::unique_ptr<group_commit> syncs_;
    op_queue pending_;  ///< Started, and not yet with an engine.
    op_queue finished_; ///< The next round delivers them.
    /// As `finished_`, from rounds that did not deliver them. Nothing waits for their end, so a
    /// round takes them without a look at each.
    op_queue handed_back_;
    round_request request_ = round_request::none;
    bool posts_ = false;
    bool wait_armed_ = false;
    bool stopped_ = false;
    std::size_t with_engines_ = 0;   ///< Submitted and not yet reaped.
    std::size_t last_batch_ = 0;     ///< Operations of the last batch.
    std::int64_t pending_since_ = 0; ///< When the first of the pending operations was started.
    std::uint64_t started_ = 0, in_flight_ = 0, peak_in_flight_ = 0;
    unsigned rounds_ = 0; ///< In progress.
    std::condition_variable no_round_;
};

} // namespace asio_aio::detail
