// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace file_server {

/// The memory that all connections read files into: a fixed number of blocks of one size.
/**
 * A caller that finds no free block waits, and the callers that wait get blocks in the order in
 * which they came. The pool gives the memory of free blocks back to the system, apart from a few
 * that it keeps for the next callers.
 *
 * Thread-safe. The pool has to outlive its blocks.
 */
class block_pool {
public:
    struct give_back {
        block_pool* owner;
        void operator()(std::byte* memory) const noexcept { owner->release(memory); }
    };

    /// A block; its destruction gives the block back to the pool.
    using block = std::unique_ptr<std::byte, give_back>;

    /// A place in the queue for one block. Used on the strand of the connection that waits.
    class place {
    public:
        explicit place(const strand& executor) : wakes_(executor) {}

        /// Ends the wait without a block.
        void cancel() { wakes_.cancel(); }

    private:
        friend class block_pool;
        asio::steady_timer wakes_; // cancelled when the block is there
        block granted_;            // guarded by the pool's mutex
    };

    /// @throws std::system_error when the system has no such address range.
    block_pool(std::size_t block_size, std::size_t block_count);
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;
    ~block_pool();

    std::size_t block_size() const { return block_size_; }

    /// A block for a caller that has one already; null while less than half of the pool is free.
    /**
     * The other half is for those that have none: read-ahead of some connections must not stop the
     * rest.
     */
    block try_take();

    /// A block for a caller that has none; null when the wait was cancelled or none was free within
    /// `limit`.
    asio::awaitable<block> take(std::shared_ptr<place> here, std::chrono::seconds limit);

private:
    using place_list = std::list<std::shared_ptr<place>>;

    std::byte* pop_free();
    block join_queue(const std::shared_ptr<place>& here);
    block leave_queue(const std::shared_ptr<place>& here);
    void release(std::byte* memory) noexcept;
    bool hand_on(std::byte* memory, std::vector<std::byte*>& list, std::size_t most);

    const std::size_t block_size_;
    const std::size_t stride_; // from one block to the next: block_size_ in whole pages
    const std::size_t count_;
    const std::size_t most_kept_; // free blocks that keep their memory
    std::byte* const region_;

    std::mutex mutex_; // guards all below
    std::size_t free_;
    std::size_t never_used_ = 0;      // index of the first block that nobody has had yet
    std::vector<std::byte*> kept_;    // free, with memory behind them
    std::vector<std::byte*> emptied_; // free, their memory given back to the system
    place_list queue_;                // empty while a block is free
};

} // namespace file_server
