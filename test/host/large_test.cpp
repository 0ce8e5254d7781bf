// SPDX-License-Identifier: BSL-1.0
// Large transfers and far offsets.
#include "mounts.hpp"
#include "results.hpp"

#include <boost/asio/read_at.hpp>
#include <boost/asio/write_at.hpp>

#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <limits>
#include <vector>

using namespace test;

namespace {

// The most bytes that one system call moves: INT_MAX rounded down to a page (read(2), NOTES).
constexpr std::size_t most_bytes = 0x7ffff000;

constexpr auto largest_offset = std::uint64_t(std::numeric_limits<std::int64_t>::max());

constexpr std::size_t shared_bytes = 4 << 20;

#ifdef __SANITIZE_THREAD__
constexpr bool notes_every_byte = true; // ThreadSanitizer takes minutes for gigabytes
#else
constexpr bool notes_every_byte = false;
#endif

/// One buffer of any size that maps the same 4 MiB of memory again and again, so that any machine
/// has enough memory.
class repeated_memory {
public:
    explicit repeated_memory(std::size_t bytes)
        : bytes_(bytes),
          data_(::mmap(
              nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
        BOOST_REQUIRE(data_ != MAP_FAILED);
        const int memory = ::memfd_create("shared", MFD_CLOEXEC);
        BOOST_REQUIRE_EQUAL(::ftruncate(memory, shared_bytes), 0);
        for (std::size_t at = 0; at < bytes; at += shared_bytes) {
            const std::size_t size = std::min(shared_bytes, bytes - at);
            const void* part = ::mmap(
                data() + at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
            BOOST_REQUIRE(part == data() + at);
        }
        ::close(memory);
    }
    repeated_memory(const repeated_memory&) = delete;
    repeated_memory& operator=(const repeated_memory&) = delete;
    ~repeated_memory() { ::munmap(data_, bytes_); }

    char* data() const { return static_cast<char*>(data_); }

private:
    std::size_t bytes_;
    void* data_;
};

/// A sequence of more than 2 GiB. All its buffers are the same 4 MiB of memory.
template <typename Buffer>
std::vector<Buffer> huge_sequence(std::string& memory) {
    memory.resize(shared_bytes);
    return std::vector<Buffer>(600, asio::buffer(memory));
}

/// Makes a sparse file of more than 2 GiB. There are marks at the front, and before and after the
/// end of the largest transfer.
void make_huge(file& f) {
    f.resize(most_bytes + (1u << 20));
    f.write_some_at(0, asio::buffer("first", 5));
    f.write_some_at(most_bytes - 4, asio::buffer("last", 4));
    f.write_some_at(most_bytes, asio::buffer("beyond", 6));
}

} // namespace

ENGINE_TEST(four_mib_come_back_from_the_front_and_from_5_gib) {
    const std::string bytes = pattern(4 << 20);
    file f = env.open();
    for (const std::uint64_t offset : {std::uint64_t(0), std::uint64_t(5) << 30})
        for (const bool cold : {false, true}) {
            BOOST_TEST_CONTEXT("offset " << offset << (cold ? ", cold" : "")) {
                outcome result;
                asio::async_write_at(f, offset, asio::buffer(bytes), result.handler());
                env.run();
                BOOST_TEST(!result.ec);
                BOOST_TEST(result.bytes == bytes.size());
                if (cold)
                    make_cold(env.path());
                std::string back(bytes.size(), '\0');
                asio::async_read_at(f, offset, asio::buffer(back), result.handler());
                env.run();
                BOOST_TEST(!result.ec);
                BOOST_TEST(result.bytes == bytes.size());
                BOOST_TEST((back == bytes));
                BOOST_TEST(f.size() == offset + bytes.size());
            }
        }
}

ENGINE_TEST(offsets_that_differ_only_above_32_bits_are_different_places) {
    file f = env.open();
    for (const std::uint64_t offset : {1ull << 31, 1ull << 32, 1ull << 33}) {
        const std::string text = std::to_string(offset);
        BOOST_TEST(write_at(env, f, offset, {asio::buffer(text)}).bytes == text.size());
    }
    for (const std::uint64_t offset : {1ull << 31, 1ull << 32, 1ull << 33}) {
        std::string back(std::to_string(offset).size(), '\0');
        BOOST_TEST(read_both_ways(env, f, offset, {asio::buffer(back)}).bytes == back.size());
        BOOST_TEST(back == std::to_string(offset));
    }
    char front = '#';
    f.read_some_at(0, asio::buffer(&front, 1));
    BOOST_TEST(front == '\0');
}

ENGINE_TEST(an_offset_above_the_largest_is_invalid_and_never_the_current_position) {
    set_content(env.path(), "12345");
    for (const std::uint64_t offset :
         {largest_offset, largest_offset + 1, std::uint64_t(0) - 4096, std::uint64_t(0) - 2,
          std::uint64_t(0) - 1}) {
        BOOST_TEST_CONTEXT("offset " << offset) {
            // a new file each time, because a file remembers that an inline read was refused
            file f = env.open();
            char c = '#';
            const outcome read = read_both_ways(env, f, offset, {asio::buffer(&c, 1)});
            BOOST_TEST((read.ec == asio::error::invalid_argument));
            BOOST_TEST(read.bytes == 0u);
            BOOST_TEST(c == '#');
            const outcome written = write_both_ways(env, f, offset, {asio::buffer("x", 1)});
            BOOST_TEST((written.ec == asio::error::invalid_argument));
            BOOST_TEST(written.bytes == 0u);
            BOOST_TEST(::lseek(f.native_handle(), 0, SEEK_CUR) == 0);
        }
    }
    BOOST_TEST(content(env.path()) == "12345");
}

ENGINE_TEST(a_range_that_ends_above_the_largest_offset_is_invalid) {
    file f = env.open();
    char buffer[16];
    const outcome read = read_both_ways(env, f, largest_offset - 8, {asio::buffer(buffer)});
    BOOST_TEST((read.ec == asio::error::invalid_argument));
    const outcome written = write_both_ways(env, f, largest_offset - 8, {asio::buffer(buffer)});
    BOOST_TEST((written.ec == asio::error::invalid_argument));
    BOOST_TEST(f.size() == 0u);
}

ENGINE_TEST(a_read_of_more_than_2_gib_into_one_buffer_is_short_and_right) {
    if (notes_every_byte)
        return say_skipped("too slow under ThreadSanitizer");
    file f = env.open();
    make_huge(f);
    constexpr std::size_t asked = (std::size_t(2) << 30) + shared_bytes;
    const repeated_memory memory(asked);
    const outcome result = read_at(env, f, 0, {asio::buffer(memory.data(), asked)});
    BOOST_TEST(!result.ec);
    BOOST_TEST(result.bytes == most_bytes);
    BOOST_TEST(std::string(memory.data() + most_bytes - 4, 4) == "last");
    // nothing was read to the memory after the transfer
    BOOST_TEST(std::string(memory.data() + most_bytes, 6) == std::string(6, '\0'));
}

ENGINE_TEST(a_read_of_more_than_2_gib_into_many_buffers_is_short_and_right) {
    file f = env.open();
    make_huge(f);
    constexpr std::size_t end = most_bytes % shared_bytes; // position in the shared memory
    for (const bool now : {false, true}) {
        BOOST_TEST_CONTEXT((now ? "synchronous" : "asynchronous")) {
            std::string memory;
            const auto buffers = huge_sequence<asio::mutable_buffer>(memory);
            outcome result;
            if (now)
                result.bytes = f.read_some_at(0, buffers, result.ec);
            else
                result = read_at(env, f, 0, buffers);
            BOOST_TEST(!result.ec);
            BOOST_TEST(result.bytes == most_bytes);
            BOOST_TEST(memory.substr(end - 4, 4) == "last");
            BOOST_TEST(memory.substr(end, 6) == std::string(6, '\0'));
        }
    }
}

ENGINE_TEST(a_write_of_more_than_2_gib_is_short) {
    if (notes_every_byte)
        return say_skipped("too slow under ThreadSanitizer");
    // /dev/null takes any number of bytes and does not read the memory
    file f = env.open("/dev/null", file_base::write_only);
    const repeated_memory memory(std::size_t(3) << 30);
    const outcome one =
        write_both_ways(env, f, 0, {asio::buffer(memory.data(), std::size_t(3) << 30)});
    BOOST_TEST(!one.ec);
    BOOST_TEST(one.bytes == most_bytes);
    std::string shared;
    const outcome many = write_both_ways(env, f, 0, huge_sequence<asio::const_buffer>(shared));
    BOOST_TEST(!many.ec);
    BOOST_TEST(many.bytes == most_bytes);
}

ENGINE_TEST(a_length_above_32_bits_is_not_cut) {
    if (notes_every_byte)
        return say_skipped("too slow under ThreadSanitizer");
    constexpr std::size_t four_gib = std::size_t(4) << 30; // 0 in 32 bits
    const repeated_memory memory(four_gib + 3);
    file null = env.open("/dev/null", file_base::write_only);
    BOOST_TEST(
        write_both_ways(env, null, 0, {asio::buffer(memory.data(), four_gib)}).bytes == most_bytes);
    BOOST_TEST(
        write_both_ways(env, null, 0, {asio::buffer(memory.data(), four_gib + 3)}).bytes ==
        most_bytes);
    set_content(env.path(), "0123456789");
    file f = env.open();
    BOOST_TEST(read_both_ways(env, f, 0, {asio::buffer(memory.data(), four_gib)}).bytes == 10u);
    BOOST_TEST(read_both_ways(env, f, 0, {asio::buffer(memory.data(), four_gib + 3)}).bytes == 10u);
    BOOST_TEST(std::string(memory.data(), 10) == "0123456789");
}

ENGINE_TEST(direct_io_above_2_gib_to_large_blocks_is_short_and_works) {
    if (notes_every_byte)
        return say_skipped("too slow under ThreadSanitizer");
    constexpr unsigned block = 65536;
    constexpr std::size_t piece = 4 << 20;
    set_content(env.path("disk"), {});
    std::filesystem::resize_file(env.path("disk"), std::uint64_t(3) << 30);
    const loop_device disk(env.path("disk"), block);
    if (!disk.works())
        return say_skipped("no loop device with blocks of 64 KiB can be made");
    file f(env.ctx, disk.path(), file_base::read_write | file_base::direct);
    BOOST_REQUIRE_EQUAL(f.direct_io_alignment().offset, block);
    const repeated_memory memory(piece); // aligned to pages
    const std::vector<asio::mutable_buffer> buffers(600, asio::buffer(memory.data(), piece));
    const outcome read = read_both_ways(env, f, 0, buffers);
    BOOST_TEST(!read.ec);
    BOOST_TEST(read.bytes == 0x7fff0000u);
}
