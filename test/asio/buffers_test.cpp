// SPDX-License-Identifier: BSL-1.0
// Scatter and gather: sequences of every length and type.
#include "results.hpp"

#include <climits>
#include <array>
#include <list>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

using namespace test;

namespace {

template <typename Buffers, typename = void>
struct can_be_read_into : std::false_type {};
template <typename Buffers>
struct can_be_read_into<
    Buffers,
    std::void_t<decltype(std::declval<file&>().read_some_at(0, std::declval<const Buffers&>()))>>
    : std::true_type {};

template <typename Buffers, typename = void>
struct can_be_read_into_later : std::false_type {};
template <typename Buffers>
struct can_be_read_into_later<
    Buffers,
    std::void_t<decltype(std::declval<file&>().async_read_some_at(
        0, std::declval<const Buffers&>(), std::declval<void (*)(error_code, std::size_t)>()))>>
    : std::true_type {};

template <typename Buffers>
constexpr bool is_read_into =
    can_be_read_into<Buffers>::value&& can_be_read_into_later<Buffers>::value;
template <typename Buffers>
constexpr bool is_refused =
    !can_be_read_into<Buffers>::value && !can_be_read_into_later<Buffers>::value;

static_assert(is_read_into<asio::mutable_buffer>);
static_assert(is_read_into<std::vector<asio::mutable_buffer>>);
static_assert(is_read_into<std::array<asio::mutable_buffer, 2>>);
static_assert(is_refused<asio::const_buffer>);
static_assert(is_refused<std::vector<asio::const_buffer>>);
static_assert(is_refused<std::array<asio::const_buffer, 2>>);
static_assert(is_refused<int>);

} // namespace

namespace {

enum class gaps { none, some_empty };

/// Cuts `bytes` into `count` buffers of 1 to 7 bytes; every third buffer may be empty.
template <typename Buffer, typename String>
std::vector<Buffer> cut(String& bytes, std::size_t count, gaps which) {
    std::vector<Buffer> buffers;
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const bool empty = which == gaps::some_empty && i % 3 == 1;
        const std::size_t size = empty ? 0 : 1 + i % 7;
        buffers.push_back(asio::buffer(bytes.data() + at, size));
        at += size;
    }
    BOOST_REQUIRE(at <= bytes.size());
    return buffers;
}

template <typename Buffer>
std::size_t bytes_of(const std::vector<Buffer>& buffers, std::size_t count) {
    return std::accumulate(
        buffers.begin(), buffers.begin() + std::ptrdiff_t(count), std::size_t(0),
        [](std::size_t sum, const Buffer& each) { return sum + each.size(); });
}

/// Fails unless the operation moved the first IOV_MAX of `buffers`, or all if there are no more.
template <typename Buffer>
void check_extent(const outcome& result, const std::vector<Buffer>& buffers, gaps which) {
    BOOST_TEST(!result.ec);
    const std::size_t all = bytes_of(buffers, buffers.size());
    if (buffers.size() <= IOV_MAX) {
        BOOST_TEST(result.bytes == all);
    } else if (which == gaps::none) {
        BOOST_TEST(result.bytes == bytes_of(buffers, IOV_MAX));
    } else { // empty buffers may count towards IOV_MAX
        BOOST_TEST(result.bytes >= bytes_of(buffers, IOV_MAX));
        BOOST_TEST(result.bytes <= all);
    }
}

/// The minimal buffer sequence: its iterators are bidirectional, it is not a container, and it has
/// no default constructor.
class reversed_list {
public:
    using value_type = asio::const_buffer;
    using const_iterator = std::list<asio::const_buffer>::const_iterator;

    reversed_list(std::initializer_list<asio::const_buffer> buffers) {
        for (const asio::const_buffer& each : buffers)
            buffers_.push_front(each);
    }

    const_iterator begin() const { return buffers_.begin(); }
    const_iterator end() const { return buffers_.end(); }

private:
    std::list<asio::const_buffer> buffers_;
};

} // namespace

ENGINE_TEST(any_number_of_buffers_is_gathered_and_scattered) {
    const std::string bytes = pattern(40'000);
    for (const std::size_t count : {1, 2, 8, 9, 64, 65, 1024, 1025, 5000})
        for (const gaps which : {gaps::none, gaps::some_empty}) {
            BOOST_TEST_CONTEXT(
                count << " buffers" << (which == gaps::none ? "" : ", some of them empty")) {
                file f = env.open(
                    "file", file_base::read_write | file_base::create | file_base::truncate);
                const auto from = cut<asio::const_buffer>(bytes, count, which);
                const outcome written = write_at(env, f, 0, from);
                check_extent(written, from, which);
                BOOST_TEST((content(env.path()) == bytes.substr(0, written.bytes)));
                f.write_some_at(0, asio::buffer(bytes));

                for (const bool cold : {false, true}) {
                    if (cold)
                        make_cold(env.path());
                    std::string back(bytes.size(), '#');
                    const auto to = cut<asio::mutable_buffer>(back, count, which);
                    const outcome read = read_at(env, f, 0, to);
                    check_extent(read, to, which);
                    const std::string expected =
                        bytes.substr(0, read.bytes) + std::string(bytes.size() - read.bytes, '#');
                    BOOST_TEST((back == expected));
                }
            }
        }
}

ENGINE_TEST(the_synchronous_forms_take_any_number_of_buffers) {
    const std::string bytes = pattern(40'000);
    for (const std::size_t count : {1, 8, 9, 1024, 1025, 5000})
        for (const gaps which : {gaps::none, gaps::some_empty}) {
            BOOST_TEST_CONTEXT(
                count << " buffers" << (which == gaps::none ? "" : ", some of them empty")) {
                file f = env.open(
                    "file", file_base::read_write | file_base::create | file_base::truncate);
                const auto from = cut<asio::const_buffer>(bytes, count, which);
                const outcome written = write_now(f, 0, from);
                check_extent(written, from, which);
                BOOST_TEST((content(env.path()) == bytes.substr(0, written.bytes)));
                f.write_some_at(0, asio::buffer(bytes));

                std::string back(bytes.size(), '#');
                const auto to = cut<asio::mutable_buffer>(back, count, which);
                const outcome read = read_now(f, 0, to);
                check_extent(read, to, which);
                BOOST_TEST((back.substr(0, read.bytes) == bytes.substr(0, read.bytes)));
            }
        }
}

ENGINE_TEST(a_block_may_be_split_anywhere) {
    const std::string bytes = pattern(512);
    file f = env.open();
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
        BOOST_TEST_CONTEXT("split at " << at) {
            const std::string turned = bytes.substr(at) + bytes.substr(0, at);
            const outcome written = write_at(
                env, f, 0,
                {asio::buffer(turned.data(), bytes.size() - at), asio::buffer(bytes.data(), at)});
            BOOST_TEST(written.bytes == bytes.size());
            std::string back(bytes.size(), '\0');
            const outcome read =
                read_at(env, f, 0, {asio::buffer(back.data(), at), asio::buffer(back) + at});
            BOOST_TEST(read.bytes == bytes.size());
            BOOST_TEST((back == turned));
        }
    }
}

ENGINE_TEST(empty_buffers_in_front_are_no_end_of_file) {
    set_content(env.path(), "12345");
    file f = env.open();
    for (const std::size_t empty : {1, 8, 1024, 3000}) {
        BOOST_TEST_CONTEXT(empty << " empty buffers") {
            std::string back(5, '#');
            std::vector<asio::mutable_buffer> buffers(empty);
            buffers.push_back(asio::buffer(back));
            const outcome result = read_both_ways(env, f, 0, buffers);
            BOOST_TEST(!result.ec);
            BOOST_TEST(result.bytes == 5u);
            BOOST_TEST(back == "12345");
        }
    }
}

ENGINE_TEST(a_file_that_ends_inside_a_sequence_fills_its_front) {
    set_content(env.path(), "12345");
    file f = env.open();
    std::string back(9, '#');
    const outcome result = read_both_ways(
        env, f, 0,
        {asio::buffer(back.data(), 3), asio::buffer(back.data() + 3, 3), asio::buffer(back) + 6});
    BOOST_TEST(!result.ec);
    BOOST_TEST(result.bytes == 5u);
    BOOST_TEST(back == "12345####");
}

ENGINE_TEST(every_type_of_buffer_sequence_is_taken) {
    file f = env.open();
    outcome result;
    std::string back(6, '#');
    const auto expect = [&](const std::string& text) {
        env.run();
        BOOST_TEST(!result.ec);
        BOOST_TEST(result.bytes == text.size());
        BOOST_TEST(content(env.path()) == text);
    };
    f.async_write_some_at(0, asio::const_buffer("single", 6), result.handler());
    expect("single");
    f.async_write_some_at(
        0, std::array{asio::buffer("ar", 2), asio::buffer("ray_", 4)}, result.handler());
    expect("array_");
    f.async_write_some_at(
        0, std::list{asio::buffer("li", 2), asio::buffer("st__", 4)}, result.handler());
    expect("list__");
    f.async_write_some_at(
        0, reversed_list{asio::buffer("own", 3), asio::buffer("my_", 3)}, result.handler());
    expect("my_own");
    BOOST_TEST(result.calls == 4);

    std::array<asio::mutable_buffer, 2> two = {
        asio::buffer(back.data(), 2), asio::buffer(back) + 2};
    f.write_some_at(0, reversed_list{asio::buffer("own", 3), asio::buffer("my_", 3)});
    f.async_read_some_at(0, two, result.handler());
    env.run();
    BOOST_TEST(back == "my_own");
    back.assign(6, '#');
    f.async_read_some_at(0, asio::mutable_buffer(back.data(), 6), result.handler());
    env.run();
    BOOST_TEST(back == "my_own");
    BOOST_TEST(f.read_some_at(2, std::list<asio::mutable_buffer>(two.begin(), two.end())) == 4u);
    BOOST_TEST(back == "_ownwn");
}

ENGINE_TEST(a_buffer_sequence_need_not_outlive_the_initiating_function) {
    const std::string bytes = pattern(100);
    file f = env.open();
    outcome result;
    {
        std::vector<asio::const_buffer> gone;
        for (const char& each : bytes)
            gone.push_back(asio::buffer(&each, 1));
        f.async_write_some_at(0, gone, result.handler());
    }
    env.run();
    BOOST_TEST(result.bytes == bytes.size());
    BOOST_TEST((content(env.path()) == bytes));
}
