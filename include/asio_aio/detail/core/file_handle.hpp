// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>
#include <asio_aio/detail/core/file_traits.hpp>
#include <asio_aio/detail/core/no_wait_gate.hpp>
#include <asio_aio/detail/core/residency_map.hpp>
#include <asio_aio/detail/core/write_state.hpp>
#include <asio_aio/direct_alignment.hpp>

#include <sys/types.h>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace asio_aio::detail {

class operation;

/// The backlogs in which operations of one file may wait at the same time.
enum class waiting_at : unsigned char {
    kernel_engine,
    pool,
    pool_slow,
    scheduler,
    flush, ///< This one and `lane` have their chains in `write_state`.
    lane
};
constexpr std::size_t chain_count = std::size_t(waiting_at::flush);

/// The offset of operations that use and move the position of the open file (lseek(2)).
constexpr std::uint64_t current_position = UINT64_MAX;

/// Hints of transfers that the kernel may refuse for a file, as bits.
enum class hint : unsigned char { uncached = 1, real_time = 2 };

/// What open(2) is asked for.
struct open_request {
    std::string path;
    int flags = 0;
    mode_t permissions = 0;   ///< Before the umask.
    bool finds_memory = true; ///< If false, inline reads use only RWF_NOWAIT.
};

/// The states of a file_handle. One that was opened by its constructor starts as `open`.
enum class handle_state : unsigned char {
    opening, ///< An operation opens the descriptor.
    open,
    closed ///< The open failed or was cancelled.
};

/// The most bytes that one system call moves (read(2), NOTES): INT_MAX rounded down to a page.
inline constexpr std::size_t max_transfer_bytes = 0x7ffff000;

/// A descriptor and the number of its users; the last user closes it.
/**
 * The file object is a user, and so is each operation that an engine may still give to the kernel.
 * The descriptor stays open while there are users. So the kernel cannot give its number to another
 * file while an operation may still use it.
 */
class file_handle {
public:
    file_handle(int descriptor, const file_traits& traits) noexcept
        : descriptor_(descriptor),
          traits_(traits),
          state_(handle_state::open),
          refused_(traits.needs_thread) {}

    /// A file that is to be opened by `perform_open`.
    explicit file_handle(open_request&& wanted)
        : request_(std::make_unique<open_request>(std::move(wanted))) {}

    file_handle(const file_handle&) = delete;
    file_handle& operator=(const file_handle&) = delete;

    /// Opens the descriptor and asks the kernel about it. Blocks. Returns 0 or -errno. The caller
    /// then calls `end_open`, or `close_unused` if the open was cancelled meanwhile.
    int perform_open() noexcept;

    /// Closes the descriptor of an open that was cancelled while it was performed.
    void close_unused() noexcept;

    /// Makes the result of an open known.
    void end_open(bool succeeded) noexcept {
        state_.store(
            succeeded ? handle_state::open : handle_state::closed, std::memory_order_release);
    }

    bool is_open() const noexcept {
        return state_.load(std::memory_order_acquire) == handle_state::open;
    }
    bool is_opening() const noexcept {
        return state_.load(std::memory_order_relaxed) == handle_state::opening;
    }

    /// One look at the state, because an open may end between two.
    bool is_open_or_opening() const noexcept {
        return state_.load(std::memory_order_acquire) != handle_state::closed;
    }

    // The members below are for open files, except where their description differs.

    int descriptor() const noexcept { return descriptor_; }
    bool direct() const noexcept { return traits_.direct; }
    bool regular() const noexcept { return traits_.type == file_type::regular; }
    bool appends() const noexcept { return traits_.appends; }
    bool knows_size() const noexcept { return traits_.knows_size; }
    bool syncs_writes() const noexcept { return traits_.syncs_writes; }
    bool writes_at_once() const noexcept { return traits_.writes_at_once; }
    memory_test in_memory() const noexcept { return traits_.in_memory; }

    /// True for regular files and block devices: positions mean the same to every engine.
    bool is_storage() const noexcept { return traits_.type != file_type::other; }

    /// True if the pool performs all operations on this file. Either a kernel engine refused an
    /// operation that the pool then performed, or the filesystem needs a thread.
    bool refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
    void refuse() noexcept { refused_.store(true, std::memory_order_relaxed); }

    /// True if the kernel refused the hint for an earlier transfer. Later ones are made without it.
    bool has_refused(hint which) const noexcept {
        return (refused_hints_.load(std::memory_order_relaxed) & unsigned(which)) != 0;
    }
    void refuse(hint which) noexcept {
        refused_hints_.fetch_or(std::uint8_t(which), std::memory_order_relaxed);
    }

    /// Returns whether the alignment of a request allows direct I/O.
    /**
     * `addresses` are all addresses or-ed together; `offsets` are the offset and all lengths or-ed
     * together. What the kernel does with a misaligned request depends on its size, the device and
     * the engine. The library therefore refuses requests that do not have the reported alignment.
     */
    bool accepts(std::uintptr_t addresses, std::uint64_t offsets) const noexcept {
        return (addresses & (traits_.required.memory - 1)) == 0 &&
            (offsets & (traits_.required.offset - 1)) == 0;
    }

    /// The most bytes of one transfer. A longer transfer is cut at a whole block, so that the rest
    /// is aligned for direct I/O.
    std::size_t max_transfer() const noexcept {
        return max_transfer_bytes & ~(traits_.required.offset - 1);
    }

    /// The alignment that direct I/O needs. The kernel is asked once. 0 or -errno.
    ASIO_AIO_API int direct_io_alignment(direct_alignment& found) noexcept;

    /// Decides whether to try a read, or a write, that must not wait.
    no_wait_gate& reads() noexcept { return reads_; }
    no_wait_gate& writes() noexcept { return writes_; }

    /// The bytes that are in memory, for `memory_test::mincore`.
    residency_map& residency() noexcept { return residency_; }

    /// Cancels the operations that were started before the one with this number. The caller's mutex
    /// orders the calls.
    void cancel_before(std::uint64_t number) noexcept {
        if (number > cancelled_before_.load(std::memory_order_relaxed))
            cancelled_before_.store(number, std::memory_order_relaxed);
    }
    bool has_cancelled(std::uint64_t number) const noexcept {
        return number < cancelled_before_.load(std::memory_order_relaxed);
    }

    /// The first operation of this file that waits in one backlog. The mutex of the backlog's owner
    /// guards it.
    operation*& chain(waiting_at where) noexcept {
        switch (where) {
        case waiting_at::flush: return write_state_->flush.waiting;
        case waiting_at::lane: return write_state_->waiting;
        default: return chains_[std::size_t(where)];
        }
    }

    /// Takes the turn of the operations that run in order. Returns false if another has it.
    bool take_turn() noexcept { return !in_turn_.exchange(true, std::memory_order_acq_rel); }

    /// Called under the scheduler's mutex, when no operation waits for the turn.
    void end_turn() noexcept { in_turn_.store(false, std::memory_order_release); }

    /// Null if the file has no buffered writes that take turns in the kernel: it is not a regular
    /// file, is read only, or was opened with O_DIRECT.
    write_state* buffered() const noexcept { return takes_turns_ ? write_state_.get() : nullptr; }

    /// The flush of this file, which the mutex of the scheduler guards. Null if no sync was started
    /// and `buffered` is null.
    flush_state* flush() const noexcept { return write_state_ ? &write_state_->flush : nullptr; }

    /// As `flush`, for a sync that is being started. Null if there is no memory.
    flush_state* make_flush() noexcept;

    /// True if an operation that is marked as a writer uses the file.
    bool is_written() const noexcept { return writers_.load(std::memory_order_relaxed) != 0; }

private:
    friend class file_ref;
    friend class file_pin;

    void find_inode() noexcept;

    int descriptor_ = -1; // also after `release` gave it away
    file_traits traits_;  // constant while the file is open
    std::atomic<handle_state> state_{handle_state::opening};
    bool takes_turns_ = false; ///< `write_state_` names the inode; constant while the file is open.
    std::atomic<bool> refused_{false};
    std::atomic<std::uint8_t> refused_hints_{0}; ///< By `hint`.
    no_wait_gate reads_;
    no_wait_gate writes_;
    residency_map residency_;
    std::atomic<unsigned> users_{1};
    std::atomic<unsigned> pins_{1}; ///< Of this object; the users have one together.
    std::atomic<bool> in_turn_{false};
    std::atomic<unsigned> writers_{0};
    std::atomic<std::uint64_t> cancelled_before_{0};
    std::atomic<std::uint64_t> alignment_{0}; ///< Encoded, or 0 if the kernel was not asked yet.
    operation* chains_[chain_count] = {};
    std::unique_ptr<write_state> write_state_;
    std::unique_ptr<open_request> request_; ///< While the file is `opening`.
    /// The operation that waits for the close, after the file object gave up its use.
    operation* closer_ = nullptr;
};

} // namespace asio_aio::detail
