// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/asio_aio.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test {

namespace asio = boost::asio;
using asio_aio::backend;
using asio_aio::file_base;
using boost::system::error_code;
using file = asio_aio::random_access_file_aio;

/// True if Asio itself uses io_uring. Each io_context then has a ring of its own, and cannot work
/// where the kernel refuses io_uring.
#ifdef ASIO_AIO_TEST_ASIO_ON_IO_URING
constexpr bool asio_on_io_uring = true;
#else
constexpr bool asio_on_io_uring = false;
#endif
constexpr std::string_view asio_needs_io_uring =
    "Asio itself uses io_uring, and no context works without it";

/// A test that takes longer is stopped and fails.
constexpr unsigned deadline_seconds = 120;

/// A new folder, which the destructor removes. The folder is in `base`, or by default in
/// ASIO_AIO_TEST_DIR, which is on a real disk.
class temporary_directory {
public:
    temporary_directory();
    explicit temporary_directory(const std::filesystem::path& base);
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory();

    const std::filesystem::path& path() const { return path_; }
    std::string file(std::string_view name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

/// What each engine test gets: the engine, a folder, and a context that may use only this engine.
struct environment {
    explicit environment(backend which);
    environment(backend which, const std::filesystem::path& base);

    /// Options that choose the engine under test and nothing else.
    asio_aio::options options() const;

    /// A path in the test's folder.
    std::string path(std::string_view name = "file") const { return folder.file(name); }

    /// An open file on `ctx`, by default a new one for reading and writing.
    file open(
        std::string_view name = "file",
        file_base::flags flags = file_base::read_write | file_base::create);

    /// Runs `ctx` until it has no work left; fails the test after the deadline.
    void run();

    backend engine;
    temporary_directory folder;
    asio::io_context ctx;
};

/// Runs the context, or one of its handlers, until the deadline. Returns the number of handlers
/// that ran.
///
/// If Asio itself uses io_uring, only ctest's deadline applies. In Boost 1.81 `run_for` abandons a
/// timer on its stack while the ring still uses the timer. Asio then mistakes the timer's
/// completion for that of an operation (chriskohlhoff/asio issue 1284).
std::size_t run_with_deadline(asio::io_context& ctx);
std::size_t run_one_with_deadline(asio::io_context& ctx);

/// Restarts the context and runs it until it has no work left; fails the test after the deadline.
void run_until_idle(asio::io_context& ctx);

/// The arguments of the handler of a read or write, and the number of its calls.
struct outcome {
    int calls = 0;
    error_code ec;
    std::size_t bytes = 0;

    /// Returns a handler that stores its arguments here.
    auto handler() {
        return [this](error_code e, std::size_t n) {
            ++calls;
            ec = e;
            bytes = n;
        };
    }
};

/// Starts the operation, runs the context, and returns the result. Fails the test unless the
/// handler is called exactly once, and not inside the initiating function.
outcome read_at(
    environment& env, file& f, std::uint64_t offset,
    const std::vector<asio::mutable_buffer>& buffers);
outcome write_at(
    environment& env, file& f, std::uint64_t offset,
    const std::vector<asio::const_buffer>& buffers);

/// Reads or writes a whole file with the C++ library.
std::string content(const std::string& path);
void set_content(const std::string& path, std::string_view bytes);

/// Bytes that differ from position to position and from seed to seed.
std::string pattern(std::size_t bytes, unsigned seed = 1);

/// Writes the file back and drops its cached pages, so that the next read goes to the device.
void make_cold(const std::string& path);

/// Prints that this test, or a part of it, did not run, and why.
void say_skipped(std::string_view why);

/// The numbers of open descriptors, threads and memory maps of this process. Threads that have
/// ended do not count. Nor do io_uring's workers in the kernel, which end some time after their
/// ring.
std::size_t count_descriptors();
std::size_t count_threads();
std::size_t count_maps();

/// A memory map of this process: its addresses, without `end`, and its offset in the mapped file.
struct memory_map {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::uint64_t offset = 0;
};

/// The maps whose line in /proc/self/maps contains `name`.
std::vector<memory_map> maps_of(std::string_view name);

/// The number of Linux AIO contexts of this process. Each context is a memory map.
std::size_t count_aio_contexts();

/// The engines under test: those in ASIO_AIO_TEST_ENGINES, separated by commas, or all that work
/// here if the variable is not set.
std::vector<backend> engines_under_test();

/// The engine that serves files opened without `direct` if `chosen` is the chosen engine.
constexpr backend serves_buffered(backend chosen) {
    return chosen == backend::libaio ? backend::thread_pool : chosen;
}

using engine_test = void (*)(environment&);

/// Registers `body` as test case `name/<engine>` for each engine under test.
struct engine_test_registration {
    engine_test_registration(
        const char* name, engine_test body, const char* source, std::size_t line);
};

/// Adds the registered tests to Boost.Test's master suite.
void add_engine_tests();

} // namespace test

/// A test that runs once on each engine: ENGINE_TEST(reads_what_was_written) { … env.open() … }
#define ENGINE_TEST(name)                                                                          \
 static void name(::test::environment&);                                                           \
 static const ::test::engine_test_registration name##_registration(                                \
     #name, &name, __FILE__, __LINE__);                                                            \
 static void name([[maybe_unused]] ::test::environment& env)
