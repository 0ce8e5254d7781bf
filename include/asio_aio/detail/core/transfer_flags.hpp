// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace asio_aio::detail {

/// Options of one read or write, as the kernel's numbers.
struct transfer_flags {
    int rw = 0;                 ///< RWF_… of preadv2(2) and pwritev2(2).
    std::uint16_t priority = 0; ///< As for ioprio_set(2): class and level; 0: none.

    bool any() const noexcept { return (rw | priority) != 0; }
};

// Flags that the headers of Debian 12 do not declare; the numbers are part of the kernel's ABI.
constexpr int rwf_no_append = 0x20; // Linux 6.9
constexpr int rwf_atomic = 0x40;    // Linux 6.11
constexpr int rwf_uncached = 0x80;  // RWF_DONTCACHE, Linux 6.14

constexpr unsigned priority_class_shift = 13;
constexpr unsigned real_time_class = 1;
/// Stands for a priority that does not exist.
constexpr std::uint16_t invalid_priority = UINT16_MAX;

constexpr bool is_real_time(std::uint16_t priority) noexcept {
    return priority >> priority_class_shift == real_time_class;
}

} // namespace asio_aio::detail
