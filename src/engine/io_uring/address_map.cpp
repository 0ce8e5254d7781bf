// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/address_map.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace asio_aio::detail {
namespace {

std::uintptr_t begin_of(const iovec& memory) noexcept {
    return reinterpret_cast<std::uintptr_t>(memory.iov_base);
}

} // namespace

void address_map::make_room(std::size_t ranges) {
    if (ranges_.capacity() < ranges)
        ranges_.reserve(std::max(ranges, 2 * ranges_.capacity()));
    merged_.reserve(ranges_.capacity());
}

void address_map::add(const iovec& memory, unsigned index, std::uint64_t owner) noexcept {
    const std::uintptr_t begin = begin_of(memory), end = begin + memory.iov_len;
    ranges_.push_back({begin, end, end, index, index, owner});
}

void address_map::sort() noexcept {
    const auto by_begin = [](const range& a, const range& b) { return a.begin < b.begin; };
    const auto middle = ranges_.begin() + std::ptrdiff_t(sorted_);
    std::sort(middle, ranges_.end(), by_begin);
    std::merge(
        ranges_.begin(), middle, middle, ranges_.end(), std::back_inserter(merged_), by_begin);
    ranges_.swap(merged_);
    merged_.clear();
    sorted_ = ranges_.size();
    find_farthest_ends();
}

void address_map::remove(std::uint64_t owner) noexcept {
    const auto last = std::remove_if(
        ranges_.begin(), ranges_.end(), [owner](const range& one) { return one.owner == owner; });
    if (last == ranges_.end())
        return;
    ranges_.erase(last, ranges_.end());
    sorted_ = ranges_.size();
    find_farthest_ends();
}

int address_map::find(const iovec& memory) const noexcept {
    const std::uintptr_t begin = begin_of(memory);
    const auto next = std::upper_bound(
        ranges_.begin(), ranges_.end(), begin,
        [](std::uintptr_t address, const range& one) { return address < one.begin; });
    if (next == ranges_.begin())
        return -1;
    const range& last = *std::prev(next);
    // not begin + length, which may overflow
    return begin <= last.farthest_end && memory.iov_len <= last.farthest_end - begin
        ? int(last.farthest_index)
        : -1;
}

void address_map::find_farthest_ends() noexcept {
    for (std::size_t i = 0; i != ranges_.size(); ++i) {
        range& one = ranges_[i];
        const bool is_farthest = i == 0 || one.end > ranges_[i - 1].farthest_end;
        one.farthest_end = is_farthest ? one.end : ranges_[i - 1].farthest_end;
        one.farthest_index = is_farthest ? one.index : ranges_[i - 1].farthest_index;
    }
}

} // namespace asio_aio::detail
