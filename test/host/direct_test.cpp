// SPDX-License-Identifier: BSL-1.0
// Direct I/O, which is aligned and bypasses the page cache.
#include "results.hpp"

#include <asio_aio/detail/transfer.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>

using namespace test;

namespace {

/// Memory whose address is a multiple of the page size, but not of twice the page size.
class page_memory {
public:
    static constexpr std::size_t page = 4096;

    explicit page_memory(std::size_t bytes) : all_(bytes + 3 * page) {
        void* start = all_.data();
        std::size_t space = all_.size();
        data_ = static_cast<char*>(std::align(2 * page, bytes + page, start, space)) + page;
    }

    char* data() const { return data_; }

private:
    std::vector<char> all_;
    char* data_;
};

/// A file that is open for direct I/O. If the filesystem has none, prints that the test is skipped,
/// and returns nothing.
std::optional<file> open_direct(environment& env) {
    file f(env.ctx);
    error_code ec;
    f.open(env.path(), file_base::read_write | file_base::create | file_base::direct, ec);
    if (ec == errno_code(EINVAL) || f.direct_io_alignment().offset == 0) {
        say_skipped("the filesystem has no direct I/O");
        return std::nullopt;
    }
    BOOST_REQUIRE(!ec);
    return f;
}

/// Whether the kernel reports the file's alignment (since Linux 6.1). If not, `direct_io_alignment`
/// is a page, and the device may accept less.
bool is_alignment_reported(file& f) {
    constexpr unsigned dioalign = 0x2000; // STATX_DIOALIGN, which older headers lack
    struct statx status {};
    BOOST_REQUIRE_EQUAL(::statx(f.native_handle(), "", AT_EMPTY_PATH, dioalign, &status), 0);
    return (status.stx_mask & dioalign) != 0;
}

/// Half of the smallest block: not every multiple of this is an allowed offset.
std::size_t half_of_block(file& f) {
    constexpr std::size_t smallest_block = 512; // of any disk
    return (is_alignment_reported(f) ? f.direct_io_alignment().offset : smallest_block) / 2;
}

/// Half of the alignment of memory. If the alignment is unknown, any even address may be allowed.
std::size_t half_of_memory_alignment(file& f) {
    return is_alignment_reported(f) ? f.direct_io_alignment().memory / 2 : 1;
}

/// Fails unless reads and writes, in both forms, are refused.
void expect_refused(
    environment& env, file& f, std::uint64_t offset, char* memory, std::size_t bytes) {
    const outcome read = read_both_ways(env, f, offset, {asio::buffer(memory, bytes)});
    BOOST_TEST((read.ec == asio::error::invalid_argument));
    BOOST_TEST(read.bytes == 0u);
    const outcome written = write_both_ways(env, f, offset, {asio::buffer(memory, bytes)});
    BOOST_TEST((written.ec == asio::error::invalid_argument));
    BOOST_TEST(written.bytes == 0u);
}

} // namespace

ENGINE_TEST(aligned_direct_io_moves_the_right_bytes) {
    auto f = open_direct(env);
    if (!f)
        return;
    const auto alignment = f->direct_io_alignment();
    for (const std::size_t size :
         {alignment.offset, std::size_t(4096), std::size_t(128 << 10), std::size_t(1 << 20)}) {
        BOOST_TEST_CONTEXT(size << " bytes") {
            const std::string bytes = pattern(size, unsigned(size));
            const page_memory from(size), to(size);
            std::memcpy(from.data(), bytes.data(), size);
            const outcome written = write_at(env, *f, 4096, {asio::buffer(from.data(), size)});
            BOOST_TEST(!written.ec);
            BOOST_TEST(written.bytes == size);
            BOOST_TEST((content(env.path()).substr(4096, size) == bytes));
            const outcome read = read_both_ways(env, *f, 4096, {asio::buffer(to.data(), size)});
            BOOST_TEST(!read.ec);
            BOOST_TEST(read.bytes == size);
            BOOST_TEST(std::equal(bytes.begin(), bytes.end(), to.data()));
        }
    }
}

ENGINE_TEST(the_reported_alignment_is_sufficient) {
    auto f = open_direct(env);
    if (!f)
        return;
    const auto alignment = f->direct_io_alignment();
    BOOST_TEST(alignment.memory > 0u);
    const std::size_t block = alignment.offset;
    const page_memory memory(block + alignment.memory);
    std::memset(memory.data(), 'x', block + alignment.memory);
    char* data = memory.data() + alignment.memory;
    BOOST_TEST(write_both_ways(env, *f, block, {asio::buffer(data, block)}).bytes == block);
    BOOST_TEST(read_both_ways(env, *f, block, {asio::buffer(data, block)}).bytes == block);
}

ENGINE_TEST(direct_io_at_the_end_is_short_and_then_eof) {
    set_content(env.path(), pattern(6000));
    auto f = open_direct(env);
    if (!f)
        return;
    const page_memory memory(8192);
    BOOST_TEST(
        read_both_ways(env, *f, 4096, {asio::buffer(memory.data(), 8192)}).bytes == 6000u - 4096u);
    BOOST_TEST(std::string(memory.data(), 1904) == pattern(6000).substr(4096));
    BOOST_TEST((
        read_both_ways(env, *f, 8192, {asio::buffer(memory.data(), 4096)}).ec == asio::error::eof));
}

ENGINE_TEST(direct_io_to_many_aligned_buffers) {
    auto f = open_direct(env);
    if (!f)
        return;
    const std::string bytes = pattern(16 * 4096);
    const page_memory memory(bytes.size());
    std::vector<asio::mutable_buffer> pages;
    for (std::size_t at = bytes.size(); at != 0; at -= 4096) // the last page first
        pages.push_back(asio::buffer(memory.data() + at - 4096, 4096));
    f->write_some_at(
        0, asio::buffer(std::memcpy(memory.data(), bytes.data(), bytes.size()), bytes.size()));
    std::memset(memory.data(), 0, bytes.size());
    BOOST_TEST(read_both_ways(env, *f, 0, pages).bytes == bytes.size());
    BOOST_TEST(
        std::equal(bytes.begin(), bytes.begin() + 4096, memory.data() + bytes.size() - 4096));
    BOOST_TEST(std::equal(bytes.end() - 4096, bytes.end(), memory.data()));
    std::vector<asio::const_buffer> again(pages.begin(), pages.end());
    BOOST_TEST(write_both_ways(env, *f, 0, again).bytes == bytes.size());
    BOOST_TEST((content(env.path()) == bytes));
}

ENGINE_TEST(a_misaligned_offset_is_invalid) {
    set_content(env.path(), pattern(64 << 10));
    auto f = open_direct(env);
    if (!f)
        return;
    const page_memory memory(8192);
    for (const std::uint64_t offset :
         {std::uint64_t(1), std::uint64_t(4097), std::uint64_t(half_of_block(*f))})
        BOOST_TEST_CONTEXT("offset " << offset) {
            expect_refused(env, *f, offset, memory.data(), 8192);
        }
    BOOST_TEST((content(env.path()) == pattern(64 << 10)));
}

ENGINE_TEST(a_misaligned_length_is_invalid) {
    set_content(env.path(), pattern(64 << 10));
    auto f = open_direct(env);
    if (!f)
        return;
    const page_memory memory(8192);
    for (const std::size_t bytes :
         {std::size_t(1), f->direct_io_alignment().offset - 1, std::size_t(4096 + 1),
          std::size_t(8191)})
        BOOST_TEST_CONTEXT(bytes << " bytes") {
            expect_refused(env, *f, 0, memory.data(), bytes);
        }
    BOOST_TEST((content(env.path()) == pattern(64 << 10)));
}

ENGINE_TEST(misaligned_memory_is_invalid) {
    set_content(env.path(), pattern(64 << 10));
    auto f = open_direct(env);
    if (!f)
        return;
    const std::size_t alignment = f->direct_io_alignment().memory;
    if (alignment == 1)
        return say_skipped("the device accepts memory at any address");
    const std::size_t block = f->direct_io_alignment().offset;
    const page_memory memory((64 << 10) + 4096);
    // Small transfers, too: some kernels accept a misaligned transfer that lies within one page.
    for (const std::size_t bytes : {block, std::size_t(4096), std::size_t(64 << 10)})
        for (const std::size_t shift : {std::size_t(1), half_of_memory_alignment(*f)})
            BOOST_TEST_CONTEXT(bytes << " bytes at +" << shift) {
                expect_refused(env, *f, 0, memory.data() + shift, bytes);
            }
}

ENGINE_TEST(one_misaligned_buffer_of_many_makes_the_transfer_invalid) {
    set_content(env.path(), pattern(64 << 10));
    auto f = open_direct(env);
    if (!f)
        return;
    const page_memory memory(3 * 4096);
    const std::vector<asio::mutable_buffer> lengths = {
        asio::buffer(memory.data(), 4096), asio::buffer(memory.data() + 4096, 100),
        asio::buffer(memory.data() + 8192, 4096 - 100)};
    const outcome result = read_both_ways(env, *f, 0, lengths);
    BOOST_TEST((result.ec == asio::error::invalid_argument));
    BOOST_TEST(result.bytes == 0u);
}

// --- Above 2 GiB ---

BOOST_AUTO_TEST_CASE(a_transfer_that_is_cut_ends_at_a_block) {
    namespace detail = asio_aio::detail;
    constexpr std::size_t most = 0x7ffff000; // bytes of one system call
    void* const anywhere = reinterpret_cast<void*>(std::uintptr_t(1) << 30);
    const asio::mutable_buffer one(anywhere, std::size_t(3) << 30);
    const std::vector<asio::mutable_buffer> many(600, asio::mutable_buffer(anywhere, 4 << 20));
    for (const std::size_t block :
         {std::size_t(512), std::size_t(4096), std::size_t(8192), std::size_t(65536)})
        BOOST_TEST_CONTEXT("blocks of " << block << " bytes") {
            detail::file_traits traits;
            traits.direct = true;
            traits.required = {512, block};
            const detail::file_handle handle(-1, traits);
            const detail::small_iovecs<1> of_one(one, handle.max_transfer());
            const detail::small_iovecs<8> of_many(many, handle.max_transfer());
            for (const detail::transfer_extent& extent : {of_one.extent(), of_many.extent()}) {
                BOOST_TEST(extent.bytes == most / block * block);
                BOOST_TEST(handle.accepts(extent.addresses, extent.lengths));
            }
        }
    const detail::file_handle buffered(-1, detail::file_traits());
    BOOST_TEST(buffered.max_transfer() == most);
}
