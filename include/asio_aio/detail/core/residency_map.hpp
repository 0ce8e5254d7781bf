// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace asio_aio::detail {

/// Tells which bytes of a file are in memory: mincore(2) of a mapping that nobody ever touches.
/**
 * Thread-safe. The mapping is made when it is first asked, and once more each time that the file
 * has outgrown it; those before stay until the end, since another thread may be asking them. The
 * file may shrink: what is cut off is then not in memory, and an untouched mapping raises no
 * signal.
 *
 * The kernel answers truly to who may write or owns the file. A process that gives up that right,
 * as a daemon does, is told so by the 64th question at the latest, and no more after it. A
 * descriptor that was opened on overlayfs for reading, before another one had the file copied up,
 * reads the upper file, but maps the lower one: the answer may be wrong then, and a read wait.
 */
class residency_map {
public:
    residency_map() = default;
    residency_map(const residency_map&) = delete;
    residency_map& operator=(const residency_map&) = delete;
    ~residency_map();

    /// How many of the `bytes` at `offset` are in memory, from the first one on; nothing where that
    /// cannot be known.
    std::optional<std::size_t> count(
        int descriptor, std::uint64_t offset, std::size_t bytes) noexcept;

private:
    struct mapping;

    const mapping* find(int descriptor, std::uint64_t end) noexcept;
    mapping* make(int descriptor, std::uint64_t size, mapping* before) noexcept;

    std::atomic<mapping*> newest_{nullptr};
};

} // namespace asio_aio::detail
