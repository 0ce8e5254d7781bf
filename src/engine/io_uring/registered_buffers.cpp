// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/registered_buffers.hpp"

#include "engine/io_uring/queue.hpp"

#include <algorithm>
#include <cerrno>

namespace asio_aio::detail {
namespace {

constexpr std::size_t most_bytes = std::size_t(1) << 30; // the kernel's limit for one buffer

template <typename T>
void make_room_in(std::vector<T>& list, std::size_t needed) {
    if (list.capacity() < needed)
        list.reserve(std::max(needed, 2 * list.capacity()));
}

struct by_name {
    template <typename Piece>
    bool operator()(const Piece& one, std::uint64_t name) const noexcept {
        return one.name < name;
    }
    template <typename Piece>
    bool operator()(std::uint64_t name, const Piece& one) const noexcept {
        return name < one.name;
    }
};

} // namespace

std::uint64_t registered_buffers::add(const iovec* memory, std::size_t count) {
    make_room(pieces_of(memory, count));
    ++last_name_;
    for (const iovec* one = memory; one != memory + count; ++one)
        for (std::size_t at = 0; at < one->iov_len; at += most_bytes) {
            const iovec part{
                static_cast<char*>(one->iov_base) + at, std::min(one->iov_len - at, most_bytes)};
            pieces_.push_back({last_name_, part});
            ++pending_;
        }
    return last_name_;
}

std::size_t registered_buffers::pieces_of(const iovec* memory, std::size_t count) noexcept {
    std::size_t pieces = 0;
    for (const iovec* one = memory; one != memory + count; ++one)
        pieces += one->iov_len / most_bytes + (one->iov_len % most_bytes != 0);
    return pieces;
}

/// Makes room for everything that the other functions add for `more` further pieces.
void registered_buffers::make_room(std::size_t more) {
    const std::size_t pieces = pieces_.size() + more;
    make_room_in(pieces_, pieces);
    map_.make_room(pieces);
    // Each place that was used is in at most one of these lists.
    make_room_in(free_, first_unused_ + pieces);
    make_room_in(to_empty_, first_unused_ + pieces);
}

void registered_buffers::remove(std::uint64_t name) noexcept {
    const auto [first, last] = std::equal_range(pieces_.begin(), pieces_.end(), name, by_name());
    for (auto each = first; each != last; ++each) {
        if (each->error == -EINPROGRESS)
            --pending_;
        if (each->error != 0)
            continue;
        to_empty_.push_back(each->place);
    }
    pieces_.erase(first, last);
    map_.remove(name);
}

void registered_buffers::empty_places(io_uring_ring& ring) noexcept {
    for (unsigned place : to_empty_) {
        // If the kernel has no memory for that, the place keeps its buffer until it is used again.
        ring.set_buffer(place, {nullptr, 0});
        free_.push_back(place);
    }
    to_empty_.clear();
}

void registered_buffers::change(io_uring_ring& ring) noexcept {
    empty_places(ring);
    if (pending_ == 0)
        return;
    const int error = make_table(ring);
    // The newest registrations are at the end.
    for (auto each = pieces_.rbegin(); pending_ != 0; ++each)
        if (each->error == -EINPROGRESS) {
            --pending_;
            each->error = error;
            if (error == 0)
                put(ring, *each);
        }
    map_.sort();
}

int registered_buffers::make_table(io_uring_ring& ring) noexcept {
    if (places_ != 0)
        return 0;
    const int result = ring.make_buffer_table();
    if (result < 0)
        return result;
    places_ = unsigned(result);
    return 0;
}

/// Puts a piece into an empty place of the kernel's table.
void registered_buffers::put(io_uring_ring& ring, piece& one) noexcept {
    const bool is_reused = !free_.empty();
    if (!is_reused && first_unused_ == places_) {
        one.error = -ENOBUFS;
        return;
    }
    one.place = is_reused ? free_.back() : first_unused_;
    one.error = ring.set_buffer(one.place, one.memory);
    if (one.error != 0)
        return;
    if (is_reused)
        free_.pop_back();
    else
        ++first_unused_;
    map_.add(one.memory, one.place, one.name);
}

void registered_buffers::start_over() noexcept {
    map_.clear();
    free_.clear();
    to_empty_.clear();
    places_ = first_unused_ = 0;
    for (piece& each : pieces_)
        each.error = -EINPROGRESS;
    pending_ = pieces_.size();
}

int registered_buffers::why_plain(std::uint64_t name) const noexcept {
    const auto [first, last] = std::equal_range(pieces_.begin(), pieces_.end(), name, by_name());
    const auto plain = std::find_if(first, last, [](const piece& one) { return one.error != 0; });
    return plain != last ? plain->error : 0;
}

refused_memory registered_buffers::refused() const noexcept {
    refused_memory sum;
    for (const piece& each : pieces_)
        if (each.error != 0 && each.error != -EINPROGRESS) {
            sum.bytes += each.memory.iov_len;
            sum.error = -each.error;
        }
    return sum;
}

} // namespace asio_aio::detail
