// SPDX-License-Identifier: BSL-1.0
#include "support.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <random>
#include <sstream>

namespace test {
namespace {

namespace fs = std::filesystem;

struct registered_test {
    const char* name;
    engine_test body;
    const char* source;
    std::size_t line;
};

std::vector<registered_test>& registry() {
    static std::vector<registered_test> tests;
    return tests;
}

std::size_t count_entries(const char* folder) {
    return std::size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

template <typename Start>
outcome run_one_operation(environment& env, Start start) {
    outcome result;
    start(result);
    BOOST_REQUIRE_EQUAL(result.calls, 0); // never inside the initiating function
    env.run();
    BOOST_REQUIRE_EQUAL(result.calls, 1);
    return result;
}

fs::path default_base() {
    const char* base = std::getenv("ASIO_AIO_TEST_DIR");
    return base ? base : ".";
}

} // namespace

temporary_directory::temporary_directory() : temporary_directory(default_base()) {}

temporary_directory::temporary_directory(const fs::path& base) {
    std::string name = (base / "test-XXXXXX").string();
    BOOST_REQUIRE_MESSAGE(::mkdtemp(name.data()) != nullptr, "cannot make a folder like " << name);
    path_ = fs::absolute(name);
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

environment::environment(backend which) : environment(which, default_base()) {}

environment::environment(backend which, const fs::path& base) : engine(which), folder(base) {
    asio_aio::configure(ctx, options());
}

asio_aio::options environment::options() const {
    asio_aio::options opts;
    opts.choice = {engine};
    return opts;
}

file environment::open(std::string_view name, file_base::flags flags) {
    return file(ctx, path(name), flags);
}

void environment::run() {
    run_until_idle(ctx);
}

#ifdef ASIO_AIO_TEST_ASIO_ON_IO_URING
std::size_t run_with_deadline(asio::io_context& ctx) {
    return ctx.run();
}

std::size_t run_one_with_deadline(asio::io_context& ctx) {
    return ctx.run_one();
}
#else
std::size_t run_with_deadline(asio::io_context& ctx) {
    return ctx.run_for(std::chrono::seconds(deadline_seconds));
}

std::size_t run_one_with_deadline(asio::io_context& ctx) {
    return ctx.run_one_for(std::chrono::seconds(deadline_seconds));
}
#endif

void run_until_idle(asio::io_context& ctx) {
    ctx.restart();
    run_with_deadline(ctx);
    BOOST_REQUIRE_MESSAGE(ctx.stopped(), "run() did not return: a completion was lost");
}

outcome read_at(
    environment& env, file& f, std::uint64_t offset,
    const std::vector<asio::mutable_buffer>& buffers) {
    return run_one_operation(
        env, [&](outcome& result) { f.async_read_some_at(offset, buffers, result.handler()); });
}

outcome write_at(
    environment& env, file& f, std::uint64_t offset,
    const std::vector<asio::const_buffer>& buffers) {
    return run_one_operation(
        env, [&](outcome& result) { f.async_write_some_at(offset, buffers, result.handler()); });
}

std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    BOOST_REQUIRE_MESSAGE(in, "cannot read " << path);
    return {std::istreambuf_iterator<char>(in), {}};
}

void set_content(const std::string& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), std::streamsize(bytes.size()));
    BOOST_REQUIRE_MESSAGE(out.flush(), "cannot write " << path);
}

std::string pattern(std::size_t bytes, unsigned seed) {
    std::mt19937 random(seed);
    std::string result(bytes, '\0');
    for (char& c : result)
        c = char(random());
    return result;
}

void make_cold(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    BOOST_REQUIRE(fd != -1);
    BOOST_REQUIRE_EQUAL(::fsync(fd), 0); // the kernel drops only clean pages
    BOOST_REQUIRE_EQUAL(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ::close(fd);
}

void say_skipped(std::string_view why) {
    std::cout << "SKIPPED: " << boost::unit_test::framework::current_test_case().full_name() << ": "
              << why << std::endl;
}

std::size_t count_descriptors() {
    return count_entries("/proc/self/fd");
}

std::size_t count_threads() {
    // PF_IO_WORKER, Linux 5.12; the kernel sets the name of a worker only when the worker runs
    constexpr unsigned long io_worker = 0x10;
    // PF_EXITING: join can return before the kernel has removed the thread
    constexpr unsigned long exiting = 0x4;
    std::size_t count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream stat(task.path() / "stat"); // missing if the thread has ended
        std::string line;
        if (!std::getline(stat, line))
            continue;
        // proc(5): the name in parentheses, state, ppid, pgrp, session, tty_nr, tpgid, flags
        std::istringstream fields(line.substr(line.rfind(')') + 1));
        std::string skipped;
        unsigned long flags = 0;
        fields >> skipped >> skipped >> skipped >> skipped >> skipped >> skipped >> flags;
        count += (flags & (io_worker | exiting)) == 0;
    }
    return count;
}

std::size_t count_maps() {
    return maps_of("").size();
}

std::vector<memory_map> maps_of(std::string_view name) {
    std::ifstream lines("/proc/self/maps");
    std::vector<memory_map> maps;
    for (std::string line; std::getline(lines, line);) {
        if (line.find(name) == line.npos)
            continue;
        // proc(5): begin-end, permissions, offset
        memory_map each;
        char dash = 0;
        std::string permissions;
        std::istringstream(line) >> std::hex >> each.begin >> dash >> each.end >> permissions >>
            each.offset;
        maps.push_back(each);
    }
    return maps;
}

std::size_t count_aio_contexts() {
    return maps_of("[aio]").size();
}

namespace {

std::vector<backend> parse_engines(const std::string& names) {
    std::vector<backend> engines;
    for (std::size_t begin = 0; begin <= names.size();) {
        const auto end = std::min(names.find(',', begin), names.size());
        const auto which =
            asio_aio::backend_from_string(std::string_view(names).substr(begin, end - begin));
        if (!which)
            throw std::runtime_error("no such engine in \"" + names + "\"");
        engines.push_back(*which);
        begin = end + 1;
    }
    return engines;
}

std::vector<backend> engines_in(const char* variable) {
    const char* list = std::getenv(variable);
    return list ? parse_engines(list) : std::vector<backend>();
}

} // namespace

std::vector<backend> engines_under_test() {
    std::vector<backend> engines = engines_in("ASIO_AIO_TEST_ENGINES");
    const bool all_that_work = engines.empty();
    const std::vector<backend> refused = engines_in("ASIO_AIO_TEST_REFUSED"); // set by refuse.cpp
    for (const asio_aio::engine_report& each : asio_aio::probe()) {
        const bool is_refused = std::count(refused.begin(), refused.end(), each.which) != 0;
        if (is_refused && each.available)
            throw std::runtime_error(
                "an engine is available, but should be refused here: " +
                std::string(to_string(each.which)));
        if (is_refused)
            engines.erase(std::remove(engines.begin(), engines.end(), each.which), engines.end());
        else if (all_that_work && each.available)
            engines.push_back(each.which);
    }
    return engines;
}

engine_test_registration::engine_test_registration(
    const char* name, engine_test body, const char* source, std::size_t line) {
    registry().push_back({name, body, source, line});
}

/// Prints the engines under test, so that the log shows which engines were not tested.
void say_engines(const std::vector<backend>& engines) {
    std::cout << "ENGINES:";
    for (backend each : engines)
        std::cout << ' ' << to_string(each);
    std::cout << std::endl;
}

/// The seconds that one test may take. ASIO_AIO_TEST_DEADLINE sets them for an emulated machine.
unsigned deadline_of_a_test() {
    const char* seconds = std::getenv("ASIO_AIO_TEST_DEADLINE");
    return seconds ? unsigned(std::stoul(seconds)) : deadline_seconds;
}

void add_engine_tests() {
    using namespace boost::unit_test;
    const std::vector<backend> engines = engines_under_test();
    const unsigned deadline = deadline_of_a_test();
    if (!registry().empty())
        say_engines(engines);
    for (const registered_test& each : registry()) {
        auto* suite = BOOST_TEST_SUITE(each.name);
        for (backend engine : engines) {
            const auto run = [body = each.body, engine] {
                environment env(engine);
                body(env);
            };
            const std::string name(to_string(engine));
            suite->add(
                make_test_case(std::function<void()>(run), name, each.source, each.line), 0,
                deadline);
        }
        framework::master_test_suite().add(suite);
    }
}

} // namespace test
