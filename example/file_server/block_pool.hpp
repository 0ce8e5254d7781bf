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

/// The buffers of all connections: a fixed number of blocks of one size.
/**
 * A caller that finds no free block waits. Waiting callers get blocks in the order of their calls.
 * The pool gives the memory of free blocks back to the system, but keeps that of a few blocks.
 *
 * Thread-safe. The pool must outlive its blocks.
 */
class block_pool {
public:
    struct give_back {
        block_pool* owner;
        void operator()(std::byte* memory) const noexcept { owner->release(memory); }
    };

    /// A block; its destruction gives the block back to the pool.
    using block = std::unique_ptr<std::byte, give_back>;

    /// A place in the queue for a block. The connection uses it on its strand.
    class place {
    public:
        explicit place(const strand& executor) : wakes_(executor) {}

        /// Ends the wait without a block.
        void cancel() { wakes_.cancel(); }

    private:
        friend class block_pool;
        asio::steady_timer wakes_; // cancelled when `granted_` is set
        block granted_;            // guarded by the pool's mutex
    };

    /// @throws std::system_error if the system has no address range of that size.
    block_pool(std::size_t block_size, std::size_t block_count);
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;
    ~block_pool();

    std::size_t block_size() const { return block_size_; }

    /// Takes a block for a connection that already has one. Null unless more than half are free.
    /**
     * The other half is for connections that have no block, so that the read-ahead of some
     * connections does not stop the others.
     */
    block try_take();

    /// Takes a block for a connection that has none. Waits for `limit` at most.
    /** Null if no block became free in that time, or if the wait was cancelled. */
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

    std::mutex mutex_; // guards the members below
    std::size_t free_;
    std::size_t never_used_ = 0;      // index of the first block that was never taken
    std::vector<std::byte*> kept_;    // free blocks that have memory
    std::vector<std::byte*> emptied_; // free blocks without memory
    place_list queue_;                // empty while a block is free
};

} // namespace file_server
