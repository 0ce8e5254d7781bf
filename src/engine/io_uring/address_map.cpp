// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/address_map.hpp"

#include <algorithm>
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
}

void address_map::add(const iovec& memory, unsigned index) noexcept {
    const std::uintptr_t begin = begin_of(memory), end = begin + memory.iov_len;
    const auto at = std::upper_bound(
        ranges_.begin(), ranges_.end(), begin,
        [](std::uintptr_t address, const range& one) { return address < one.begin; });
    update_from(std::size_t(ranges_.insert(at, {begin, end, end, index, index}) - ranges_.begin()));
}

void address_map::remove(unsigned index) noexcept {
    const auto found = std::find_if(
        ranges_.begin(), ranges_.end(), [index](const range& one) { return one.index == index; });
    if (found != ranges_.end())
        update_from(std::size_t(ranges_.erase(found) - ranges_.begin()));
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

/// Sets the farthest ends of all ranges from `first` on.
void address_map::update_from(std::size_t first) noexcept {
    for (std::size_t i = first; i != ranges_.size(); ++i) {
        range& one = ranges_[i];
        const bool is_farthest = i == 0 || one.end > ranges_[i - 1].farthest_end;
        one.farthest_end = is_farthest ? one.end : ranges_[i - 1].farthest_end;
        one.farthest_index = is_farthest ? one.index : ranges_[i - 1].farthest_index;
    }
}

} // namespace asio_aio::detail
