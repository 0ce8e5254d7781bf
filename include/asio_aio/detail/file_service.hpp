// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/cancel_gate.hpp>
#include <asio_aio/detail/choice.hpp>
#include <asio_aio/detail/context_executor.hpp>
#include <asio_aio/detail/counters.hpp>
#include <asio_aio/detail/engine_set.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/handler_memory.hpp>
#include <asio_aio/detail/posix_file.hpp>
#include <asio_aio/error.hpp>
#include <asio_aio/options.hpp>

#include <boost/asio/defer.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

namespace asio_aio::detail {

/// The service of one execution context: makes its engines, takes started operations, and drives.
/**
 * An operation started in a turn of the loop joins the pending list; one `flush` a turn, on a thread that runs the
 * context, hands the list to the engines and takes what is already finished. While something is in flight one wait on
 * the engines' event is armed.
 */
class file_service final : public boost::asio::execution_context::service, public canceller {
public:
    using key_type = file_service;
    static inline boost::asio::execution_context::id id;

    explicit file_service(boost::asio::execution_context& context)
        : service(context), gate_(std::make_shared<cancel_gate>(*this)), wait_(context_executor(context)) {}

    /// Tells the service how to post to its context; the first file whose executor shows it does.
    template <typename Executor>
    void learn_executor(const Executor& executor) {
        if (knows_executor_.load(std::memory_order_acquire))
            return;
        const native_executor found = find_native_executor(executor);
        if (std::holds_alternative<std::monostate>(found))
            return;
        const std::lock_guard<std::mutex> held(mutex_);
        if (!knows_executor_.load(std::memory_order_relaxed)) {
            native_ = found;
            knows_executor_.store(true, std::memory_order_release);
        }
    }

    error_code configure(const options& opts);
    description describe() const;
    context_statistics count() const;

    /// Replaces the engines of the choice, before the first file is opened. For tests that inject faults.
    void use_engines(engine_factory make) {
        const lock held(mutex_);
        injected_ = std::move(make);
    }

    /// Opens a file; makes the engines where this is the first one.
    error_code open(const char* path, int flags, mode_t permissions, file_ref& file);

    /// Takes over a descriptor; on failure it stays the caller's.
    error_code assign(int descriptor, file_ref& file);

    backend backend_of(const file_handle& file) const noexcept { return engines_.backend_of(file); }
    std::size_t inline_read_limit() const noexcept { return inline_read_limit_.load(std::memory_order_relaxed); }
    counters& counts() noexcept { return counts_; }

    /// The way from cancellation slots to operations.
    const std::shared_ptr<cancel_gate>& gate() const noexcept { return gate_; }

    /// Takes over an operation; its fate is decided on the context.
    void start(operation* op) noexcept;

    /// Takes over an operation that has its result already.
    void start_finished(operation* op) noexcept;

    /// Cancels the operations of a file that were started before the call.
    void cancel(const file_ref& file) noexcept;

    /// Cancels one operation, for the gate.
    void cancel(operation& op) noexcept override;

private:
    using lock = std::unique_lock<std::mutex>;
    enum class flush_state : unsigned char { idle, posted, awaiting_event, running };
    enum class turn : unsigned char { woken, flush, lone_operation };
    struct flush_handler;
    struct wait_handler;
    class driver;
    struct undelivered;

    void shutdown() override;
    void notify_fork(boost::asio::execution_context::fork_event event) override;
    error_code make_engines();
    bool finds_memory() const noexcept { return finds_memory_.load(std::memory_order_relaxed); }
    void schedule_flush(lock&);
    void flush_behind_handlers();
    template <typename Visitor>
    void visit_native(Visitor visit) {
        std::visit(
            [&](const auto& executor) {
                if constexpr (!std::is_same_v<decltype(executor), const std::monostate&>)
                    visit(executor);
            },
            native_);
    }
    bool is_lone_operation() const noexcept;
    void drive(turn why);
    void settle(op_queue& retries, lock& held);
    void abort(operation* op) noexcept;
    void flush_soon(lock& held);
    void take_retries(op_queue& done, op_queue& retries) noexcept;
    void deliver(op_queue& done);
    static std::int64_t now() noexcept { return std::chrono::steady_clock::now().time_since_epoch().count(); }

    counters counts_;
    std::atomic<std::size_t> inline_read_limit_{options().inline_read_limit};
    std::atomic<bool> finds_memory_{options().inline_reads_without_nowait};
    std::atomic<bool> knows_executor_{false};
    native_executor native_; ///< Written once, before `knows_executor_`.
    const std::shared_ptr<cancel_gate> gate_;

    mutable std::mutex mutex_; ///< Guards everything below. No handler runs under it, and no file is touched.
    options options_;
    engine_factory injected_;
    description description_;
    op_queue pending_;  ///< Started, and not yet with an engine.
    op_queue finished_; ///< Ended without an engine: cancelled before a retry, or left over by an exception.
    flush_state flush_ = flush_state::idle;
    bool wait_armed_ = false;
    bool stopped_ = false;
    std::size_t with_engines_ = 0;   ///< Submitted and not yet reaped.
    std::size_t last_batch_ = 0;     ///< Operations of the last flush.
    std::int64_t pending_since_ = 0; ///< When the first of the pending operations was started.
    std::uint64_t started_ = 0, in_flight_ = 0, peak_in_flight_ = 0;
    unsigned drivers_ = 0; ///< Threads in `drive`.
    std::condition_variable no_driver_;

    const handler_memory_ptr flush_memory_{new handler_memory};
    const handler_memory_ptr wait_memory_{new handler_memory};
    engine_set engines_; ///< Started under the mutex; thread-safe from then on.
    boost::asio::posix::basic_stream_descriptor<context_executor>
        wait_; ///< The engines' event, which is not its own to close.
};

} // namespace asio_aio::detail

#include <asio_aio/detail/impl/file_service.hpp>
