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

    /// Adds a range. There must be room, and no other range may have this index.
    void add(const iovec& memory, unsigned index) noexcept;

    /// Removes the range with this index, if there is one.
    void remove(unsigned index) noexcept;

    void clear() noexcept { ranges_.clear(); }

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
    };

    void update_from(std::size_t first) noexcept;

    std::vector<range> ranges_; ///< Sorted by `begin`.
};

} // namespace asio_aio::detail
