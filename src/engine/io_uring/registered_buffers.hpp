// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine/engine.hpp"
#include "engine/io_uring/address_map.hpp"

#include <sys/uio.h>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace asio_aio::detail {

class io_uring_ring;

/// The memory that the program registered, and the places that it has in the kernel's table.
/**
 * The table is made for the first registration. A change of one place does not wait for operations
 * in flight: the kernel keeps the memory of a place until the requests that use it have ended.
 * Not synchronised: the engine's mutex guards this object.
 */
class registered_buffers {
public:
    /// True if no operation can use registered memory.
    bool empty() const noexcept { return map_.empty(); }

    /// Returns the place of a buffer that contains all of `memory`, or -1.
    int find(const iovec& memory) const noexcept { return map_.find(memory); }

    /// Notes memory that `change` will register, and returns the name of the registration. Throws
    /// std::bad_alloc, and then has changed nothing.
    std::uint64_t add(const iovec* memory, std::size_t count);

    /// From now on no operation uses this memory. `change` empties its places.
    void remove(std::uint64_t name) noexcept;

    /// True if `change` has something to do.
    bool has_changes() const noexcept { return pending_ != 0 || !to_empty_.empty(); }

    /// Brings the kernel's table up to date. The kernel must admit the calling thread.
    void change(io_uring_ring& ring) noexcept;

    /// The part of `change` that gives memory back.
    void empty_places(io_uring_ring& ring) noexcept;

    /// The ring is about to be replaced: `change` will register everything again.
    void start_over() noexcept;

    /// Returns 0 if operations use all memory of the registration. Otherwise -EINPROGRESS, or why
    /// the kernel refused it.
    int why_plain(std::uint64_t name) const noexcept;

    refused_memory refused() const noexcept;

private:
    /// A part of a registration that needs one place in the kernel's table.
    struct piece {
        std::uint64_t name;
        iovec memory;
        int error = -EINPROGRESS; ///< 0: it is in the table. Otherwise why not.
        unsigned place = 0;       ///< If `error` is 0.
    };

    static std::size_t pieces_of(const iovec* memory, std::size_t count) noexcept;
    void make_room(std::size_t more);
    void put(io_uring_ring& ring, piece& one) noexcept;
    int make_table(io_uring_ring& ring) noexcept;

    address_map map_; ///< The pieces that are in the table.
    /// Sorted by name. A name is never used again.
    std::vector<piece> pieces_;
    std::uint64_t last_name_ = 0;
    std::size_t pending_ = 0; ///< Pieces that `change` will register.

    // The kernel's table: places are used in order, and then again.
    unsigned places_ = 0; ///< 0: there is no table.
    unsigned first_unused_ = 0;
    std::vector<unsigned> free_;     ///< Places that were used and are empty.
    std::vector<unsigned> to_empty_; ///< Places of memory that is no longer registered.
};

} // namespace asio_aio::detail
