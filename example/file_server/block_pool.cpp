// SPDX-License-Identifier: BSL-1.0
#include "block_pool.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

namespace file_server {
namespace {

// Free blocks that keep their memory. A busy server takes and releases blocks all the time, and
// page faults would cost more than this memory.
constexpr std::size_t most_kept_bytes = std::size_t{8} * 1024 * 1024;

std::size_t whole_pages(std::size_t size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (size + page - 1) / page * page;
}

std::byte* map_region(std::size_t size) {
    void* const region = ::mmap(
        nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) {
        const int error = errno;
        throw std::system_error(
            error, std::generic_category(), "no address space for --buffer-memory");
    }
    // A huge page could hold several blocks, and then a free one could not be given back alone.
    ::madvise(region, size, MADV_NOHUGEPAGE);
    return static_cast<std::byte*>(region);
}

} // namespace

block_pool::block_pool(std::size_t block_size, std::size_t block_count)
    : block_size_(block_size),
      stride_(whole_pages(block_size)),
      count_(block_count),
      most_kept_(std::max<std::size_t>(most_kept_bytes / stride_, 1)),
      region_(map_region(stride_ * count_)),
      free_(count_) {
    // release() must not allocate. The system provides reserved memory when it is first used.
    kept_.reserve(std::min(most_kept_, count_));
    emptied_.reserve(count_);
}

block_pool::~block_pool() {
    ::munmap(region_, stride_ * count_);
}

block_pool::block block_pool::try_take() {
    const std::lock_guard lock{mutex_};
    return block{free_ > count_ / 2 ? pop_free() : nullptr, give_back{this}};
}

asio::awaitable<block_pool::block> block_pool::take(
    std::shared_ptr<place> here, std::chrono::seconds limit) {
    if (auto taken = join_queue(here))
        co_return taken;
    here->wakes_.expires_after(limit);
    co_await here->wakes_.async_wait(as_result);
    co_return leave_queue(here);
}

/// Takes a free block, of which there is one. The caller holds the mutex.
std::byte* block_pool::pop_free() {
    --free_;
    for (auto* const list : {&kept_, &emptied_}) {
        if (list->empty())
            continue;
        std::byte* const memory = list->back();
        list->pop_back();
        return memory;
    }
    return region_ + stride_ * never_used_++;
}

/// Returns a block if one is free; otherwise puts the caller into the queue.
block_pool::block block_pool::join_queue(const std::shared_ptr<place>& here) {
    place_list mine{here}; // allocated before the mutex is taken
    const std::lock_guard lock{mutex_};
    if (free_ != 0)
        return block{pop_free(), give_back{this}};
    queue_.splice(queue_.end(), mine);
    return {};
}

block_pool::block block_pool::leave_queue(const std::shared_ptr<place>& here) {
    place_list mine; // freed after the mutex is released
    const std::lock_guard lock{mutex_};
    const auto found = std::find(queue_.begin(), queue_.end(), here);
    if (found != queue_.end())
        mine.splice(mine.end(), queue_, found);
    return std::move(here->granted_);
}

void block_pool::release(std::byte* memory) noexcept {
    if (hand_on(memory, kept_, most_kept_))
        return;
    // Outside of the mutex, because this call is expensive.
    ::madvise(memory, stride_, MADV_DONTNEED);
    hand_on(memory, emptied_, count_);
}

/// Gives the block to the first waiting caller, or else puts it on `list`. False if that is full.
bool block_pool::hand_on(std::byte* memory, std::vector<std::byte*>& list, std::size_t most) {
    place_list next;
    {
        const std::lock_guard lock{mutex_};
        if (!queue_.empty()) {
            next.splice(next.end(), queue_, queue_.begin());
            next.front()->granted_ = block{memory, give_back{this}};
        } else if (list.size() < most) {
            list.push_back(memory);
            ++free_;
        } else {
            return false;
        }
    }
    for (const auto& each : next)
        asio::post(each->wakes_.get_executor(), [each] { each->wakes_.cancel(); });
    return true;
}

} // namespace file_server
