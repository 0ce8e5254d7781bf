// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/cancel_gate.hpp>
#include <asio_aio/detail/core/op_queue.hpp>
#include <asio_aio/detail/core/operation.hpp>
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

class engine;
class event;
class counters;
class router;

/// What is wrong with `opts`, in words that name the option and its value; empty if nothing is.
std::string find_fault(const options& opts);

/// Makes the engines of a context: the chosen one first, the thread pool last. One engine if the
/// pool was chosen.
using engine_list = std::vector<std::unique_ptr<engine>>;
using engine_factory = std::function<engine_list(const options&, event&)>;

/// Why a round of the scheduler runs.
enum class turn : unsigned char {
    posted, ///< `actions::post_round` asked for it.
    /// The event that `actions::arm_wait` waits for is readable, or the wait was cancelled.
    woken,
    /// `actions::run_round_here` asked for it, inside the initiating function of the operation.
    lone_operation
};

/// What the owner of a scheduler performs after a call returned: the scheduler itself calls nobody.
struct actions {
    /// Wait once until the event is readable, then run a round (`turn::woken`).
    bool arm_wait = false;
    bool post_round = false; ///< Run one round (`turn::posted`) on a thread that runs the context.
    /// The same; the round continues what this thread does, as `asio::defer` has it.
    bool defer_round = false;
    /// Run a round now (`turn::lone_operation`) if this thread runs the context; otherwise post
    /// one.
    bool run_round_here = false;
};

/// One round in progress. Its owner delivers `done`, and gives back what is left there
/// (`scheduler::take_back`).
struct round {
    turn why = turn::posted;
    bool submits = false; ///< Takes what is pending; one round at a time does.
    actions todo;
    std::size_t reaped = 0;
    op_queue batch; ///< To be submitted.
    op_queue done;  ///< To be delivered.
};

/// Everything between the start of an operation and its result, without Asio: queues, engines,
/// rounds, choice.
/**
 * Each function changes the state under the mutex and reports what its owner has to do next.
 * Started operations are pending until a round takes them. A round submits one batch to the
 * engines, takes the operations that are finished, and arms the wait for the engines' event while
 * any operation is with an engine.
 *
 * Thread-safe, except where a function says otherwise.
 */
class scheduler final : public canceller {
public:
    scheduler();
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    ~scheduler();

    // --- Before the first file ---

    /// 0, -EINVAL, or `failure::configured_too_late`.
    int configure(const options& opts);

    /// Replaces the engines of the choice before the first file is opened. For tests that inject
    /// faults.
    void use_engines(engine_factory make);

    /// From now on rounds are requested by `actions::post_round`; before, by the event. The second
    /// call changes nothing.
    void begin_to_post() noexcept;

    // --- Files ---

    /// Chooses and makes the engines, unless they exist. 0, -errno, or one of `failure`.
    int make_engines();

    /// Opens a file. Engines must exist.
    int open(const char* path, int flags, mode_t permissions, file_ref& file);

    /// Takes over a descriptor; on failure it stays the caller's. Throws std::bad_alloc.
    void assign(int descriptor, file_ref& file);

    backend backend_of(const file_handle& file) const noexcept;

    /// Tries to read `bytes` bytes from memory, without an engine.
    /**
     * Returns true if `moved` bytes are the result of the read; 0 is the end of the file. Returns
     * false if an engine has to read what follows the first `moved` bytes.
     */
    bool read_inline(
        file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count,
        std::size_t bytes, std::size_t& moved) noexcept;

    // --- Operations ---

    /// Takes over an operation. False after `stop`: the operation stays the caller's, who discards
    /// it.
    [[nodiscard]] bool start(operation& op, actions& todo) noexcept;

    /// Takes over an operation that already has its result. False after `stop`.
    [[nodiscard]] bool start_finished(operation& op, actions& todo) noexcept;

    /// Counts an operation that ended in its initiating function without input or output.
    void count_ended_at_start(bool failed) noexcept;

    /// Counts a finished operation, at a time of the steady clock in nanoseconds.
    void count_completed(const operation& op, std::int64_t time) noexcept;

    /// Cancels the operations of `file` that were started before the call.
    void cancel(file_handle& file) noexcept;

    /// Cancels one operation, for the gate.
    void cancel(operation& op) noexcept override;

    // --- Rounds ---

    /// Begins a round; false after `stop`. Each round that began must end.
    bool begin(round& now) noexcept;

    /// Hands the batch to the engines and takes what they have finished.
    void exchange(round& now) noexcept;

    /// Decides what the owner does next: `now.todo`, and the delivery of `now.done`.
    void settle(round& now) noexcept;

    /// Takes back what was not delivered, because of an exception or for another turn. The next
    /// round delivers it.
    actions take_back(round& now) noexcept;

    /// Ends a round. After it `stop` waits for the round no longer: the owner has performed all
    /// actions before.
    void end() noexcept;

    /// Asks for a round behind the handlers that a woken round delivered, if those are likely to
    /// start operations.
    actions follow_handlers() noexcept;

    // --- End and fork ---

    /// Waits until no round is in progress and the engines have let go. Moves every operation to
    /// `abandoned`.
    void stop(op_queue& abandoned);

    /// Completes everything that was started. No other function may run at the same time.
    actions prepare_fork();

    /// Replaces what the kernel shares with the parent process. 0 or -errno. No other function may
    /// run at the same time.
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
    bool is_lone_operation() const noexcept;
    void request_round(actions& todo) noexcept;
    void arm_wait(actions& todo) noexcept;
    static std::int64_t now() noexcept;

    const std::unique_ptr<counters> counts_; ///< Thread-safe.
    std::atomic<std::size_t> inline_read_limit_{options().inline_read_limit};
    std::atomic<bool> finds_memory_{options().inline_reads_without_nowait};
    std::atomic<bool> has_engines_{false};

    /// Guards the next three. Engines are tried under it. Taken before `mutex_`.
    mutable std::mutex opening_mutex_;
    options options_;
    engine_factory injected_;
    description description_;
    /// Filled once, before `has_engines_`; thread-safe from then on.
    const std::unique_ptr<router> router_;

    /// Guards everything below. Nothing waits under it, and no file is touched.
    mutable std::mutex mutex_;
    op_queue pending_;  ///< Started, and not yet with an engine.
    op_queue finished_; ///< To be delivered by the next round.
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
