// SPDX-License-Identifier: BSL-1.0
#include "place.hpp"

#include "outcome.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

namespace bench {

namespace {

// A page: enough for O_DIRECT on any disk, and the usual alignment of a pool of buffers.
constexpr std::size_t alignment = 4096;

std::size_t stride(std::size_t block) {
    return (block + alignment - 1) / alignment * alignment;
}

} // namespace

void place::report(std::int64_t result) const noexcept {
    char reason[160];
    std::snprintf(
        reason, sizeof reason, "%s (%lld of %zu bytes at %llu of file %u)",
        result < 0 ? std::strerror(int(-result)) : "incomplete",
        static_cast<long long>(std::max<std::int64_t>(result, 0)), block_,
        static_cast<unsigned long long>(now_.offset), now_.file);
    fail(call(), reason);
}

place_group::place_group(
    measurement& measured, const workload& wanted, unsigned count, std::uint64_t first_number) {
    const std::size_t each = stride(wanted.block);
    memory_.reset(static_cast<char*>(std::aligned_alloc(alignment, each * count)));
    if (!memory_)
        throw std::bad_alloc();
    // Fills the memory, so that no operation causes a page fault. Random data cannot be compressed
    // when it is written.
    random_bits random(first_number + 1);
    for (std::size_t i = 0; i != each * count; i += sizeof(std::uint64_t)) {
        const std::uint64_t bits = random();
        std::memcpy(memory_.get() + i, &bits, sizeof bits);
    }
    places_.reserve(count);
    for (unsigned i = 0; i != count; ++i)
        places_.emplace_back(measured, wanted, first_number + i, memory_.get() + i * each);
}

std::uint64_t place_group::completed() const noexcept {
    std::uint64_t sum = 0;
    for (const place& each : places_)
        sum += each.completed();
    return sum;
}

memory_block memory_of(const std::vector<place>& group) noexcept {
    char* const begin = group.front().data();
    return {begin, std::size_t(group.back().data() - begin) + stride(group.back().size())};
}

} // namespace bench
