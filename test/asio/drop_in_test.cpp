// SPDX-License-Identifier: BSL-1.0
// One source, compiled once with Asio's file and once with ours. Both must behave the same.
//
// The test leaves out the intended differences from Asio's file:
// - the permissions of a created file (0777 and the umask with Asio),
// - offsets above 2^63 - 1,
// - more than 64 buffers,
// - the size of a block device (0 with Asio).
#include "support.hpp"

#if defined(__GNUC__) && !defined(__clang__)
# pragma GCC diagnostic push
// GCC 12 with sanitizers warns about an allocator without members.
# pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
# include <boost/asio/use_future.hpp>
# pragma GCC diagnostic pop
#endif
#include <boost/asio.hpp>
#include <boost/asio/spawn.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <future>
#include <memory>
#include <thread>
#include <type_traits>

namespace {

using namespace test;
using boost::system::system_error;

#ifdef ASIO_AIO_TEST_WITH_ASIO_FILE
using file_type = asio::random_access_file;
using stream_type = asio::stream_file;
using flag_base = asio::file_base;
template <typename Executor>
using basic_file_type = asio::basic_random_access_file<Executor>;
template <typename Executor>
using basic_stream_type = asio::basic_stream_file<Executor>;
// Asio has one engine, so the test uses only the folder and the context of its environment.
# define DROP_IN_TEST(name)                                                                        \
  static void name(environment&);                                                                  \
  BOOST_AUTO_TEST_CASE(name##_with_asio) {                                                         \
   environment env(backend::thread_pool);                                                          \
   name(env);                                                                                      \
  }                                                                                                \
  static void name([[maybe_unused]] environment& env)

/// Ends the program as skipped if io_uring is refused. The constructor of Asio's file then throws.
struct io_uring_or_skip {
    io_uring_or_skip() {
        try {
            asio::io_context ctx;
            file_type probe(ctx);
        } catch (const system_error& error) {
            std::cout << "SKIPPED: drop_in with Asio's file: " << error.what() << std::endl;
            std::_Exit(77);
        }
    }
};
BOOST_TEST_GLOBAL_FIXTURE(io_uring_or_skip);
#else
using file_type = asio_aio::random_access_file_aio;
using stream_type = asio_aio::stream_file_aio;
using flag_base = asio_aio::file_base;
template <typename Executor>
using basic_file_type = asio_aio::basic_random_access_file_aio<Executor>;
template <typename Executor>
using basic_stream_type = asio_aio::basic_stream_file_aio<Executor>;
# define DROP_IN_TEST(name) ENGINE_TEST(name)
#endif

#if defined(ASIO_AIO_TEST_WITH_ASIO_FILE)
BOOST_AUTO_TEST_CASE(asios_flags_open_our_file) {
    environment env(backend::thread_pool);
    asio_aio::random_access_file_aio f(
        env.ctx, env.path(),
        asio::file_base::read_write | asio::file_base::create | asio::file_base::append);
    BOOST_TEST(
        (::fcntl(f.native_handle(), F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_RDWR | O_APPEND));
    f.close();
    f.open(env.path(), asio::file_base::read_only);
    BOOST_TEST((::fcntl(f.native_handle(), F_GETFL) & O_ACCMODE) == O_RDONLY);
    const asio_aio::file_base::flags converted = asio::file_base::write_only;
    BOOST_TEST((converted == asio_aio::file_base::write_only));
    BOOST_TEST(
        ((asio_aio::file_base::direct | asio::file_base::write_only) == (O_DIRECT | O_WRONLY)));
}
#endif

using io_executor = asio::io_context::executor_type;
using io_file = basic_file_type<io_executor>;

constexpr auto create = flag_base::flags(O_RDWR | O_CREAT);

#if defined(ASIO_AIO_TEST_WITH_ASIO_FILE) && defined(BOOST_ASIO_NO_DEPRECATED)
using error_or_void = void; // with this macro Asio's file returns no error_code
#else
using error_or_void = error_code;
#endif

/// The error that `call` stores in its argument. `call` must set the argument on success, too.
template <typename Call>
error_code error_of(Call call) {
    error_code ec = asio::error::no_recovery;
    call(ec);
    return ec;
}

/// The error that `call` throws; success if it throws nothing.
template <typename Call>
error_code thrown_by(Call call) {
    try {
        call();
        return {};
    } catch (const system_error& error) {
        return error.code();
    }
}

const error_code bad_descriptor = asio::error::bad_descriptor;
const error_code eof = asio::error::eof;

// --- Types ---

static_assert(std::is_same_v<file_type, basic_file_type<asio::any_io_executor>>);
static_assert(std::is_same_v<file_type::executor_type, asio::any_io_executor>);
static_assert(std::is_same_v<file_type::native_handle_type, int>);
static_assert(std::is_same_v<file_type::rebind_executor<io_executor>::other, io_file>);
static_assert(std::is_same_v<io_file::rebind_executor<asio::any_io_executor>::other, file_type>);
static_assert(std::is_base_of_v<flag_base, file_type>);

static_assert(!std::is_copy_constructible_v<file_type> && !std::is_copy_assignable_v<file_type>);
static_assert(
    std::is_nothrow_move_constructible_v<file_type> && std::is_move_assignable_v<file_type>);
static_assert(!std::is_default_constructible_v<file_type>);
// A file can move to a wider executor type, but not back.
static_assert(
    std::is_constructible_v<file_type, io_file&&> && std::is_assignable_v<file_type&, io_file&&>);
static_assert(
    !std::is_constructible_v<io_file, file_type&&> && !std::is_assignable_v<io_file&, file_type&&>);
static_assert(std::is_convertible_v<io_file&&, file_type>);

template <typename... Args>
constexpr bool constructs = std::is_constructible_v<file_type, Args...>;
using executor = const asio::any_io_executor&;
using flags = flag_base::flags;
static_assert(
    constructs<executor> && constructs<asio::io_context&> && constructs<asio::thread_pool&>);
static_assert(constructs<io_executor> && constructs<asio::strand<io_executor>>);
static_assert(
    constructs<executor, const char*, flags> && constructs<asio::io_context&, const char*, flags>);
static_assert(
    constructs<executor, const std::string&, flags> &&
    constructs<asio::io_context&, const std::string&, flags>);
static_assert(constructs<executor, const int&> && constructs<asio::io_context&, const int&>);
static_assert(!constructs<int> && !constructs<executor, const char*>);
static_assert(
    !std::is_convertible_v<executor, file_type> &&
    !std::is_convertible_v<asio::io_context&, file_type>);

template <typename T>
T& some() noexcept;
#define ASIO_AIO_RETURNS(type, ...)                                                                \
 static_assert(std::is_same_v<decltype(some<file_type>().__VA_ARGS__), type>)
ASIO_AIO_RETURNS(const asio::any_io_executor&, get_executor());
static_assert(noexcept(some<file_type>().get_executor()));
ASIO_AIO_RETURNS(void, open("", create));
ASIO_AIO_RETURNS(void, open(std::string(), create));
ASIO_AIO_RETURNS(error_or_void, open("", create, some<error_code>()));
ASIO_AIO_RETURNS(error_or_void, open(std::string(), create, some<error_code>()));
ASIO_AIO_RETURNS(void, assign(0));
ASIO_AIO_RETURNS(error_or_void, assign(0, some<error_code>()));
ASIO_AIO_RETURNS(bool, is_open());
ASIO_AIO_RETURNS(void, close());
ASIO_AIO_RETURNS(error_or_void, close(some<error_code>()));
ASIO_AIO_RETURNS(int, release());
ASIO_AIO_RETURNS(int, release(some<error_code>()));
ASIO_AIO_RETURNS(int, native_handle());
ASIO_AIO_RETURNS(void, cancel());
ASIO_AIO_RETURNS(error_or_void, cancel(some<error_code>()));
ASIO_AIO_RETURNS(std::uint64_t, size());
ASIO_AIO_RETURNS(std::uint64_t, size(some<error_code>()));
ASIO_AIO_RETURNS(void, resize(0));
ASIO_AIO_RETURNS(error_or_void, resize(0, some<error_code>()));
ASIO_AIO_RETURNS(void, sync_all());
ASIO_AIO_RETURNS(error_or_void, sync_all(some<error_code>()));
ASIO_AIO_RETURNS(void, sync_data());
ASIO_AIO_RETURNS(error_or_void, sync_data(some<error_code>()));
ASIO_AIO_RETURNS(std::size_t, read_some_at(0, asio::mutable_buffer()));
ASIO_AIO_RETURNS(std::size_t, read_some_at(0, asio::mutable_buffer(), some<error_code>()));
ASIO_AIO_RETURNS(std::size_t, write_some_at(0, asio::const_buffer()));
ASIO_AIO_RETURNS(std::size_t, write_some_at(0, asio::const_buffer(), some<error_code>()));
#undef ASIO_AIO_RETURNS
// These work on a const file.
static_assert(std::is_same_v<decltype(some<const file_type>().size()), std::uint64_t>);
static_assert(
    std::is_same_v<decltype(some<const file_type>().size(some<error_code>())), std::uint64_t>);
static_assert(std::is_same_v<decltype(some<const file_type>().is_open()), bool>);

// The flags are a bitmask type, with the values of open(2).
static_assert(std::is_trivially_copyable_v<flags> && std::is_convertible_v<flags, int>);
static_assert(
    flag_base::read_only == O_RDONLY && flag_base::write_only == O_WRONLY &&
    flag_base::read_write == O_RDWR);
static_assert(
    flag_base::append == O_APPEND && flag_base::create == O_CREAT &&
    flag_base::exclusive == O_EXCL);
static_assert(flag_base::truncate == O_TRUNC && flag_base::sync_all_on_write == O_SYNC);
static_assert(
    flag_base::seek_set == SEEK_SET && flag_base::seek_cur == SEEK_CUR &&
    flag_base::seek_end == SEEK_END);

// --- Stream files ---

using io_stream = basic_stream_type<io_executor>;

static_assert(std::is_same_v<stream_type, basic_stream_type<asio::any_io_executor>>);
static_assert(std::is_same_v<stream_type::executor_type, asio::any_io_executor>);
static_assert(std::is_same_v<stream_type::rebind_executor<io_executor>::other, io_stream>);
static_assert(std::is_nothrow_move_constructible_v<stream_type>);
static_assert(std::is_same_v<
              decltype(std::declval<stream_type&>().seek(0, flag_base::seek_set)), std::uint64_t>);
static_assert(
    std::is_same_v<
        decltype(std::declval<stream_type&>().read_some(asio::mutable_buffer())), std::size_t>);

DROP_IN_TEST(a_stream_is_made_in_all_forms_and_moves_to_a_wider_executor) {
    const std::string path = env.path();
    io_stream narrow(env.ctx, path, create);
    narrow.write_some(asio::buffer("abc", 3));
    stream_type wide(std::move(narrow));
    BOOST_TEST(!narrow.is_open());
    BOOST_TEST(wide.seek(1, flag_base::seek_set) == 1u);
    char back[4] = {};
    BOOST_TEST(wide.read_some(asio::buffer(back)) == 2u);
    BOOST_TEST(std::string(back) == "bc");
    stream_type closed(env.ctx), by_executor(env.ctx.get_executor(), path.c_str(), create);
    closed = std::move(by_executor);
    BOOST_TEST(closed.is_open());
    stream_type by_handle(env.ctx, closed.release());
    BOOST_TEST(by_handle.read_some(asio::buffer(back)) == 3u);
    BOOST_TEST(by_handle.size() == 3u);
}

DROP_IN_TEST(a_stream_reads_and_writes_at_its_position) {
    stream_type f(env.ctx, env.path(), create);
    error_code ec;
    BOOST_TEST(f.write_some(asio::buffer("0123456789", 10), ec) == 10u);
    BOOST_TEST(f.seek(-4, flag_base::seek_cur, ec) == 6u);
    char back[8] = {};
    outcome result;
    f.async_read_some(asio::buffer(back), result.handler());
    BOOST_TEST(result.calls == 0);
    env.run();
    BOOST_TEST(result.bytes == 4u);
    BOOST_TEST(std::string(back) == "6789");
    f.async_read_some(asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST(result.ec == eof);
    BOOST_TEST(f.read_some(asio::buffer(back), ec) == 0u);
    BOOST_TEST(ec == eof);
    BOOST_TEST(f.seek(-11, flag_base::seek_end, ec) == 0u);
    BOOST_TEST(bool(ec));
    BOOST_TEST(f.seek(0, flag_base::seek_cur) == 10u);
    f.async_write_some(asio::buffer("ab", 2), result.handler());
    env.run();
    BOOST_TEST(result.bytes == 2u);
    BOOST_TEST(content(env.path()) == "0123456789ab");
}

DROP_IN_TEST(operations_of_a_stream_run_in_the_order_of_their_start) {
    stream_type f(env.ctx, env.path(), create);
    outcome results[3];
    f.async_write_some(asio::buffer("one ", 4), results[0].handler());
    f.async_write_some(asio::buffer("two ", 4), results[1].handler());
    f.async_write_some(asio::buffer("three", 5), results[2].handler());
    env.run();
    BOOST_TEST(content(env.path()) == "one two three");
    f.seek(0, flag_base::seek_set);
    char back[6] = {};
    f.async_read_some(asio::buffer(back, 2), results[0].handler());
    f.async_read_some(asio::buffer(back + 2, 3), results[1].handler());
    env.run();
    BOOST_TEST(std::string(back) == "one t");
}

DROP_IN_TEST(a_closed_stream_and_nothing_to_transfer) {
    stream_type f(env.ctx);
    char back[2];
    BOOST_TEST(
        (error_of([&](error_code& ec) { f.read_some(asio::buffer(back), ec); }) == bad_descriptor));
    BOOST_TEST(
        (error_of([&](error_code& ec) { f.seek(0, flag_base::seek_set, ec); }) == bad_descriptor));
    BOOST_TEST((thrown_by([&] { f.write_some(asio::buffer("a", 1)); }) == bad_descriptor));
    outcome result;
    f.async_read_some(asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST((result.ec == bad_descriptor));
    f.async_read_some(asio::mutable_buffer(), result.handler());
    env.run();
    BOOST_TEST(!result.ec);
    f.open(env.path(), create);
    BOOST_TEST(f.read_some(asio::mutable_buffer()) == 0u);
}

DROP_IN_TEST(a_stream_is_copied_as_in_asios_example) {
    const std::string bytes = pattern(100'000);
    set_content(env.path("from"), bytes);
    stream_type from(env.ctx, env.path("from"), flag_base::read_only);
    stream_type to(
        env.ctx, env.path("to"), flag_base::write_only | flag_base::create | flag_base::truncate);
    std::array<char, 4096> data;
    const auto copy = [&]() -> asio::awaitable<void> {
        for (;;) {
            const auto [ec, n] = co_await from.async_read_some(
                asio::buffer(data), asio::as_tuple(asio::use_awaitable));
            if (ec) {
                BOOST_TEST(ec == eof);
                break;
            }
            co_await asio::async_write(to, asio::buffer(data, n), asio::use_awaitable);
        }
    };
    asio::co_spawn(env.ctx, copy, [](std::exception_ptr e) { BOOST_TEST(!e); });
    env.run();
    BOOST_TEST((content(env.path("to")) == bytes));
}

DROP_IN_TEST(the_composed_stream_operations_of_asio_work) {
    stream_type f(env.ctx, env.path(), create);
    outcome result;
    asio::async_write(f, asio::buffer("first\nsecond\n", 13), result.handler());
    env.run();
    f.seek(0, flag_base::seek_set);
    std::string line;
    asio::async_read_until(f, asio::dynamic_buffer(line), '\n', result.handler());
    env.run();
    BOOST_TEST(line.substr(0, result.bytes) == "first\n");
    f.seek(0, flag_base::seek_set);
    char back[13];
    BOOST_TEST(asio::read(f, asio::buffer(back)) == 13u);
}

} // namespace

// --- Life of the object ---

DROP_IN_TEST(every_constructor_makes_the_expected_file) {
    const std::string path = env.path();
    const asio::any_io_executor ex = env.ctx.get_executor();
    file_type closed(ex), closed_too(env.ctx);
    BOOST_TEST(!closed.is_open());
    BOOST_TEST(!closed_too.is_open());
    BOOST_TEST(closed.native_handle() == -1);
    file_type of_executor(ex, path.c_str(), create), of_context(env.ctx, path.c_str(), create);
    file_type string_and_executor(ex, path, create), string_and_context(env.ctx, path, create);
    file_type taken(ex, ::open(path.c_str(), O_RDONLY)),
        taken_too(env.ctx, ::open(path.c_str(), O_RDONLY));
    for (file_type* each :
         {&of_executor, &of_context, &string_and_executor, &string_and_context, &taken,
          &taken_too}) {
        BOOST_TEST(each->is_open());
        BOOST_TEST(each->native_handle() > 2);
        BOOST_TEST((each->get_executor() == ex));
        BOOST_TEST(each->size() == 0u);
    }
}

DROP_IN_TEST(a_constructor_that_cannot_open_throws) {
    const std::string missing = env.path("missing");
    const asio::any_io_executor ex = env.ctx.get_executor();
    const error_code expected(ENOENT, asio::error::get_system_category());
    BOOST_TEST(
        thrown_by([&] { file_type(ex, missing.c_str(), flag_base::read_only); }) == expected);
    BOOST_TEST(
        thrown_by([&] { file_type(env.ctx, missing.c_str(), flag_base::read_only); }) == expected);
    BOOST_TEST(thrown_by([&] { file_type(ex, missing, flag_base::read_only); }) == expected);
    BOOST_TEST(thrown_by([&] { file_type(env.ctx, missing, flag_base::read_only); }) == expected);
}

DROP_IN_TEST(a_moved_file_takes_the_descriptor_along) {
    file_type f(env.ctx, env.path(), create);
    const int descriptor = f.native_handle();
    file_type g(std::move(f));
    BOOST_TEST(!f.is_open()); // NOLINT(bugprone-use-after-move)
    BOOST_TEST(f.native_handle() == -1);
    BOOST_TEST(g.native_handle() == descriptor);
    file_type h(env.ctx, env.path(), create);
    const int replaced = h.native_handle();
    h = std::move(g);
    BOOST_TEST(!g.is_open()); // NOLINT(bugprone-use-after-move)
    BOOST_TEST(h.native_handle() == descriptor);
    BOOST_TEST(::fcntl(replaced, F_GETFD) == -1); // closed
    f.open(env.path(), create);
    BOOST_TEST(f.is_open());
}

DROP_IN_TEST(a_file_moves_to_a_wider_executor) {
    io_file narrow(env.ctx, env.path(), create);
    const int descriptor = narrow.native_handle();
    file_type wide(std::move(narrow));
    BOOST_TEST(wide.native_handle() == descriptor);
    BOOST_TEST((wide.get_executor() == asio::any_io_executor(env.ctx.get_executor())));
    BOOST_TEST(!narrow.is_open()); // NOLINT(bugprone-use-after-move)
    io_file again(env.ctx, env.path(), create);
    wide = std::move(again);
    BOOST_TEST(wide.write_some_at(0, asio::buffer("x", 1)) == 1u);
    BOOST_TEST(::fcntl(descriptor, F_GETFD) == -1);
}

DROP_IN_TEST(the_destructor_closes) {
    int descriptor = -1;
    {
        file_type f(env.ctx, env.path(), create);
        descriptor = f.native_handle();
    }
    BOOST_TEST(::fcntl(descriptor, F_GETFD) == -1);
}

// --- Open, assign, close, release ---

DROP_IN_TEST(open_and_assign_and_close_in_all_forms) {
    const std::string path = env.path();
    file_type f(env.ctx);
    f.open(path.c_str(), create);
    f.close();
    f.open(path, create);
    BOOST_TEST(!error_of([&](error_code& told) { f.close(told); }));
    BOOST_TEST(!error_of([&](error_code& told) { f.open(path.c_str(), create, told); }));
    f.close();
    BOOST_TEST(!error_of([&](error_code& told) { f.open(path, create, told); }));
    f.close();
    f.assign(::open(path.c_str(), O_RDWR));
    f.close();
    BOOST_TEST(!error_of([&](error_code& told) { f.assign(::open(path.c_str(), O_RDWR), told); }));
    BOOST_TEST(f.is_open());
}

DROP_IN_TEST(an_open_file_is_already_open) {
    file_type f(env.ctx, env.path(), create);
    const int descriptor = f.native_handle();
    BOOST_TEST((error_of([&](error_code& told) {
                    f.open(env.path(), create, told);
                }) == asio::error::already_open));
    BOOST_TEST((error_of([&](error_code& told) {
                    f.open(env.path().c_str(), create, told);
                }) == asio::error::already_open));
    BOOST_TEST((error_of([&](error_code& told) {
                    f.assign(descriptor, told);
                }) == asio::error::already_open));
    BOOST_TEST((thrown_by([&] { f.open(env.path(), create); }) == asio::error::already_open));
    BOOST_TEST(
        (thrown_by([&] { f.open(env.path().c_str(), create); }) == asio::error::already_open));
    BOOST_TEST((thrown_by([&] { f.assign(descriptor); }) == asio::error::already_open));
    BOOST_TEST(f.native_handle() == descriptor);
}

DROP_IN_TEST(open_reports_what_the_kernel_says) {
    file_type f(env.ctx);
    const auto expect = [&](const std::string& path, flags how, int value) {
        const error_code expected(value, asio::error::get_system_category());
        BOOST_TEST(error_of([&](error_code& told) { f.open(path, how, told); }) == expected);
        BOOST_TEST(
            error_of([&](error_code& told) { f.open(path.c_str(), how, told); }) == expected);
        BOOST_TEST(thrown_by([&] { f.open(path, how); }) == expected);
        BOOST_TEST(!f.is_open());
    };
    expect(env.path("missing"), flag_base::read_only, ENOENT);
    expect(env.folder.path().string(), flag_base::read_write, EISDIR);
    set_content(env.path(), "");
    expect(env.path(), create | flag_base::exclusive, EEXIST);
    expect(env.path("file/below"), flag_base::read_only, ENOTDIR);
}

DROP_IN_TEST(flags_are_combined_and_do_what_they_say) {
    set_content(env.path(), "12345");
    flags how = flag_base::write_only;
    how |= flag_base::truncate;
    BOOST_TEST((how & flag_base::truncate) == flag_base::truncate);
    BOOST_TEST((how ^ flag_base::truncate) == flag_base::write_only);
    BOOST_TEST((how & ~flag_base::truncate) == flag_base::write_only);
    file_type(env.ctx, env.path(), how);
    BOOST_TEST(content(env.path()) == "");
    file_type appending(env.ctx, env.path(), flag_base::write_only | flag_base::append);
    appending.write_some_at(0, asio::buffer("123", 3));
    appending.write_some_at(0, asio::buffer("45", 2));
    BOOST_TEST(content(env.path()) == "12345");
    file_type synced(env.ctx, env.path(), flag_base::read_write | flag_base::sync_all_on_write);
    BOOST_TEST((::fcntl(synced.native_handle(), F_GETFL) & O_SYNC) == O_SYNC);
}

DROP_IN_TEST(closing_twice_is_fine_and_cancelling_a_closed_file_is_not) {
    file_type f(env.ctx, env.path(), create);
    BOOST_TEST(!error_of([&](error_code& told) { f.cancel(told); }));
    BOOST_TEST(!thrown_by([&] { f.cancel(); }));
    BOOST_TEST(!error_of([&](error_code& told) { f.close(told); }));
    BOOST_TEST(!error_of([&](error_code& told) { f.close(told); }));
    BOOST_TEST(!thrown_by([&] { f.close(); }));
    BOOST_TEST(!f.is_open());
    BOOST_TEST(error_of([&](error_code& told) { f.cancel(told); }) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.cancel(); }) == bad_descriptor);
}

DROP_IN_TEST(a_descriptor_that_failed_to_open_leaves_the_file_closed) {
    file_type f(env.ctx);
    f.assign(-1);
    BOOST_TEST(!f.is_open());
    f.open(env.path(), create);
    BOOST_TEST(f.is_open());
}

DROP_IN_TEST(a_path_may_be_what_converts_to_a_string) {
    struct name {
        operator std::string() const { return text; }
        std::string text;
    };
    const name path{env.path()};
    file_type f(env.ctx, path, create);
    f.close();
    f.open(path, create);
    BOOST_TEST(f.is_open());
}

#if !defined(BOOST_ASIO_NO_TS_EXECUTORS)
DROP_IN_TEST(a_handler_may_belong_to_a_strand_of_the_networking_ts) {
    file_type f(env.ctx, env.path(), create);
    const asio::io_context::strand strand(env.ctx);
    std::string byte = "x";
    int in_strand = 0;
    const auto check = [&](error_code, std::size_t) {
        in_strand += strand.running_in_this_thread();
    };
    f.async_write_some_at(0, asio::buffer(byte), asio::bind_executor(strand, check));
    env.run();
    f.async_read_some_at(0, asio::buffer(byte), asio::bind_executor(strand, check));
    env.run();
    BOOST_TEST(in_strand == 2);
}
#endif

template <typename Token>
concept is_token = requires(file_type& f, char (&bytes)[1], Token token) {
    f.async_read_some_at(0, asio::buffer(bytes), token);
};
static_assert(is_token<void (*)(error_code, std::size_t)>);
static_assert(!is_token<int>);

DROP_IN_TEST(a_released_descriptor_stays_open) {
    file_type f(env.ctx, env.path(), create);
    const int descriptor = f.native_handle();
    BOOST_TEST(f.release() == descriptor);
    BOOST_TEST(!f.is_open());
    BOOST_TEST(::pwrite(descriptor, "x", 1, 0) == 1);
    f.assign(descriptor);
    error_code ec;
    BOOST_TEST(f.release(ec) == descriptor);
    BOOST_TEST(!ec);
    BOOST_TEST(f.release(ec) == -1);
    BOOST_TEST(!ec);
    BOOST_TEST(f.release() == -1);
    BOOST_TEST(::close(descriptor) == 0);
}

// --- Size, resize, sync ---

DROP_IN_TEST(size_and_resize_and_sync_in_all_forms) {
    file_type f(env.ctx, env.path(), create);
    const file_type& constant = f;
    error_code ec = asio::error::eof; // the call must clear it
    BOOST_TEST(constant.size(ec) == 0u);
    BOOST_TEST(!ec);
    f.resize(5);
    BOOST_TEST(constant.size() == 5u);
    BOOST_TEST(!error_of([&](error_code& told) { f.resize(3, told); }));
    BOOST_TEST(f.size() == 3u);
    f.sync_all();
    f.sync_data();
    BOOST_TEST(!error_of([&](error_code& told) { f.sync_all(told); }));
    BOOST_TEST(!error_of([&](error_code& told) { f.sync_data(told); }));
    BOOST_TEST(content(env.path()) == std::string(3, '\0'));
}

DROP_IN_TEST(everything_on_a_closed_file_is_a_bad_descriptor) {
    file_type f(env.ctx);
    error_code ec;
    char c;
    BOOST_TEST(f.size(ec) == 0u);
    BOOST_TEST(ec == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.size(); }) == bad_descriptor);
    BOOST_TEST(error_of([&](error_code& told) { f.resize(0, told); }) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.resize(0); }) == bad_descriptor);
    BOOST_TEST(error_of([&](error_code& told) { f.sync_all(told); }) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.sync_all(); }) == bad_descriptor);
    BOOST_TEST(error_of([&](error_code& told) { f.sync_data(told); }) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.sync_data(); }) == bad_descriptor);
    BOOST_TEST(f.read_some_at(0, asio::buffer(&c, 1), ec) == 0u);
    BOOST_TEST(ec == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.read_some_at(0, asio::buffer(&c, 1)); }) == bad_descriptor);
    BOOST_TEST(f.write_some_at(0, asio::buffer(&c, 1), ec) == 0u);
    BOOST_TEST(ec == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.write_some_at(0, asio::buffer(&c, 1)); }) == bad_descriptor);
    outcome read, written;
    f.async_read_some_at(0, asio::buffer(&c, 1), read.handler());
    f.async_write_some_at(0, asio::buffer(&c, 1), written.handler());
    BOOST_TEST(read.calls + written.calls == 0);
    env.run();
    for (const outcome& each : {read, written}) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(each.ec == bad_descriptor);
        BOOST_TEST(each.bytes == 0u);
    }
}

DROP_IN_TEST(a_file_open_for_reading_is_not_written_and_the_other_way_round) {
    set_content(env.path(), "12345");
    file_type reader(env.ctx, env.path(), flag_base::read_only),
        writer(env.ctx, env.path(), flag_base::write_only);
    error_code ec;
    char c;
    reader.write_some_at(0, asio::buffer("x", 1), ec);
    BOOST_TEST(ec == bad_descriptor);
    writer.read_some_at(0, asio::buffer(&c, 1), ec);
    BOOST_TEST(ec == bad_descriptor);
    outcome read, written;
    reader.async_write_some_at(0, asio::buffer("x", 1), written.handler());
    writer.async_read_some_at(0, asio::buffer(&c, 1), read.handler());
    env.run();
    BOOST_TEST(written.ec == bad_descriptor);
    BOOST_TEST(read.ec == bad_descriptor);
    BOOST_TEST(error_of([&](error_code& told) {
                   reader.resize(0, told);
               }) == error_code(EINVAL, asio::error::get_system_category()));
    BOOST_TEST(content(env.path()) == "12345");
}

// --- Reading and writing ---

DROP_IN_TEST(synchronous_reads_and_writes_in_both_forms) {
    file_type f(env.ctx, env.path(), create);
    error_code ec = asio::error::eof; // the call must clear it
    BOOST_TEST(f.write_some_at(0, asio::buffer("12345", 5)) == 5u);
    BOOST_TEST(
        f.write_some_at(5, std::array{asio::buffer("67", 2), asio::buffer("8", 1)}, ec) == 3u);
    BOOST_TEST(!ec);
    std::string back(10, '#');
    BOOST_TEST(f.read_some_at(2, asio::buffer(back, 3)) == 3u);
    BOOST_TEST(back == "345#######");
    const std::array two = {asio::buffer(back, 1), asio::buffer(back) + 1};
    BOOST_TEST(f.read_some_at(0, two, ec) == 8u); // up to the end of the file
    BOOST_TEST(!ec);
    BOOST_TEST(back == "12345678##");
    BOOST_TEST(f.read_some_at(8, asio::buffer(back), ec) == 0u);
    BOOST_TEST(ec == eof);
    BOOST_TEST(f.read_some_at(1000, two, ec) == 0u);
    BOOST_TEST(ec == eof);
    BOOST_TEST(thrown_by([&] { f.read_some_at(8, asio::buffer(back)); }) == eof);
}

DROP_IN_TEST(nothing_to_transfer_is_a_success_where_the_file_is_open) {
    file_type f(env.ctx, env.path(), create);
    error_code ec = asio::error::eof; // the call must clear it
    BOOST_TEST(f.read_some_at(0, asio::mutable_buffer(), ec) == 0u);
    BOOST_TEST(!ec);
    BOOST_TEST(f.read_some_at(1000, std::array<asio::mutable_buffer, 2>()) == 0u);
    BOOST_TEST(f.write_some_at(1000, asio::const_buffer(), ec) == 0u);
    BOOST_TEST(!ec);
    BOOST_TEST(f.write_some_at(0, std::array<asio::const_buffer, 2>()) == 0u);
    BOOST_TEST(f.size() == 0u);
    f.close();
    f.read_some_at(0, asio::mutable_buffer(), ec);
    BOOST_TEST(ec == bad_descriptor);
    f.write_some_at(0, asio::const_buffer(), ec);
    BOOST_TEST(ec == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.read_some_at(0, asio::mutable_buffer()); }) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.write_some_at(0, asio::const_buffer()); }) == bad_descriptor);
}

DROP_IN_TEST(nothing_to_transfer_asynchronously_is_a_success_even_where_it_is_closed) {
    file_type open(env.ctx, env.path(), create), closed(env.ctx);
    for (file_type* f : {&open, &closed}) {
        outcome results[4];
        f->async_read_some_at(0, asio::mutable_buffer(), results[0].handler());
        f->async_read_some_at(1000, std::array<asio::mutable_buffer, 2>(), results[1].handler());
        f->async_write_some_at(0, asio::const_buffer(), results[2].handler());
        f->async_write_some_at(1000, std::array<asio::const_buffer, 2>(), results[3].handler());
        for (const outcome& each : results)
            BOOST_TEST(each.calls == 0);
        env.run();
        for (const outcome& each : results) {
            BOOST_TEST(each.calls == 1);
            BOOST_TEST(!each.ec);
            BOOST_TEST(each.bytes == 0u);
        }
    }
    BOOST_TEST(open.size() == 0u);
}

DROP_IN_TEST(asynchronous_reads_and_writes_report_what_the_synchronous_ones_do) {
    file_type f(env.ctx, env.path(), create);
    std::string back(10, '#');
    const std::array two = {asio::buffer(back, 1), asio::buffer(back) + 1};
    outcome result;
    const auto expect = [&](error_code ec, std::size_t bytes) {
        BOOST_TEST(result.calls == 0); // never inside the initiating function
        env.run();
        BOOST_TEST(result.calls == 1);
        BOOST_TEST(result.ec == ec);
        BOOST_TEST(result.bytes == bytes);
        result = {};
    };
    f.async_read_some_at(0, asio::buffer(back), result.handler());
    expect(eof, 0);
    f.async_write_some_at(0, asio::buffer("12345", 5), result.handler());
    expect({}, 5);
    f.async_write_some_at(
        5, std::array{asio::buffer("67", 2), asio::buffer("8", 1)}, result.handler());
    expect({}, 3);
    f.async_read_some_at(2, asio::buffer(back, 3), result.handler());
    expect({}, 3);
    BOOST_TEST(back == "345#######");
    f.async_read_some_at(0, two, result.handler());
    expect({}, 8);
    BOOST_TEST(back == "12345678##");
    f.async_read_some_at(8, two, result.handler());
    expect(eof, 0);
}

DROP_IN_TEST(a_cancelled_operation_is_aborted_or_has_its_result) {
    set_content(env.path(), std::string(4096, 'x'));
    make_cold(env.path());
    file_type f(env.ctx, env.path(), flag_base::read_only);
    std::string back(4096, '#');
    outcome result;
    asio::cancellation_signal stop;
    f.async_read_some_at(
        0, asio::buffer(back), asio::bind_cancellation_slot(stop.slot(), result.handler()));
    stop.emit(asio::cancellation_type::total);
    f.cancel();
    env.run();
    BOOST_TEST(result.calls == 1);
    const bool aborted = result.ec == asio::error::operation_aborted && result.bytes == 0;
    BOOST_TEST((aborted || (!result.ec && result.bytes == back.size())));
}

DROP_IN_TEST(closing_a_file_with_operations_pending_ends_them) {
    file_type f(env.ctx, env.path(), create);
    outcome results[8];
    for (outcome& each : results)
        f.async_write_some_at(0, asio::buffer("12345", 5), each.handler());
    f.close();
    env.run();
    for (const outcome& each : results) {
        BOOST_TEST(each.calls == 1);
        const bool aborted = each.ec == asio::error::operation_aborted && each.bytes == 0;
        BOOST_TEST((aborted || (!each.ec && each.bytes == 5)));
    }
}

// --- Completion tokens ---

DROP_IN_TEST(move_only_callbacks_and_futures) {
    file_type f(env.ctx, env.path(), create);
    auto owned = std::make_unique<int>(0);
    int* called = owned.get();
    f.async_write_some_at(
        0, asio::buffer("12345", 5), [owned = std::move(owned), called](error_code, std::size_t n) {
            *called = int(n);
            BOOST_TEST(*called == 5);
        });
    env.run();
    char back[5];
    std::future<std::size_t> read = f.async_read_some_at(0, asio::buffer(back), asio::use_future);
    std::future<std::size_t> at_end = f.async_read_some_at(5, asio::buffer(back), asio::use_future);
    std::future<std::size_t> written =
        f.async_write_some_at(5, asio::buffer("x", 1), asio::use_future);
    env.run();
    BOOST_TEST(read.get() == 5u);
    BOOST_TEST(written.get() == 1u);
    // The read overlaps the write in time, and may see the file before or after it.
    const error_code ec = thrown_by([&] { at_end.get(); });
    BOOST_TEST((!ec || ec == eof));
}

DROP_IN_TEST(coroutines) {
    file_type f(env.ctx, env.path(), create);
    bool done = false;
    const auto use = [&]() -> asio::awaitable<void> {
        char back[5];
        BOOST_TEST(
            co_await f.async_write_some_at(0, asio::buffer("12345", 5), asio::use_awaitable) == 5u);
        BOOST_TEST(co_await f.async_read_some_at(0, asio::buffer(back), asio::use_awaitable) == 5u);
        const auto [ec, n] = co_await f.async_read_some_at(
            5, asio::buffer(back), asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(ec == eof);
        BOOST_TEST(n == 0u);
        error_code redirected;
        BOOST_TEST(
            co_await f.async_read_some_at(
                5, asio::buffer(back), asio::redirect_error(asio::use_awaitable, redirected)) ==
            0u);
        BOOST_TEST(redirected == eof);
        bool thrown = false;
        try {
            co_await f.async_read_some_at(5, asio::buffer(back), asio::use_awaitable);
        } catch (const system_error& error) {
            thrown = error.code() == eof;
        }
        BOOST_TEST(thrown);
        done = true;
    };
    asio::co_spawn(env.ctx, use(), asio::detached);
    env.run();
    BOOST_TEST(done);
}

DROP_IN_TEST(default_tokens) {
    bool done = false;
    const auto use = [&]() -> asio::awaitable<void> {
        using awaiting = asio::use_awaitable_t<>::as_default_on_t<file_type>;
        awaiting f(env.ctx, env.path(), create);
        BOOST_TEST(co_await f.async_write_some_at(0, asio::buffer("12345", 5)) == 5u);
        auto g = asio::use_awaitable_t<>::as_default_on(file_type(env.ctx, env.path(), create));
        static_assert(std::is_same_v<decltype(g), awaiting>);
        char back[5];
        BOOST_TEST(co_await g.async_read_some_at(0, asio::buffer(back)) == 5u);
        using tuples = asio::as_tuple_t<asio::use_awaitable_t<>>::as_default_on_t<file_type>;
        tuples h(env.ctx, env.path(), create);
        const auto [ec, n] = co_await h.async_read_some_at(5, asio::buffer(back));
        BOOST_TEST(ec == eof);
        BOOST_TEST(n == 0u);
        done = true;
    };
    asio::co_spawn(env.ctx, use(), asio::detached);
    env.run();
    BOOST_TEST(done);
}

DROP_IN_TEST(deferred_operations_and_stackful_coroutines) {
    file_type f(env.ctx, env.path(), create);
    outcome result;
    auto write = f.async_write_some_at(0, asio::buffer("12345", 5), asio::deferred);
    BOOST_TEST(env.ctx.poll() == 0u);
    std::move(write)(result.handler());
    env.run();
    BOOST_TEST(result.bytes == 5u);
    bool done = false;
    asio::spawn(
        env.ctx,
        [&](asio::yield_context yield) {
            char back[5];
            BOOST_TEST(f.async_read_some_at(0, asio::buffer(back), yield) == 5u);
            error_code ec;
            BOOST_TEST(f.async_read_some_at(5, asio::buffer(back), yield[ec]) == 0u);
            BOOST_TEST(ec == eof);
            done = true;
        },
        asio::detached);
    env.run();
    BOOST_TEST(done);
}

DROP_IN_TEST(a_handler_runs_on_its_own_executor_else_on_the_files) {
    asio::strand<io_executor> own(env.ctx.get_executor()), of_file(env.ctx.get_executor());
    basic_file_type<asio::strand<io_executor>> f(of_file, env.path(), create);
    int on_own = 0, on_files = 0;
    f.async_write_some_at(
        0, asio::buffer("x", 1), asio::bind_executor(own, [&](error_code, std::size_t) {
            on_own = own.running_in_this_thread() ? 1 : -1;
        }));
    f.async_write_some_at(0, asio::buffer("x", 1), [&](error_code, std::size_t) {
        on_files = of_file.running_in_this_thread() ? 1 : -1;
    });
    env.run();
    BOOST_TEST(on_own == 1);
    BOOST_TEST(on_files == 1);
}

// --- Composed operations ---

DROP_IN_TEST(the_composed_operations_of_asio_work_on_it) {
    const std::string bytes = pattern(300'000);
    file_type f(env.ctx, env.path(), create);
    BOOST_TEST(asio::write_at(f, 0, asio::buffer(bytes)) == bytes.size());
    std::string back(bytes.size(), '\0');
    BOOST_TEST(asio::read_at(f, 0, asio::buffer(back)) == bytes.size());
    BOOST_TEST((back == bytes));
    error_code ec;
    BOOST_TEST(asio::read_at(f, 299'990, asio::buffer(back), ec) == 10u);
    BOOST_TEST(ec == eof);
    BOOST_TEST(asio::read_at(f, 0, asio::buffer(back), asio::transfer_exactly(100)) == 100u);

    outcome result;
    const std::string other = pattern(300'000, 2);
    asio::async_write_at(f, 0, asio::buffer(other), result.handler());
    env.run();
    BOOST_TEST(result.bytes == other.size());
    asio::streambuf stream;
    asio::async_read_at(f, 299'900, stream, asio::transfer_at_least(50), result.handler());
    env.run();
    BOOST_TEST(!result.ec);
    BOOST_TEST(result.bytes == 100u);
    asio::async_read_at(f, 0, asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST((back == other));
    asio::async_read_at(f, 299'990, asio::buffer(back), result.handler());
    env.run();
    BOOST_TEST(result.ec == eof);
    BOOST_TEST(result.bytes == 10u);
}

DROP_IN_TEST(several_files_and_a_thread_pool) {
    asio::thread_pool pool(2);
    {
        file_type f(pool, env.path("one"), create), g(pool.get_executor(), env.path("two"), create);
        auto one = f.async_write_some_at(0, asio::buffer("12345", 5), asio::use_future);
        auto two = g.async_write_some_at(0, asio::buffer("678", 3), asio::use_future);
        BOOST_TEST(one.get() == 5u);
        BOOST_TEST(two.get() == 3u);
    }
    pool.join();
    BOOST_TEST(content(env.path("one")) == "12345");
    BOOST_TEST(content(env.path("two")) == "678");
}
