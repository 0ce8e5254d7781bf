// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace asio_aio::detail {

/// Finds out which bytes of a file are in memory, by mincore(2) on a mapping that is never
/// accessed.
/**
 * Thread-safe. The first call maps the file. A later call maps it again if the file has outgrown
 * its mapping. Older mappings stay until the file is closed, because another thread may be using
 * them. The file may shrink: mincore reports the missing part as not resident. No signal is raised,
 * because nothing accesses the mapping.
 *
 * mincore reports the truth only to a process that owns the file or may write it. If a process
 * gives up this right, as a daemon may, the library notices within 64 calls.
 *
 * The result may be wrong, and a read may wait, for a file on overlayfs that was opened read-only
 * before the kernel copied it up. Reads then use the upper file, but the mapping uses the lower
 * one.
 */
class residency_map {
public:
    residency_map() = default;
    residency_map(const residency_map&) = delete;
    residency_map& operator=(const residency_map&) = delete;
    ~residency_map();

    /// Returns how many of the `bytes` at `offset` are in memory, up to the first one that is not.
    /// Returns nothing if this is unknown.
    std::optional<std::size_t> count(
        int descriptor, std::uint64_t offset, std::size_t bytes) noexcept;

private:
    struct mapping;

    const mapping* find(int descriptor, std::uint64_t end) noexcept;
    mapping* make(int descriptor, std::uint64_t size, mapping* before) noexcept;

    std::atomic<mapping*> newest_{nullptr};
};

} // namespace asio_aio::detail
