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

// The least growth for which a file needs no new mapping. It exceeds the largest folio of the page
// cache (2 MiB, Linux 6.18 on x86). So the last page of the mapping cannot be in memory as a part
// of the file's last folio.
constexpr std::uint64_t least_room = std::uint64_t(64) << 20;

// Of all files: an eighth of the mappings that a process has by default (vm.max_map_count, 65530).
constexpr int most_mappings = 8192;
std::atomic<int> mappings{0};
std::atomic<std::uint64_t> mapped_bytes{0};

/// The most bytes to map for all files: an eighth of the address space.
std::uint64_t most_bytes() noexcept {
    const char here = 0; // on the stack, in the upper half of the address space
    const auto address = reinterpret_cast<std::uintptr_t>(&here);
    return (std::uint64_t(1) << (64 - __builtin_clzll(address))) / 8;
}

void give_back(std::uint64_t bytes) noexcept {
    mappings.fetch_sub(1, std::memory_order_relaxed);
    mapped_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

/// Counts one more mapping. Returns false if it exceeds a limit.
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

/// True if the program has limited its address space. It may then need all of it, so nothing is
/// mapped.
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

/// Returns how many of `count` pages are in memory, from `first` up to the first page that is not.
std::optional<std::size_t> resident_pages(char* first, std::size_t count) noexcept {
    unsigned char pages[64]; // 256 KiB, more than most inline reads need
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
    std::uint64_t length; ///< 0: there is no mapping, and none will be tried.
    mapping* before;
    std::atomic<unsigned> questions{0};

    ~mapping() { unmap(); }

    void unmap() noexcept {
        if (length == 0)
            return;
        ::munmap(begin, length);
        give_back(std::exchange(length, 0));
    }

    /// False if mincore reports the last page of the mapping as resident.
    /**
     * That page is far past the end of the file. mincore reports all pages as resident to a process
     * that may not write the file (Linux 5.2).
     */
    bool tells_truth() const noexcept {
        return resident_pages(begin + length - page_bytes(), 1) == std::size_t(0);
    }

    /// Repeats the check from time to time. The process may have given up its rights, or the file
    /// may have grown up to that page.
    bool is_trusted() noexcept {
        constexpr unsigned period = 64; // the check costs as much as the read that it protects
        // a hint: threads may overwrite each other's count
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
        return 0; // past the size that the file had when it was mapped
    const auto pages = resident_pages(map->begin + first, std::size_t(end - first) / page);
    if (!pages)
        return std::nullopt;
    const std::uint64_t resident_end = first + *pages * page;
    return resident_end <= offset
        ? 0
        : std::size_t(std::min<std::uint64_t>(resident_end - offset, bytes));
}

/// Returns a mapping that covers the file up to `end` or up to its own end; null if there is none
/// now.
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

/// Maps the file and more address space behind it. Returns a mapping of length 0 if mincore cannot
/// be used on this file, and null if there is no memory.
residency_map::mapping* residency_map::make(
    int descriptor, std::uint64_t size, mapping* before) noexcept {
    auto* const made = new (std::nothrow) mapping{nullptr, 0, before};
    constexpr std::uint64_t largest = std::numeric_limits<std::ptrdiff_t>::max() / 4;
    if (!made || size > largest || is_address_space_limited())
        return made;
    const std::uint64_t length = round_up(size + std::max(size, least_room));
    if (!take(length))
        return made;
    // For programs that lock their memory (mlockall(2)). PROT_NONE: the kernel does not read the
    // file into memory. munlock: the mapping does not count against RLIMIT_MEMLOCK.
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
