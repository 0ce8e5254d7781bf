// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/residency_map.hpp>
#include <asio_aio/direct_alignment.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace asio_aio::detail {

class operation;

/// The backlogs in which operations of one file may wait at the same time.
enum class waiting_at : unsigned char { kernel_engine, pool, pool_slow };
constexpr std::size_t waiting_at_count = std::size_t(waiting_at::pool_slow) + 1;

/// Decides, per file, whether it pays to try what must not wait: a read at initiation, a write by
/// libaio.
/**
 * Each miss in a row doubles the number of operations that are not tried, up to 63: a file that is
 * not in memory pays one short system call in 64 reads. The counts are hints: threads may overwrite
 * each other's.
 */
class no_wait_gate {
public:
    bool try_next() noexcept {
        const unsigned skip = skip_.load(std::memory_order_relaxed);
        if (skip == 0)
            return true;
        if (skip != never)
            skip_.store(std::uint8_t(skip - 1), std::memory_order_relaxed);
        return false;
    }

    void hit() noexcept {
        if (misses_.load(std::memory_order_relaxed) != 0)
            misses_.store(0, std::memory_order_relaxed);
    }

    void miss() noexcept {
        const unsigned misses = misses_.load(std::memory_order_relaxed);
        if (misses < max_doublings)
            misses_.store(std::uint8_t(misses + 1), std::memory_order_relaxed);
        skip_.store(std::uint8_t((1u << misses) - 1), std::memory_order_relaxed);
    }

    /// The filesystem cannot do it without waiting: not tried again on this file.
    void refuse() noexcept { skip_.store(never, std::memory_order_relaxed); }

private:
    static constexpr unsigned max_doublings = 6; // 2^6 - 1 = 63 between two tries
    static constexpr std::uint8_t never = 255;

    std::atomic<std::uint8_t> misses_{0};
    std::atomic<std::uint8_t> skip_{0};
};

/// What matters of a file's type.
enum class file_type : unsigned char { regular, block_device, other };

/// How a read can do without waiting for a disk.
enum class memory_test : unsigned char {
    no_wait,   ///< RWF_NOWAIT, which the filesystem may refuse.
    mincore,   ///< By asking first: overlayfs refuses RWF_NOWAIT.
    not_needed ///< All of the file is in memory, but for swap: tmpfs, which refuses RWF_NOWAIT.
};

/// What was learned of a file when it was opened.
struct file_traits {
    bool direct = false; ///< Opened with O_DIRECT.
    file_type type = file_type::other;
    memory_test in_memory = memory_test::no_wait;
    direct_alignment required{1, 1}; ///< Powers of two; 1 where nothing is required or known.
};

/// Bytes that one system call moves at most (read(2), NOTES): INT_MAX rounded down to a page.
inline constexpr std::size_t max_transfer_bytes = 0x7ffff000;

/// A descriptor with its count of users; the last one closes it.
/**
 * The file object is one user; so is each operation that an engine may yet give to the kernel, the
 * first time or again. While any of them is left the number stays open, so it cannot be given to
 * another file under an operation's feet.
 */
class file_handle {
public:
    file_handle(int descriptor, const file_traits& traits) noexcept
        : descriptor_(descriptor), traits_(traits) {}

    file_handle(const file_handle&) = delete;
    file_handle& operator=(const file_handle&) = delete;

    int descriptor() const noexcept { return descriptor_; }
    bool direct() const noexcept { return traits_.direct; }
    bool regular() const noexcept { return traits_.type == file_type::regular; }
    memory_test in_memory() const noexcept { return traits_.in_memory; }

    /// A regular file or a block device: positions mean the same to every engine.
    bool is_storage() const noexcept { return traits_.type != file_type::other; }

    /// The pool does all operations: the engine, or the filesystem behind it, refused one that the
    /// pool then did, or the filesystem is known for it.
    bool refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
    void refuse() noexcept { refused_.store(true, std::memory_order_relaxed); }

    /// Whether direct I/O may be tried; the arguments are all addresses, and the offset and all
    /// lengths, or-ed together.
    /**
     * What the kernel does with misaligned requests depends on their size, the device and the
     * engine: those that break the alignment that it reports are refused here, in the same way
     * everywhere.
     */
    bool accepts(std::uintptr_t addresses, std::uint64_t offsets) const noexcept {
        return (addresses & (traits_.required.memory - 1)) == 0 &&
            (offsets & (traits_.required.offset - 1)) == 0;
    }

    /// Bytes of one transfer at most: what is cut off leaves whole blocks, so that direct I/O takes
    /// the rest.
    std::size_t max_transfer() const noexcept {
        return max_transfer_bytes & ~(traits_.required.offset - 1);
    }

    /// Whether it pays to try to read, or to write, without waiting.
    no_wait_gate& reads() noexcept { return reads_; }
    no_wait_gate& writes() noexcept { return writes_; }

    /// Which bytes are in memory; for `memory_test::mincore`.
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

    /// The first of the file's operations that wait in one backlog, whose owner's mutex guards
    /// this.
    operation*& chain(waiting_at where) noexcept { return chains_[std::size_t(where)]; }

    /// Whether an operation that writes uses it.
    bool is_written() const noexcept { return writers_.load(std::memory_order_relaxed) != 0; }

private:
    friend class file_ref;

    int descriptor_; // -1 once it was given away
    const file_traits traits_;
    std::atomic<bool> refused_{false};
    no_wait_gate reads_;
    no_wait_gate writes_;
    residency_map residency_;
    std::atomic<unsigned> users_{1};
    std::atomic<unsigned> writers_{0};
    std::atomic<std::uint64_t> cancelled_before_{0};
    operation* chains_[waiting_at_count] = {};
};

/// One use of a file_handle.
class file_ref {
public:
    file_ref() = default;

    /// Becomes the first user of `descriptor` and owns it; throws std::bad_alloc and leaves it
    /// alone.
    /** Without `finds_memory` no other way than RWF_NOWAIT is taken to read what is in memory. */
    static file_ref adopt(int descriptor, bool finds_memory = true);

    file_ref(const file_ref& other) noexcept : handle_(other.handle_) {
        if (handle_)
            handle_->users_.fetch_add(1, std::memory_order_relaxed);
    }

    file_ref(file_ref&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)),
          writes_(std::exchange(other.writes_, false)) {}

    file_ref& operator=(file_ref other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(writes_, other.writes_);
        return *this;
    }

    ~file_ref() { reset(); }

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    file_handle* operator->() const noexcept { return handle_; }

    /// Says that this use writes, for as long as it lasts; its copies do not.
    void mark_as_writer() noexcept {
        writes_ = true;
        handle_->writers_.fetch_add(1, std::memory_order_relaxed);
    }

    /// Whether operations use the file beside the caller, whose use this is.
    bool is_shared() const noexcept { return handle_->users_.load(std::memory_order_acquire) != 1; }

    /// Ends this use; the last one closes. Returns 0, or -errno of close(2) where this was the
    /// last.
    int reset() noexcept { return handle_ ? drop() : 0; }

    /// Ends this use unless it is the last: then returns false and leaves it.
    bool reset_if_shared() noexcept;

    /// Ends this use and gives the descriptor away, to a caller who may close it at any time;
    /// -errno where that fails, and the use goes on.
    /**
     * Where operations still use the number, the caller gets a duplicate of it: the number itself
     * must not be closed under them.
     */
    int release() noexcept;

private:
    explicit file_ref(file_handle* handle) noexcept : handle_(handle) {}
    int drop() noexcept;

    void end_writing() noexcept {
        if (std::exchange(writes_, false))
            handle_->writers_.fetch_sub(1, std::memory_order_relaxed);
    }

    file_handle* handle_ = nullptr;
    bool writes_ = false;
};

} // namespace asio_aio::detail
