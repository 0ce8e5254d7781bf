// SPDX-License-Identifier: BSL-1.0
// The asynchronous calls on a file that move no bytes: sync, size, resize, allocate.
#include "child.hpp"
#include "holding_engine.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace test;
using asio_aio::allocate_mode;
using asio_aio::sync_range_mode;

namespace {

constexpr std::uint64_t max_offset = ~std::uint64_t(0) / 2;
constexpr std::uint64_t block = 4096;

error_code error_of(int error) {
    return {error, asio::error::get_system_category()};
}

/// The handler's arguments, and the number of its calls.
struct call_outcome {
    int calls = 0;
    error_code ec;
    std::uint64_t size = 0;
};

/// A call of each kind, in a form that succeeds on a file of some blocks.
struct any_call {
    const char* name;
    std::function<void(file&, call_outcome&)> start;
};

template <typename Start>
any_call make_call(const char* name, Start start) {
    return {name, [start](file& f, call_outcome& result) {
                start(f, [&result](error_code e, auto... bytes) {
                    ++result.calls;
                    result.ec = e;
                    ((result.size = bytes), ...);
                });
            }};
}

const std::vector<any_call>& all_calls() {
    static const std::vector<any_call> calls = {
        make_call("sync_all", [](file& f, auto handler) { f.async_sync_all(handler); }),
        make_call("sync_data", [](file& f, auto handler) { f.async_sync_data(handler); }),
        make_call(
            "sync_range",
            [](file& f, auto handler) {
                f.async_sync_range(0, block, sync_range_mode::complete, handler);
            }),
        make_call("size", [](file& f, auto handler) { f.async_size(handler); }),
        make_call("resize", [](file& f, auto handler) { f.async_resize(2 * block, handler); }),
        make_call(
            "allocate",
            [](file& f, auto handler) {
                f.async_allocate(allocate_mode::extend, 0, 2 * block, handler);
            }),
    };
    return calls;
}

/// Starts a call, runs the context and returns the result.
template <typename Start>
call_outcome result_of(environment& env, Start start) {
    call_outcome result;
    start([&result](error_code e, auto... bytes) {
        ++result.calls;
        result.ec = e;
        ((result.size = bytes), ...);
    });
    BOOST_TEST(result.calls == 0);
    env.run();
    BOOST_TEST(result.calls == 1);
    return result;
}

call_outcome allocate(
    environment& env, file& f, allocate_mode mode, std::uint64_t offset, std::uint64_t length) {
    return result_of(env, [&](auto handler) { f.async_allocate(mode, offset, length, handler); });
}

std::uint64_t size_of(environment& env, file& f) {
    const call_outcome found = result_of(env, [&](auto handler) { f.async_size(handler); });
    BOOST_TEST(!found.ec);
    return found.size;
}

std::uint64_t blocks_of(const std::string& path) {
    struct stat status;
    BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
    return std::uint64_t(status.st_blocks);
}

/// What fallocate(2) itself reports for a file in this folder: 0 or an errno.
int fallocate_here(environment& env, int mode) {
    const int fd = ::open(env.path("probe").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    BOOST_REQUIRE(fd != -1);
    BOOST_REQUIRE(::ftruncate(fd, 4 * block) == 0);
    const int error = ::fallocate(fd, mode, 0, block) == 0 ? 0 : errno;
    ::close(fd);
    return error;
}

} // namespace

// --- Results ---

ENGINE_TEST(syncs_reach_the_kernel_and_are_counted) {
    file f = env.open();
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    BOOST_TEST(!result_of(env, [&](auto handler) { f.async_sync_all(handler); }).ec);
    BOOST_TEST(!result_of(env, [&](auto handler) { f.async_sync_data(handler); }).ec);
    BOOST_TEST(!result_of(env, [&](auto handler) {
                    f.async_sync_range(0, 0, sync_range_mode::complete, handler);
                }).ec);
    BOOST_TEST(!result_of(env, [&](auto handler) {
                    f.async_sync_range(0, 3, sync_range_mode::start, handler);
                }).ec);
    BOOST_TEST(asio_aio::statistics(env.ctx).sync.count() == 4u);
}

ENGINE_TEST(a_hundred_syncs_at_once_beside_writes_all_succeed) {
    file f = env.open();
    const std::string bytes = pattern(block);
    constexpr std::size_t count = 100;
    std::deque<outcome> writes(count);
    std::deque<call_outcome> syncs(count);
    for (std::size_t i = 0; i != count; ++i) {
        f.async_write_some_at(i * block, asio::buffer(bytes), writes[i].handler());
        all_calls()[i % 2].start(f, syncs[i]);
    }
    env.run();
    for (std::size_t i = 0; i != count; ++i) {
        BOOST_TEST(writes[i].bytes == bytes.size());
        BOOST_TEST(syncs[i].calls == 1);
        BOOST_TEST(!syncs[i].ec);
    }
}

ENGINE_TEST(size_and_resize_agree) {
    file f = env.open();
    BOOST_TEST(size_of(env, f) == 0u);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abcdef", 6)}).bytes == 6u);
    BOOST_TEST(size_of(env, f) == 6u);
    BOOST_TEST(!result_of(env, [&](auto handler) { f.async_resize(3, handler); }).ec);
    BOOST_TEST(!result_of(env, [&](auto handler) { f.async_resize(8, handler); }).ec);
    BOOST_TEST(size_of(env, f) == 8u);
    BOOST_TEST(content(env.path()) == std::string("abc\0\0\0\0\0", 8));
}

ENGINE_TEST(the_size_of_a_sparse_file_may_need_63_bits) {
    file f = env.open();
    constexpr std::uint64_t large = std::uint64_t(5) << 30;
    BOOST_TEST(!result_of(env, [&](auto handler) { f.async_resize(large, handler); }).ec);
    BOOST_TEST(size_of(env, f) == large);
    BOOST_TEST(f.size() == large);
}

ENGINE_TEST(a_descriptor_that_is_no_storage_reports_what_the_kernel_reports) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    file reader(env.ctx, ends[0]);
    file writer(env.ctx, ends[1]);
    BOOST_TEST(size_of(env, reader) == 0u);
    const auto error = [&](auto start) { return result_of(env, start).ec; };
    BOOST_TEST(error([&](auto handler) { writer.async_sync_all(handler); }) == error_of(EINVAL));
    BOOST_TEST(error([&](auto handler) { writer.async_resize(1, handler); }) == error_of(EINVAL));
    BOOST_TEST(allocate(env, writer, allocate_mode::extend, 0, 1).ec == error_of(ESPIPE));
    BOOST_TEST(error([&](auto handler) {
                   writer.async_sync_range(0, 1, sync_range_mode::start, handler);
               }) == error_of(ESPIPE));
}

// --- Allocation ---

ENGINE_TEST(allocation_reserves_blocks_with_and_without_a_new_size) {
    if (const int error = fallocate_here(env, 0))
        return say_skipped("fallocate: " + error_of(error).message());
    file f = env.open();
    BOOST_TEST(!allocate(env, f, allocate_mode::keep_size, 0, 4 * block).ec);
    BOOST_TEST(size_of(env, f) == 0u);
    BOOST_TEST(blocks_of(env.path()) >= 4 * block / 512);
    BOOST_TEST(!allocate(env, f, allocate_mode::extend, 0, 8 * block).ec);
    BOOST_TEST(size_of(env, f) == 8 * block);
    BOOST_TEST(content(env.path()) == std::string(8 * block, '\0'));
}

ENGINE_TEST(a_hole_and_a_zeroed_range_read_as_zeros_or_the_filesystem_says_why) {
    const std::string bytes = pattern(4 * block);
    const struct {
        allocate_mode mode;
        int raw;
    } modes[] = {
        {allocate_mode::punch_hole, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
        {allocate_mode::zero_range, FALLOC_FL_ZERO_RANGE},
        {allocate_mode::zero_range_keep_size, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE},
    };
    for (const auto& each : modes) {
        set_content(env.path(), bytes);
        file f = env.open();
        const int expected = fallocate_here(env, each.raw);
        const call_outcome found = allocate(env, f, each.mode, block, block);
        BOOST_TEST(found.ec == error_of(expected));
        std::string zeroed = bytes;
        if (expected == 0)
            zeroed.replace(block, block, block, '\0');
        BOOST_TEST((content(env.path()) == zeroed));
    }
}

ENGINE_TEST(a_zeroed_range_behind_the_end_makes_the_file_larger_unless_told_otherwise) {
    if (const int error = fallocate_here(env, FALLOC_FL_ZERO_RANGE))
        return say_skipped("fallocate: " + error_of(error).message());
    file f = env.open();
    BOOST_TEST(!allocate(env, f, allocate_mode::zero_range_keep_size, 0, block).ec);
    BOOST_TEST(size_of(env, f) == 0u);
    BOOST_TEST(!allocate(env, f, allocate_mode::zero_range, 0, block).ec);
    BOOST_TEST(size_of(env, f) == block);
}

// --- Advice ---

ENGINE_TEST(advice_reaches_the_kernel) {
    set_content(env.path(), pattern(64 * block));
    file f = env.open();
    f.sync_all(); // only clean pages can be dropped
    using asio_aio::file_advice;
    for (const file_advice each :
         {file_advice::normal, file_advice::sequential, file_advice::random, file_advice::will_need,
          file_advice::no_reuse})
        f.advise(each);
    f.advise(file_advice::dont_need, 0, 64 * block);
    unsigned char resident[64] = {};
    void* const map = ::mmap(nullptr, 64 * block, PROT_READ, MAP_SHARED, f.native_handle(), 0);
    BOOST_REQUIRE(map != MAP_FAILED);
    BOOST_TEST(::mincore(map, 64 * block, resident) == 0);
    ::munmap(map, 64 * block);
    BOOST_TEST(std::count(std::begin(resident), std::end(resident), 0) == 64);

    error_code ec;
    f.advise(file_advice::normal, max_offset, 1, ec);
    BOOST_TEST(ec == asio::error::invalid_argument);
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    file pipe(env.ctx, ends[0]);
    ::close(ends[1]);
    pipe.advise(file_advice::normal, 0, 0, ec);
    BOOST_TEST(ec == error_of(ESPIPE));
    f.close();
    f.advise(file_advice::normal, 0, 0, ec);
    BOOST_TEST(ec == asio::error::bad_descriptor);
}

// --- Bad input ---

ENGINE_TEST(every_call_on_a_closed_file_fails_with_bad_descriptor) {
    file f(env.ctx);
    for (const any_call& each : all_calls()) {
        BOOST_TEST_CONTEXT(each.name) {
            call_outcome result;
            each.start(f, result);
            BOOST_TEST(result.calls == 0);
            env.run();
            BOOST_TEST(result.calls == 1);
            BOOST_TEST(result.ec == asio::error::bad_descriptor);
            BOOST_TEST(result.size == 0u);
        }
    }
    BOOST_TEST(asio_aio::statistics(env.ctx).failed == all_calls().size());
}

ENGINE_TEST(numbers_that_the_kernel_cannot_take_are_invalid_arguments) {
    file f = env.open();
    const auto error = [&](auto start) { return result_of(env, start).ec; };
    BOOST_TEST(error([&](auto handler) {
                   f.async_resize(max_offset + 1, handler);
               }) == asio::error::invalid_argument);
    BOOST_TEST(
        allocate(env, f, allocate_mode::extend, max_offset, 1).ec == asio::error::invalid_argument);
    BOOST_TEST(
        allocate(env, f, allocate_mode::extend, 0, ~std::uint64_t(0)).ec ==
        asio::error::invalid_argument);
    BOOST_TEST(allocate(env, f, allocate_mode::extend, 0, 0).ec == asio::error::invalid_argument);
    BOOST_TEST(error([&](auto handler) {
                   f.async_sync_range(max_offset, 1, sync_range_mode::complete, handler);
               }) == asio::error::invalid_argument);
    BOOST_TEST(size_of(env, f) == 0u);
}

ENGINE_TEST(a_file_that_is_open_for_reading_cannot_be_changed) {
    set_content(env.path(), "abc");
    file f = env.open("file", file_base::read_only);
    BOOST_TEST(result_of(env, [&](auto handler) {
                   f.async_resize(1, handler);
               }).ec == asio::error::invalid_argument); // as ftruncate(2) reports it
    BOOST_TEST(allocate(env, f, allocate_mode::extend, 0, block).ec == asio::error::bad_descriptor);
    BOOST_TEST(!result_of(env, [&](auto handler) { f.async_sync_all(handler); }).ec);
    BOOST_TEST(size_of(env, f) == 3u);
    BOOST_TEST(content(env.path()) == "abc");
}

ENGINE_TEST(a_file_that_would_pass_the_limit_of_file_sizes_is_an_error_and_no_signal) {
    const int status = in_child([&] {
        const rlimit limit{2 * block, 2 * block};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 2;
        environment own(env.engine, env.folder.path());
        file f = own.open();
        const bool resize_fails = result_of(own, [&](auto handler) {
                                      f.async_resize(4 * block, handler);
                                  }).ec == error_of(EFBIG);
        const bool allocation_fails =
            allocate(own, f, allocate_mode::extend, 0, 4 * block).ec == error_of(EFBIG);
        return resize_fails && allocation_fails && f.size() == 0 ? 0 : 1;
    });
    BOOST_TEST(status == 0);
}

// --- Every end of every call ---

namespace {

/// Starts each call, cancels its file when the engine holds the call at `where`, and expects an
/// error.
bool is_on(const std::string& folder, std::initializer_list<long> filesystems) {
    struct statfs status {};
    return ::statfs(folder.c_str(), &status) == 0 &&
        std::find(filesystems.begin(), filesystems.end(), status.f_type) != filesystems.end();
}

/// True if the kernel's queue does not know the call, as resize before Linux 6.9. The hold then
/// holds the call before the pool gets it, and not its result.
bool is_left_to_pool(environment& env) {
    const auto counts = asio_aio::statistics(env.ctx);
    return env.engine == backend::io_uring && counts.passed_unsupported + counts.passed_refused;
}

void check_cancellation(environment& env, hold_at where, const error_code& expected) {
    for (const any_call& each : all_calls()) {
        BOOST_TEST_CONTEXT(each.name) {
            environment own(env.engine, env.folder.path());
            hold held(own.ctx, own.engine, where);
            file f = own.open();
            call_outcome result;
            each.start(f, result);
            held.run_until_held(own.ctx, 1);
            f.cancel();
            if (where == hold_at::completion)
                held.release();
            own.run();
            BOOST_TEST(result.calls == 1);
            BOOST_TEST(
                result.ec == (is_left_to_pool(own) ? asio::error::operation_aborted : expected));
            if (where == hold_at::submission)
                BOOST_TEST(f.size() == 0u); // the kernel never got the call
        }
    }
}

} // namespace

ENGINE_TEST(a_call_that_is_cancelled_while_it_waits_ends_as_cancelled) {
    check_cancellation(env, hold_at::submission, asio::error::operation_aborted);
}

ENGINE_TEST(a_call_that_is_cancelled_when_it_is_done_reports_its_result) {
    check_cancellation(env, hold_at::completion, {});
}

ENGINE_TEST(a_cancellation_slot_reaches_one_call_and_no_other) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    asio::cancellation_signal signal;
    call_outcome cancelled, other;
    f.async_sync_data(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) {
        ++cancelled.calls;
        cancelled.ec = ec;
    }));
    all_calls()[2].start(f, other); // no sync, which would wait for the other one
    held.run_until_held(env.ctx, 2);
    signal.emit(asio::cancellation_type::terminal);
    while (cancelled.calls == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
    BOOST_TEST(cancelled.ec == asio::error::operation_aborted);
    BOOST_TEST(other.calls == 0);
    held.release();
    env.run();
    BOOST_TEST(other.calls == 1);
    BOOST_TEST(!other.ec);
}

ENGINE_TEST(a_call_outlives_its_file_but_not_its_context) {
    for (const any_call& each : all_calls()) {
        BOOST_TEST_CONTEXT(each.name) {
            call_outcome closed, destroyed;
            {
                environment own(env.engine, env.folder.path());
                hold held(own.ctx, own.engine, hold_at::completion);
                {
                    file f = own.open();
                    each.start(f, closed);
                    held.run_until_held(own.ctx, 1);
                }
                held.release();
                own.run();
                BOOST_TEST(closed.calls == 1);
                file f = own.open();
                each.start(f, destroyed);
            }
            BOOST_TEST(destroyed.calls == 0);
        }
    }
}

ENGINE_TEST(a_size_that_the_kernel_knows_needs_no_engine) {
    if (!is_on(env.folder.path().string(), {EXT4_SUPER_MAGIC, TMPFS_MAGIC}))
        return say_skipped("the folder of the tests is neither on ext4 nor on tmpfs");
    for (const std::size_t limit : {std::size_t(1), std::size_t(0)}) {
        environment own(env.engine, env.folder.path());
        asio_aio::options options = own.options();
        options.inline_read_limit = limit;
        asio_aio::configure(own.ctx, options);
        file f = own.open();
        f.resize(12345);
        int calls = 0;
        f.async_size([&](error_code ec, std::uint64_t bytes) {
            ++calls;
            BOOST_TEST(!ec);
            BOOST_TEST(bytes == 12345u);
        });
        BOOST_TEST(calls == 0);
        own.run();
        BOOST_TEST(calls == 1);
        BOOST_TEST(asio_aio::statistics(own.ctx).batches == (limit == 0 ? 1u : 0u));
        BOOST_TEST(asio_aio::statistics(own.ctx).completed == 1u);
    }
}

// --- Tokens and executors ---

ENGINE_TEST(calls_take_any_completion_token) {
    file f = env.open();
    auto resized = f.async_resize(block, asio::use_future);
    bool ended = false;
    const auto use_all = [&]() -> asio::awaitable<void> {
        co_await f.async_sync_all(asio::use_awaitable);
        co_await f.async_sync_data(asio::use_awaitable);
        BOOST_TEST(co_await f.async_size(asio::use_awaitable) == block);
        auto by_default = asio::use_awaitable.as_default_on(std::move(f));
        BOOST_TEST(co_await by_default.async_size() == block);
        co_await by_default.async_sync_range(0, 0, sync_range_mode::start);
        ended = true;
    };
    env.run();
    resized.get();
    asio::co_spawn(env.ctx, use_all(), [](std::exception_ptr e) { BOOST_TEST(!e); });
    env.run();
    BOOST_TEST(ended);
}

ENGINE_TEST(a_deferred_call_works_on_the_file_as_it_is_when_the_call_starts) {
    set_content(env.path(), "abc");
    file f(env.ctx);
    auto first = std::make_unique<environment>(env.engine, env.folder.path());
    f = file(first->ctx);
    auto deferred_size = f.async_size(asio::deferred);
    error_code ec;
    asio_aio::configure(env.ctx, env.options(), ec);
    f = file(env.ctx, env.path(), file_base::read_only);
    first.reset();
    call_outcome found;
    std::move(deferred_size)([&](error_code e, std::uint64_t bytes) {
        ++found.calls;
        found.ec = e;
        found.size = bytes;
    });
    env.run();
    BOOST_TEST(found.calls == 1);
    BOOST_TEST(!found.ec);
    BOOST_TEST(found.size == 3u);
}

ENGINE_TEST(a_token_that_is_an_lvalue_is_not_moved_from) {
    file f = env.open();
    auto calls = std::make_shared<int>(0);
    const auto handler = [calls](error_code, auto...) { ++*calls; };
    auto reused = handler;
    f.async_sync_all(reused);
    f.async_size(reused);
    f.async_resize(1, reused);
    env.run();
    BOOST_TEST(*calls == 3);
}

ENGINE_TEST(calls_work_on_a_strand_and_through_a_thread_pool) {
    file f(asio::make_strand(env.ctx), env.path(), file_base::read_write | file_base::create);
    int calls = 0;
    for (int i = 0; i != 50; ++i)
        f.async_sync_data([&](error_code ec) { calls += !ec; });
    env.run();
    BOOST_TEST(calls == 50);
    asio::thread_pool pool(2);
    asio_aio::configure(pool, env.options());
    asio_aio::random_access_file_aio g(pool, env.path(), file_base::read_write);
    BOOST_TEST(g.async_size(asio::use_future).get() == 0u);
    pool.join();
}
