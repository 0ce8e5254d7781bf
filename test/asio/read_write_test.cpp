// SPDX-License-Identifier: BSL-1.0
// Reads and writes of ordinary files, one at a time.
#include "results.hpp"

#include <fcntl.h>

using namespace test;

namespace {

constexpr std::size_t page = 4096;

} // namespace

ENGINE_TEST(an_empty_file_is_at_its_end) {
    file f = env.open();
    char buffer[32];
    const outcome result = read_both_ways(env, f, 0, {asio::buffer(buffer)});
    BOOST_TEST(result.ec == asio::error::eof);
    BOOST_TEST(result.bytes == 0u);
}

ENGINE_TEST(reads_what_was_written_and_overwritten) {
    file f = env.open();
    for (const std::string text : {"Hello world", "HELLO WORLD"}) {
        const outcome written = write_at(env, f, 0, {asio::buffer(text)});
        BOOST_TEST(!written.ec);
        BOOST_TEST(written.bytes == text.size());
        std::string back(32, '\0');
        const outcome read = read_at(env, f, 0, {asio::buffer(back)});
        BOOST_TEST(!read.ec);
        BOOST_TEST(back.substr(0, read.bytes) == text);
    }
}

ENGINE_TEST(both_forms_see_what_the_other_wrote) {
    file f = env.open();
    char back[6] = {};
    BOOST_TEST(write_now(f, 0, asio::buffer("sync__", 6)).bytes == 6u);
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 6u);
    BOOST_TEST(std::string(back, 6) == "sync__");
    BOOST_TEST(write_at(env, f, 2, {asio::buffer("async", 4)}).bytes == 4u);
    BOOST_TEST(read_now(f, 0, asio::buffer(back)).bytes == 6u);
    BOOST_TEST(std::string(back, 6) == "syasyn");
}

ENGINE_TEST(a_read_across_the_end_is_short_and_leaves_the_rest_of_the_buffer_alone) {
    set_content(env.path(), "12345");
    for (const bool cold : {false, true}) {
        BOOST_TEST_CONTEXT((cold ? "cold" : "warm")) {
            if (cold)
                make_cold(env.path());
            file f = env.open();
            std::string back(100, '#');
            const outcome result = read_at(env, f, 0, {asio::buffer(back)});
            BOOST_TEST(!result.ec);
            BOOST_TEST(result.bytes == 5u);
            BOOST_TEST(back == "12345" + std::string(95, '#'));

            back.assign(100, '#');
            BOOST_TEST(read_now(f, 3, asio::buffer(back)).bytes == 2u);
            BOOST_TEST(back == "45" + std::string(98, '#'));
        }
    }
}

ENGINE_TEST(a_read_at_or_past_the_end_is_eof) {
    set_content(env.path(), "12345");
    file f = env.open();
    for (const std::uint64_t offset : {5ull, 6ull, 4096ull, 1ull << 32, 1ull << 40}) {
        BOOST_TEST_CONTEXT("offset " << offset) {
            char c = '#';
            const outcome result = read_both_ways(env, f, offset, {asio::buffer(&c, 1)});
            BOOST_TEST(result.ec == asio::error::eof);
            BOOST_TEST(result.bytes == 0u);
            BOOST_TEST(c == '#');
        }
    }
}

ENGINE_TEST(nothing_to_transfer_succeeds_through_the_handler) {
    set_content(env.path(), "12345");
    file f = env.open();
    char memory[1];
    const std::vector<std::vector<asio::mutable_buffer>> nothing = {
        {},
        {asio::mutable_buffer()},
        {asio::buffer(memory, 0)},
        std::vector<asio::mutable_buffer>(2000)};
    for (const auto& buffers : nothing) {
        BOOST_TEST_CONTEXT(buffers.size() << " buffers") {
            // An empty read past the end is not eof, because it asks for no bytes.
            for (const std::uint64_t offset : {0ull, 100ull}) {
                const outcome read = read_both_ways(env, f, offset, buffers);
                BOOST_TEST(!read.ec);
                BOOST_TEST(read.bytes == 0u);
                const outcome written =
                    write_both_ways(env, f, offset, {buffers.begin(), buffers.end()});
                BOOST_TEST(!written.ec);
                BOOST_TEST(written.bytes == 0u);
            }
        }
    }
    BOOST_TEST(content(env.path()) == "12345");
}

ENGINE_TEST(a_write_behind_the_end_leaves_a_hole_of_zeros) {
    constexpr std::uint64_t offset = 4 << 20;
    file f = env.open();
    BOOST_TEST(write_at(env, f, offset, {asio::buffer("x", 1)}).bytes == 1u);
    BOOST_TEST(f.size() == offset + 1);
    std::string hole(64 << 10, '#');
    for (const std::uint64_t at : {std::uint64_t(0), offset / 2, offset - hole.size()}) {
        BOOST_TEST(read_at(env, f, at, {asio::buffer(hole)}).bytes == hole.size());
        BOOST_TEST(hole.find_first_not_of('\0') == std::string::npos);
    }
}

ENGINE_TEST(a_read_sees_what_was_added_since_the_last) {
    set_content(env.path(), "12345");
    file f = env.open();
    std::string back(10, '#');
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 5u);
    set_content(env.path(), "123456789A");
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 10u);
    BOOST_TEST(back == "123456789A");
}

ENGINE_TEST(every_size_comes_back_warm_and_cold) {
    // Sizes around a page, around the limit of inline reads, and far above that limit.
    for (const std::size_t size :
         {1ul, page - 1, page, page + 1, 64ul << 10, (64ul << 10) + 1, 1ul << 20}) {
        BOOST_TEST_CONTEXT(size << " bytes") {
            const std::string bytes = pattern(size, unsigned(size));
            {
                file f = env.open(
                    "file", file_base::read_write | file_base::create | file_base::truncate);
                BOOST_TEST(write_at(env, f, 0, {asio::buffer(bytes)}).bytes == size);
            }
            BOOST_TEST((content(env.path()) == bytes));
            for (const bool cold : {false, true}) {
                if (cold)
                    make_cold(env.path());
                file f = env.open();
                std::string back(size, '\0');
                const outcome result = read_at(env, f, 0, {asio::buffer(back)});
                BOOST_TEST(!result.ec);
                BOOST_TEST(result.bytes == size);
                BOOST_TEST((back == bytes));
            }
        }
    }
}

ENGINE_TEST(a_read_that_is_half_in_memory_returns_all_bytes) {
    const std::string bytes = pattern(16 * page);
    set_content(env.path(), bytes);
    make_cold(env.path());
    file f = env.open();
    // Without this advice, read-ahead brings the other pages into memory, too.
    BOOST_REQUIRE_EQUAL(::posix_fadvise(f.native_handle(), 0, 0, POSIX_FADV_RANDOM), 0);
    std::string back(bytes.size(), '\0');
    BOOST_TEST(f.read_some_at(0, asio::buffer(back, 4 * page)) == 4 * page);
    back.assign(back.size(), '\0');
    const outcome result =
        read_at(env, f, 0, {asio::buffer(back.data(), 3 * page), asio::buffer(back) + 3 * page});
    BOOST_TEST(!result.ec);
    BOOST_TEST(result.bytes == bytes.size());
    BOOST_TEST((back == bytes));
}

ENGINE_TEST(no_read_is_inline_where_the_limit_is_0) {
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    asio_aio::configure(env.ctx, opts);
    set_content(env.path(), "12345");
    file f = env.open();
    std::string back(10, '#');
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 5u);
    BOOST_TEST(back == "12345#####");
    BOOST_TEST((read_at(env, f, 5, {asio::buffer(back)}).ec == asio::error::eof));
    BOOST_TEST(asio_aio::statistics(env.ctx).inline_hits == 0u);
    BOOST_TEST(asio_aio::statistics(env.ctx).inline_misses == 0u);
}

ENGINE_TEST(an_appending_file_is_written_at_its_end_whatever_the_offset) {
    set_content(env.path(), "12345");
    file f = env.open("file", file_base::read_write | file_base::append);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("67", 2)}).bytes == 2u);
    BOOST_TEST(write_at(env, f, 1 << 20, {asio::buffer("8", 1), asio::buffer("9", 1)}).bytes == 2u);
    BOOST_TEST(write_now(f, 3, asio::buffer("A", 1)).bytes == 1u);
    BOOST_TEST(content(env.path()) == "123456789A");
    char back[2];
    // reads use their offset
    BOOST_TEST(read_at(env, f, 3, {asio::buffer(back)}).bytes == 2u);
    BOOST_TEST(std::string(back, 2) == "45");
}

ENGINE_TEST(a_resized_file_reads_zeros_where_it_grew_and_ends_where_it_was_cut) {
    set_content(env.path(), "12345");
    file f = env.open();
    f.resize(8);
    std::string back(10, '#');
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 8u);
    BOOST_TEST(back == std::string("12345\0\0\0##", 10));
    f.resize(2);
    BOOST_TEST(f.size() == 2u);
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 2u);
    BOOST_TEST((read_at(env, f, 2, {asio::buffer(back)}).ec == asio::error::eof));
}
