// SPDX-License-Identifier: BSL-1.0
// transfer_options: what each option does, what is dropped and what is refused, on each engine.
// The expected results are those of pwritev2(2) and preadv2(2) with the same flags.
#include "engine_support.hpp"
#include "results.hpp"

#include <asio_aio/aligned_buffer.hpp>
#include <asio_aio/detail/call_flags.hpp>
#include <asio_aio/random_access_file_aio.hpp>
#include <asio_aio/statistics.hpp>
#include <asio_aio/stream_file_aio.hpp>
#include <asio_aio/transfer_options.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_at.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/asio/write_at.hpp>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace test;
using asio_aio::io_priority;
using asio_aio::io_priority_class;
using asio_aio::transfer_options;

namespace {

constexpr std::size_t block = 4096;
constexpr auto read_write_create = file_base::read_write | file_base::create;
const error_code not_supported = asio::error::operation_not_supported;

transfer_options durable() {
    transfer_options wanted;
    wanted.sync_data = true;
    return wanted;
}

transfer_options uncached() {
    transfer_options wanted;
    wanted.uncached = true;
    return wanted;
}

transfer_options atomic() {
    transfer_options wanted;
    wanted.atomic = true;
    return wanted;
}

transfer_options no_append() {
    transfer_options wanted;
    wanted.no_append = true;
    return wanted;
}

transfer_options with_priority(io_priority_class io_class, unsigned level = 4) {
    transfer_options wanted;
    wanted.priority = {io_class, level};
    return wanted;
}

asio_aio::aligned_buffer filled_block(const file& f, unsigned seed) {
    asio_aio::aligned_buffer bytes(block, f.direct_io_alignment());
    pattern(block, seed).copy(static_cast<char*>(bytes.data()), block);
    return bytes;
}

/// Writes a block through a view: synchronously, and asynchronously if that succeeded. Both results
/// must be equal.
error_code write_block(environment& env, file& f, const transfer_options& wanted) {
    const auto bytes = filled_block(f, 1);
    error_code now;
    f.with(wanted).write_some_at(0, asio::buffer(bytes.data(), bytes.size()), now);
    outcome later;
    f.with(wanted).async_write_some_at(
        0, asio::buffer(bytes.data(), bytes.size()), later.handler());
    env.run();
    BOOST_TEST(later.calls == 1);
    BOOST_TEST(later.ec == now);
    BOOST_TEST(later.bytes == (later.ec ? 0u : block));
    return later.ec;
}

/// What pwritev2(2) reports for such a write; 0 if it succeeds.
int error_of_raw_write(file& f, const transfer_options& wanted) {
    auto bytes = filled_block(f, 0);
    const iovec one{bytes.data(), block};
    const int flags = asio_aio::detail::to_write_flags(wanted).rw;
    const auto handle = f.native_handle();
    return ::pwritev2(handle, &one, 1, 0, flags) == ssize_t(block) ? 0 : errno;
}

std::uint64_t dropped(environment& env) {
    return asio_aio::statistics(env.ctx).hints_dropped;
}

/// What the page cache holds of a file (cachestat(2), Linux 6.5).
struct cached_pages {
    std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

std::optional<cached_pages> look_at_cache(const std::string& path) {
    constexpr long cachestat = 451;
    struct {
        std::uint64_t offset, length;
    } all{0, 0};
    cached_pages found{};
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const long result = ::syscall(cachestat, fd, &all, &found, 0);
    ::close(fd);
    if (result == 0)
        return found;
    say_skipped("this kernel has no cachestat(2)");
    return std::nullopt;
}

/// Takes from the calling thread, and from those that it starts, the right to real-time priorities.
void drop_right_to_real_time() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    BOOST_REQUIRE(::syscall(SYS_capget, &header, sets) == 0);
    sets[0].effective &= ~(1u << CAP_SYS_NICE | 1u << CAP_SYS_ADMIN);
    BOOST_REQUIRE(::syscall(SYS_capset, &header, sets) == 0);
}

/// The flags with which each engine gets its own way to write: libaio serves only direct files.
std::vector<file_base::flags> ways_to_open() {
    return {read_write_create, read_write_create | file_base::direct};
}

} // namespace

// --- Promises ---

ENGINE_TEST(no_append_writes_at_its_offset_or_fails_and_writes_nothing) {
    for (const auto flags : ways_to_open()) {
        set_content(env.path("file"), pattern(2 * block, 9));
        file f(env.ctx, env.path("file"), flags | file_base::append);
        const int expected = error_of_raw_write(f, no_append());
        BOOST_TEST(write_block(env, f, no_append()) == errno_code(expected));
        const std::string now = content(env.path("file"));
        BOOST_TEST(now.size() == 2 * block);
        BOOST_TEST(now.substr(0, block) == pattern(block, expected == 0 ? 1 : 9));
        BOOST_TEST(write_block(env, f, {}) == error_code());
        BOOST_TEST(content(env.path("file")).size() == 4 * block);
    }
}

ENGINE_TEST(a_write_with_sync_data_leaves_no_dirty_page) {
    file f(env.ctx, env.path("file"), read_write_create);
    BOOST_TEST(write_block(env, f, durable()) == error_code());
    if (const auto pages = look_at_cache(env.path("file"))) {
        BOOST_TEST(pages->dirty == 0u);
        BOOST_TEST(pages->writeback == 0u);
    }
    BOOST_TEST(content(env.path("file")) == pattern(block, 1));
}

ENGINE_TEST(an_atomic_write_is_atomic_or_fails_and_writes_nothing) {
    for (const auto flags : ways_to_open()) {
        set_content(env.path("file"), pattern(block, 9));
        file f(env.ctx, env.path("file"), flags);
        const int expected = error_of_raw_write(f, atomic());
        BOOST_TEST(write_block(env, f, atomic()) == errno_code(expected));
        BOOST_TEST(content(env.path("file")) == pattern(block, expected == 0 ? 1 : 9));
        const auto limits = f.atomic_write_limits();
        if (expected == 0)
            BOOST_TEST(limits.max_bytes >= block);
        // The kernel refused the option and not the file.
        BOOST_TEST((f.backend() == file(env.ctx, env.path("file"), flags).backend()));
    }
}

ENGINE_TEST(an_atomic_write_of_two_buffers_is_invalid) {
    file f(env.ctx, env.path("file"), read_write_create);
    const std::string half(block / 2, 'x');
    const std::vector<asio::const_buffer> two{asio::buffer(half), asio::buffer(half)};
    outcome result;
    f.with(atomic()).async_write_some_at(0, two, result.handler());
    env.run();
    BOOST_TEST(result.ec == asio::error::invalid_argument);
    BOOST_TEST(f.size() == 0u);
}

ENGINE_TEST(reads_ignore_promises) {
    set_content(env.path("file"), pattern(block));
    file f(env.ctx, env.path("file"), file_base::read_only);
    transfer_options all = durable();
    all.atomic = all.no_append = true;
    std::string back(block, '#');
    BOOST_TEST(f.with(all).read_some_at(0, asio::buffer(back)) == block);
    outcome result;
    f.with(all).async_read_some_at(0, asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST(!result.ec);
    BOOST_TEST(back == pattern(block));
}

// --- Hints ---

ENGINE_TEST(an_uncached_read_leaves_no_page_or_the_hint_is_counted) {
    set_content(env.path("file"), pattern(block));
    make_cold(env.path("file"));
    file f(env.ctx, env.path("file"), file_base::read_only);
    std::string back(block, '#');
    const iovec one{back.data(), back.size()};
    const bool works =
        ::preadv2(f.native_handle(), &one, 1, 0, asio_aio::detail::rwf_uncached) == ssize_t(block);
    make_cold(env.path("file"));
    back.assign(block, '#');
    outcome result;
    f.with(uncached()).async_read_some_at(0, asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST(!result.ec);
    BOOST_TEST(back == pattern(block));
    BOOST_TEST(dropped(env) == (works ? 0u : 1u));
    if (works)
        if (const auto pages = look_at_cache(env.path("file")))
            BOOST_TEST(pages->cached == 0u);
}

ENGINE_TEST(a_refused_hint_is_dropped_and_counted_for_each_operation) {
    const std::string folder = "/dev/shm"; // a tmpfs keeps everything in the page cache
    environment there(env.engine, folder);
    file f(there.ctx, there.path("file"), read_write_create);
    if (error_of_raw_write(f, uncached()) != EOPNOTSUPP)
        return say_skipped("/dev/shm accepts RWF_DONTCACHE");
    const auto bytes = filled_block(f, 1);
    for (std::uint64_t i = 1; i != 4; ++i) {
        outcome result;
        f.with(uncached())
            .async_write_some_at(0, asio::buffer(bytes.data(), bytes.size()), result.handler());
        there.run();
        BOOST_TEST(!result.ec);
        BOOST_TEST(result.bytes == block);
        BOOST_TEST(dropped(there) == i);
    }
    BOOST_TEST(
        f.with(uncached()).write_some_at(0, asio::buffer(bytes.data(), bytes.size())) == block);
    BOOST_TEST(dropped(there) == 4u);
    // A hint that is dropped does not keep a promise from failing, and nothing is written.
    transfer_options both = atomic();
    both.uncached = true;
    BOOST_TEST(write_block(there, f, both) == not_supported);
    if (env.engine == backend::io_uring)
        BOOST_TEST((f.backend() == backend::io_uring));
}

ENGINE_TEST(a_refused_promise_does_not_turn_a_hint_off) {
    file f(env.ctx, env.path("file"), read_write_create);
    transfer_options both = atomic();
    both.uncached = true;
    if (error_of_raw_write(f, uncached()) != 0 || error_of_raw_write(f, both) != EOPNOTSUPP)
        return say_skipped("this filesystem refuses uncached writes, or takes atomic ones");
    BOOST_TEST(write_block(env, f, both) == not_supported);
    const auto before = dropped(env);
    BOOST_TEST(write_block(env, f, uncached()) == error_code());
    BOOST_TEST(dropped(env) == before);
}

ENGINE_TEST(a_priority_that_this_process_may_not_use_is_dropped) {
    std::thread([&] {
        drop_right_to_real_time();
        for (const auto flags : ways_to_open()) {
            environment own(env.engine, env.folder.path());
            file f(own.ctx, own.path("file"), flags);
            const auto normal = with_priority(io_priority_class::best_effort, 7);
            BOOST_TEST(write_block(own, f, normal) == error_code());
            BOOST_TEST(write_block(own, f, with_priority(io_priority_class::idle)) == error_code());
            BOOST_TEST(dropped(own) == 0u);
            const auto first = with_priority(io_priority_class::real_time, 0);
            BOOST_TEST(write_block(own, f, first) == error_code()); // writes twice
            BOOST_TEST(dropped(own) == 2u);
            BOOST_TEST(write_block(own, f, normal) == error_code());
            BOOST_TEST(dropped(own) == 2u);
        }
    }).join();
}

ENGINE_TEST(a_priority_that_does_not_exist_is_invalid) {
    file f(env.ctx, env.path("file"), read_write_create);
    BOOST_TEST(
        write_block(env, f, with_priority(io_priority_class::best_effort, 8)) ==
        asio::error::invalid_argument);
    BOOST_TEST(
        write_block(env, f, with_priority(io_priority_class(4), 0)) ==
        asio::error::invalid_argument);
    BOOST_TEST(f.size() == 0u);
}

// --- Views ---

ENGINE_TEST(composed_operations_work_on_a_view) {
    file f(env.ctx, env.path("file"), read_write_create);
    const std::string bytes = pattern(100'000);
    std::string back(bytes.size(), '#');
    outcome written, read;
    asio::async_write_at(f.with(durable()), 0, asio::buffer(bytes), written.handler());
    env.run();
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == bytes.size());
    asio::async_read_at(f.with(uncached()), 0, asio::buffer(back), read.handler());
    env.run();
    BOOST_TEST(!read.ec);
    BOOST_TEST(back == bytes);
    BOOST_TEST(asio::write_at(f.with(durable()), 5, asio::buffer(bytes)) == bytes.size());
    BOOST_TEST(asio::read_at(f.with(durable()), 5, asio::buffer(back)) == bytes.size());
    BOOST_TEST(back == bytes);
}

ENGINE_TEST(equal_options_give_the_same_view) {
    file f(env.ctx);
    auto& first = f.with(durable());
    BOOST_TEST(&f.with(durable()) == &first);
    BOOST_TEST(&f.with(uncached()) != &first);
    BOOST_TEST(&f.with(durable()) == &first);
    BOOST_TEST((first.options() == durable()));
    BOOST_TEST((first.get_executor() == f.get_executor()));
}

ENGINE_TEST(a_view_belongs_to_its_file_object) {
    file f(env.ctx);
    auto& view = f.with(durable());
    std::string bytes(10, 'x');
    error_code ec;
    view.write_some_at(0, asio::buffer(bytes), ec);
    BOOST_TEST(ec == asio::error::bad_descriptor);
    f.open(env.path("file"), read_write_create);
    BOOST_TEST(view.write_some_at(0, asio::buffer(bytes)) == bytes.size());
    file moved(std::move(f));
    view.write_some_at(0, asio::buffer(bytes), ec);
    BOOST_TEST(ec == asio::error::bad_descriptor);
    BOOST_TEST(moved.with(durable()).write_some_at(3, asio::buffer(bytes)) == bytes.size());
    f = std::move(moved);
    const auto copy = view;
    auto copied = copy;
    BOOST_TEST(copied.write_some_at(9, asio::buffer(bytes)) == bytes.size());
    BOOST_TEST(f.size() == 19u);
}

ENGINE_TEST(a_view_takes_any_token) {
    file f(env.ctx, env.path("file"), read_write_create);
    const std::string bytes = pattern(block);
    outcome result;
    {
        auto copy = f.with(durable());
        auto deferred = copy.async_write_some_at(0, asio::buffer(bytes), asio::deferred);
        copy = f.with(uncached()); // the deferred operation keeps its options
        std::move(deferred)(result.handler());
    }
    env.run();
    BOOST_TEST(result.bytes == block);
    auto by_default = asio::use_awaitable.as_default_on(std::move(f));
    std::string back(block, '#');
    const auto use = [&]() -> asio::awaitable<void> {
        const auto read =
            co_await by_default.with(uncached()).async_read_some_at(0, asio::buffer(back));
        BOOST_TEST(read == block);
    };
    asio::co_spawn(env.ctx, use(), asio::detached);
    env.run();
    BOOST_TEST(back == bytes);
}

ENGINE_TEST(a_view_of_a_stream_keeps_the_order_of_the_stream) {
    asio_aio::stream_file_aio f(env.ctx, env.path("file"), read_write_create);
    outcome first, second, third;
    f.async_write_some(asio::buffer("one ", 4), first.handler());
    asio::async_write(f.with(durable()), asio::buffer("two ", 4), second.handler());
    f.with(with_priority(io_priority_class::best_effort))
        .async_write_some(asio::buffer("three", 5), third.handler());
    env.run();
    BOOST_TEST((!first.ec && !second.ec && !third.ec));
    BOOST_TEST(content(env.path("file")) == "one two three");
    f.seek(4, file_base::seek_set);
    std::string back(3, '#');
    BOOST_TEST(f.with(durable()).read_some(asio::buffer(back)) == 3u);
    BOOST_TEST(back == "two");
    outcome last;
    f.with(uncached()).async_read_some(asio::buffer(back), last.handler());
    env.run();
    BOOST_TEST(back == " th");
    BOOST_TEST(f.with(durable()).write_some(asio::buffer("EE", 2)) == 2u);
    BOOST_TEST(content(env.path("file")) == "one two thEEe");
}
