// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace asio_aio::detail {

/// Finds the range of addresses in which memory lies. Ranges may overlap.
class address_map {
public:
    bool empty() const noexcept { return ranges_.empty(); }

    /// Makes room for so many ranges. Throws std::bad_alloc.
    void make_room(std::size_t ranges);

    /// Adds a range that belongs to `owner`. There must be room. `find` sees it after `sort`.
    void add(const iovec& memory, unsigned index, std::uint64_t owner) noexcept;

    /// Ends a series of `add`. Takes linear time, and n * log n for the ranges that are new.
    void sort() noexcept;

    /// Removes all ranges of an owner. Takes linear time.
    void remove(std::uint64_t owner) noexcept;

    void clear() noexcept {
        ranges_.clear();
        sorted_ = 0;
    }

    /// Returns the index of a range that contains all of `memory`, or -1. Takes logarithmic time.
    int find(const iovec& memory) const noexcept;

private:
    /// `farthest_end` is the largest end of this range and all ranges before it, and
    /// `farthest_index` is the index of that range.
    /**
     * If any range contains some memory, this one does, for the last range that begins at or below
     * the memory. So one search suffices, although ranges overlap.
     */
    struct range {
        std::uintptr_t begin;
        std::uintptr_t end;
        std::uintptr_t farthest_end;
        unsigned index;
        unsigned farthest_index;
        std::uint64_t owner;
    };

    void find_farthest_ends() noexcept;

    std::vector<range> ranges_; ///< The first `sorted_` ones are sorted by `begin`.
    std::size_t sorted_ = 0;
    std::vector<range> merged_; ///< Empty but in `sort`. Has room for as many as `ranges_`.
};

} // namespace asio_aio::detail
