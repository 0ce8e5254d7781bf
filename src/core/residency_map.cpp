// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/core/residency_map.hpp>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace asio_aio::detail {
namespace {

std::size_t page_bytes() noexcept {
    static const auto bytes = std::size_t(::sysconf(_SC_PAGESIZE));
    return bytes;
}

// A file may grow so much, or to twice its size, before it is mapped again. Also more than the
// largest folio of any page cache (2 MiB, Linux 6.18 on x86): behind it no page can be in memory
// because a neighbour is.
constexpr std::uint64_t least_room = std::uint64_t(64) << 20;

// Of all files: an eighth of what the kernel allows a process by default (vm.max_map_count, 65530).
constexpr int most_mappings = 8192;
std::atomic<int> mappings{0};
std::atomic<std::uint64_t> mapped_bytes{0};

/// Of all files together: an eighth of the address space; the rest is the program's.
std::uint64_t most_bytes() noexcept {
    const char here = 0; // on a stack, in the upper half
    const auto address = reinterpret_cast<std::uintptr_t>(&here);
    return (std::uint64_t(1) << (64 - __builtin_clzll(address))) / 8;
}

void give_back(std::uint64_t bytes) noexcept {
    mappings.fetch_sub(1, std::memory_order_relaxed);
    mapped_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

/// Counts one more mapping; false where that is one too many.
bool take(std::uint64_t bytes) noexcept {
    const bool too_many = mappings.fetch_add(1, std::memory_order_relaxed) >= most_mappings;
    const std::uint64_t before = mapped_bytes.fetch_add(bytes, std::memory_order_relaxed);
    if (!too_many && before + bytes <= most_bytes())
        return true;
    give_back(bytes);
    return false;
}

std::uint64_t round_up(std::uint64_t bytes) noexcept {
    const std::size_t page = page_bytes();
    return (bytes + page - 1) / page * page;
}

/// Mappings take from an address space that the program has limited, and it may need all of that.
bool is_address_space_limited() noexcept {
    rlimit limit;
    return ::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

std::optional<std::uint64_t> size_of(int descriptor) noexcept {
    struct stat status;
    if (::fstat(descriptor, &status) != 0)
        return std::nullopt;
    return std::uint64_t(status.st_size);
}

/// How many of the `count` pages from `first` on are in memory, up to the first that is not.
std::optional<std::size_t> resident_pages(char* first, std::size_t count) noexcept {
    unsigned char pages[64]; // 256 KiB: more than most inline reads ask for
    for (std::size_t done = 0; done != count;) {
        const std::size_t some = std::min(count - done, sizeof(pages));
        if (::mincore(first + done * page_bytes(), some * page_bytes(), pages) != 0)
            return std::nullopt;
        const auto absent =
            std::find_if(pages, pages + some, [](unsigned char each) { return (each & 1) == 0; });
        done += std::size_t(absent - pages);
        if (absent != pages + some)
            return done;
    }
    return count;
}

} // namespace

struct residency_map::mapping {
    char* begin;
    std::uint64_t length; ///< 0: there is none, and none will be tried.
    mapping* before;
    std::atomic<unsigned> questions{0};

    ~mapping() { unmap(); }

    void unmap() noexcept {
        if (length == 0)
            return;
        ::munmap(begin, length);
        give_back(std::exchange(length, 0));
    }

    /// To a process that may not write the file, mincore says that all of it is in memory (Linux
    /// 5.2): also the last page of the room, which is far behind the end.
    bool tells_truth() const noexcept {
        return resident_pages(begin + length - page_bytes(), 1) == std::size_t(0);
    }

    /// The same, from time to time: the process may have given up its rights, or the file may have
    /// grown to that page.
    bool is_trusted() noexcept {
        constexpr unsigned period = 64; // the question costs as much as the read that it is about
        // a hint: threads may overwrite each other's
        const unsigned asked = questions.load(std::memory_order_relaxed);
        questions.store(asked + 1, std::memory_order_relaxed);
        return asked % period != period - 1 || tells_truth();
    }
};

residency_map::~residency_map() {
    for (mapping* each = newest_.load(std::memory_order_acquire); each;)
        delete std::exchange(each, each->before);
}

std::optional<std::size_t> residency_map::count(
    int descriptor, std::uint64_t offset, std::size_t bytes) noexcept {
    const mapping* const map = find(descriptor, offset + bytes);
    if (!map || map->length == 0)
        return std::nullopt;
    const std::size_t page = page_bytes();
    const std::uint64_t first = offset / page * page;
    const std::uint64_t end = std::min(round_up(offset + bytes), map->length);
    if (first >= end)
        return 0; // past what was the end of the file a moment ago
    const auto pages = resident_pages(map->begin + first, std::size_t(end - first) / page);
    if (!pages)
        return std::nullopt;
    const std::uint64_t resident_end = first + *pages * page;
    return resident_end <= offset
        ? 0
        : std::size_t(std::min<std::uint64_t>(resident_end - offset, bytes));
}

/// A mapping of the file up to `end`, or to its own end; null where there is none now.
const residency_map::mapping* residency_map::find(int descriptor, std::uint64_t end) noexcept {
    mapping* newest = newest_.load(std::memory_order_acquire);
    if (newest && newest->length == 0)
        return newest;
    const bool is_trusted = newest && newest->is_trusted();
    if (is_trusted && end <= newest->length)
        return newest;
    const auto size = size_of(descriptor);
    if (!size)
        return nullptr;
    if (is_trusted && *size <= newest->length)
        return newest;
    mapping* const made = make(descriptor, *size, newest);
    if (!made || newest_.compare_exchange_strong(newest, made, std::memory_order_acq_rel))
        return made;
    delete made; // another thread was faster
    return newest;
}

/// Maps the file and room behind it; of length 0 where this file cannot be asked, null where there
/// is no memory.
residency_map::mapping* residency_map::make(
    int descriptor, std::uint64_t size, mapping* before) noexcept {
    auto* const made = new (std::nothrow) mapping{nullptr, 0, before};
    constexpr std::uint64_t largest = std::numeric_limits<std::ptrdiff_t>::max() / 4;
    if (!made || size > largest || is_address_space_limited())
        return made;
    const std::uint64_t length = round_up(size + std::max(size, least_room));
    if (!take(length))
        return made;
    // Where the program locks its memory (mlockall(2)): without any access, so that the pages are
    // not brought in, and unlocked, so that it does not count against RLIMIT_MEMLOCK.
    void* const begin = ::mmap(nullptr, length, PROT_NONE, MAP_SHARED, descriptor, 0);
    if (begin == MAP_FAILED) {
        give_back(length);
        return made;
    }
    ::munlock(begin, length);
    made->begin = static_cast<char*>(begin);
    made->length = length;
    if (!made->tells_truth())
        made->unmap();
    return made;
}

} // namespace asio_aio::detail
