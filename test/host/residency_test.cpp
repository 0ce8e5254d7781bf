// SPDX-License-Identifier: BSL-1.0
// Inline reads where RWF_NOWAIT is refused (tmpfs and overlayfs), and the class residency_map.
#include "results.hpp"
#include "child.hpp"
#include "engine_support.hpp"
#include "mounts.hpp"
#include "threads.hpp"

#include <asio_aio/detail/core/file_handle.hpp>
#include <asio_aio/detail/core/residency_map.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace test;
using asio_aio::detail::file_ref;
using asio_aio::detail::memory_test;
using asio_aio::detail::residency_map;

namespace {

constexpr std::size_t page = 4096;
constexpr std::uint64_t mib = std::uint64_t(1) << 20;
// more than the map of a small file covers: 64 MiB and the size of the file
constexpr std::uint64_t beyond_room = 80 * mib;
constexpr uid_t nobody = 65534;

/// Owns a descriptor and closes it.
class descriptor {
public:
    explicit descriptor(int number) : number_(number) { BOOST_REQUIRE(number_ != -1); }
    descriptor(const std::string& path, int flags)
        : descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { ::close(number_); }

    operator int() const { return number_; }

private:
    int number_;
};

int make_memfd(std::string_view bytes) {
    const int fd = ::memfd_create("residency", MFD_CLOEXEC);
    BOOST_REQUIRE(fd != -1);
    BOOST_REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), 0) == ssize_t(bytes.size()));
    return fd;
}

/// For each page of the file: whether it is in memory.
std::vector<bool> pages_in_memory(const std::string& path) {
    const descriptor fd(path, O_RDWR); // mincore(2) needs the right to write (Linux 5.2)
    const auto bytes = std::size_t(std::filesystem::file_size(path));
    void* const begin = ::mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, fd, 0);
    BOOST_REQUIRE(begin != MAP_FAILED);
    std::vector<unsigned char> answers((bytes + page - 1) / page);
    BOOST_REQUIRE(::mincore(begin, bytes, answers.data()) == 0);
    ::munmap(begin, bytes);
    std::vector<bool> found;
    for (const unsigned char each : answers)
        found.push_back((each & 1) != 0);
    return found;
}

/// Drops the file's pages from memory. If some stay, prints that the test is skipped, and returns
/// false.
bool made_cold(const std::string& path) {
    make_cold(path);
    const auto pages = pages_in_memory(path);
    if (std::none_of(pages.begin(), pages.end(), [](bool each) { return each; }))
        return true;
    say_skipped("the file's pages stay in memory");
    return false;
}

/// Drops all of the file's pages but the first; otherwise like `made_cold`.
bool made_cold_but_for_the_first_page(const std::string& path) {
    if (!made_cold(path))
        return false;
    const descriptor fd(path, O_RDONLY);
    BOOST_REQUIRE(::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0);
    char byte;
    BOOST_REQUIRE(::pread(fd, &byte, 1, 0) == 1);
    const auto pages = pages_in_memory(path);
    if (pages[0] && !pages[1])
        return true;
    say_skipped("the kernel reads more than one page");
    return false;
}

void write_to(const std::string& path, std::uint64_t offset, std::string_view bytes) {
    const descriptor fd(path, O_RDWR | O_CREAT);
    BOOST_REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), off_t(offset)) == ssize_t(bytes.size()));
}

/// The number of mappings of this file in this process.
std::size_t count_maps_of(const std::string& path) {
    return maps_of(path.substr(path.rfind("/test-"))).size();
}

/// The result of a read, and whether it was read inline.
struct seen {
    error_code ec;
    std::string bytes;
    bool was_inline;
};

std::uint64_t inline_hits(asio::io_context& ctx) {
    return asio_aio::statistics(ctx).inline_hits;
}

/// Starts a read and runs the context. Does not use Boost.Test, so child processes may call it.
seen read_on(asio::io_context& ctx, file& f, std::uint64_t offset, std::size_t bytes) {
    outcome result;
    std::string back(bytes, '#');
    const std::uint64_t before = inline_hits(ctx);
    f.async_read_some_at(offset, asio::buffer(back), result.handler());
    ctx.restart();
    run_with_deadline(ctx);
    if (result.calls != 1)
        return {asio::error::timed_out, "", false};
    back.resize(result.bytes);
    return {result.ec, back, inline_hits(ctx) != before};
}

seen read(environment& env, file& f, std::uint64_t offset, std::size_t bytes) {
    const seen found = read_on(env.ctx, f, offset, bytes);
    BOOST_REQUIRE(found.ec != asio::error::timed_out);
    return found;
}

/// Reads until one read is inline, because after a miss some reads are not tried inline. Each read
/// must return `expected`.
bool is_inline_in_the_end(
    environment& env, file& f, std::uint64_t offset, const std::string& expected) {
    constexpr int longest_pause = 64;
    for (int i = 0; i <= longest_pause; ++i) {
        const seen found = read(env, f, offset, expected.size());
        BOOST_REQUIRE((!found.ec && found.bytes == expected));
        if (found.was_inline)
            return true;
    }
    return false;
}

/// A context with the test's engine and changed options.
struct context_with {
    context_with(environment& env, const std::function<void(asio_aio::options&)>& change) {
        asio_aio::options opts = env.options();
        change(opts);
        asio_aio::configure(ctx, opts);
    }

    asio::io_context ctx;
};

/// False, and a message, if the kernel's pages are larger than 4 KiB. The engine then performs some
/// reads that these tests expect inline. A likely cause is that mincore(2) reports such a page as
/// absent after a write of a part of it.
bool has_small_pages() {
    if (::sysconf(_SC_PAGESIZE) == long(page))
        return true;
    say_skipped("the kernel's pages are larger than 4 KiB");
    return false;
}

std::unique_ptr<overlay> make_overlay(environment& env) {
    return has_small_pages() ? mount_overlay(env) : nullptr;
}

/// An environment whose folder is on a tmpfs; null, and a message, if there is no tmpfs.
std::unique_ptr<environment> make_tmpfs_environment(environment& env) {
    if (is_tmpfs("/dev/shm"))
        return std::make_unique<environment>(env.engine, "/dev/shm");
    say_skipped("/dev/shm is not a tmpfs");
    return nullptr;
}

/// A new file in the upper layer of the overlay, whose content is in memory.
file open_new(environment& env, const overlay& fs, std::string_view bytes) {
    set_content(fs.file("file"), bytes);
    return file(env.ctx, fs.file("file"), file_base::read_write);
}

/// A file in the lower layer only, opened for reading.
file open_lower(environment& env, const overlay& fs, std::string_view bytes) {
    set_content(fs.lower("file"), bytes);
    return file(env.ctx, fs.file("file"), file_base::read_only);
}

/// Fails unless reads of `f`, whose content is `bytes`, are inline, also at and past its end.
void expect_all_inline(environment& env, file& f, const std::string& bytes) {
    for (const std::size_t offset :
         {std::size_t(0), page - 1, page + 1, 3 * page, bytes.size() - 1}) {
        const seen found = read(env, f, offset, page);
        BOOST_TEST((found.bytes == bytes.substr(offset, page)));
        BOOST_TEST(!found.ec);
        BOOST_TEST(found.was_inline);
    }
    for (const std::size_t offset :
         {bytes.size(), bytes.size() + 1, 4 * page, std::size_t(1) << 40}) {
        const seen found = read(env, f, offset, page);
        BOOST_TEST(found.ec == asio::error::eof);
        BOOST_TEST(found.bytes.empty());
        BOOST_TEST(found.was_inline);
    }
}

/// Sets the size of the file. If the filesystem refuses, prints that and returns false.
bool extended(const std::string& path, std::uint64_t size) {
    if (::truncate(path.c_str(), off_t(size)) == 0)
        return true;
    say_skipped("the filesystem allows no file of " + std::to_string(size) + " bytes");
    return false;
}

} // namespace

// --- The class residency_map ---

BOOST_AUTO_TEST_CASE(the_map_counts_bytes_in_memory_up_to_the_first_that_is_not) {
    if (!has_small_pages())
        return;
    const temporary_directory folder;
    const std::string path = folder.file("file");
    set_content(path, pattern(5 * page + 100));
    residency_map map;
    const descriptor fd(path, O_RDONLY);
    BOOST_TEST(map.count(fd, 0, 10).value() == 10u);
    BOOST_TEST(map.count(fd, page - 1, 2).value() == 2u);
    BOOST_TEST(map.count(fd, page + 17, 3 * page).value() == 3 * page);
    // The map counts whole pages, and does not know where in the last page the file ends.
    BOOST_TEST(map.count(fd, 5 * page, 200).value() == 200u);
    BOOST_TEST(map.count(fd, 5 * page + 50, 2 * page).value() == page - 50);
    BOOST_TEST(map.count(fd, 6 * page, 1).value() == 0u);
    BOOST_TEST(map.count(fd, 1000 * mib, page).value() == 0u);
    if (!made_cold_but_for_the_first_page(path))
        return;
    BOOST_TEST(map.count(fd, 10, page).value() == page - 10);
    BOOST_TEST(map.count(fd, page, 1).value() == 0u);
    BOOST_TEST(map.count(fd, 0, 6 * page).value() == page);
}

BOOST_AUTO_TEST_CASE(the_map_counts_more_pages_than_it_asks_for_at_once) {
    if (!has_small_pages())
        return;
    constexpr std::size_t pages = 64;
    const descriptor fd(make_memfd(pattern((2 * pages + 5) * page)));
    residency_map map;
    for (const std::size_t count : {pages - 1, pages, pages + 1, 2 * pages, 2 * pages + 5})
        BOOST_TEST(map.count(fd, 0, count * page).value() == count * page);
    BOOST_TEST(map.count(fd, 1, 3 * pages * page).value() == (2 * pages + 5) * page - 1);
    BOOST_TEST(
        ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pages * page, page) == 0);
    BOOST_TEST(map.count(fd, 0, 2 * pages * page).value() == pages * page);
}

BOOST_AUTO_TEST_CASE(the_map_follows_a_file_that_grows_beyond_its_room_and_shrinks) {
    if (!has_small_pages())
        return;
    const descriptor fd(make_memfd("12345"));
    residency_map map;
    BOOST_TEST(map.count(fd, 0, 5).value() == 5u);
    for (const std::uint64_t size :
         {page * 2, std::size_t(60 * mib), std::size_t(200 * mib), std::size_t(4096 * mib)}) {
        const std::uint64_t last = size - page;
        BOOST_TEST(::ftruncate(fd, off_t(size)) == 0);
        BOOST_TEST(map.count(fd, last, page).value() == 0u);
        BOOST_TEST(::pwrite(fd, "x", 1, off_t(last)) == 1);
        BOOST_TEST(map.count(fd, last, page).value() == page);
        BOOST_TEST(map.count(fd, 0, page).value() == page);
    }
    BOOST_TEST(::ftruncate(fd, 0) == 0);
    BOOST_TEST(map.count(fd, 0, page).value() == 0u);
    BOOST_TEST(map.count(fd, 4095 * mib, page).value() == 0u);
    BOOST_TEST(::pwrite(fd, "x", 1, 0) == 1);
    BOOST_TEST(map.count(fd, 0, page).value() == page);
}

BOOST_AUTO_TEST_CASE(a_file_that_fills_the_room_of_its_map_is_still_counted) {
    const descriptor fd(make_memfd("12345"));
    residency_map map;
    BOOST_TEST(map.count(fd, 0, 5).value() == 5u);
    // The file has data wherever the map may check a page past the end. No read needs a larger map.
    for (const std::uint64_t offset :
         {64 * mib - page, 64 * mib, 64 * mib + page, 64 * mib + 2 * page})
        BOOST_TEST(::pwrite(fd, "x", 1, off_t(offset)) == 1);
    for (int i = 0; i != 1000; ++i)
        BOOST_TEST_REQUIRE(map.count(fd, 0, page).value_or(0) == page);
}

BOOST_AUTO_TEST_CASE(a_file_that_exceeds_the_address_space_is_not_counted) {
    for (const unsigned bits : {46, 47, 48, 55, 60, 61, 62, 63}) {
        BOOST_TEST_CONTEXT("2^" << bits << " bytes") {
            const descriptor fd(make_memfd("12345"));
            residency_map map;
            const std::uint64_t size = (std::uint64_t(1) << bits) - (bits == 63 ? 1 : 0);
            const std::uint64_t longest = std::uint64_t(INT64_MAX);
            if (::ftruncate(fd, off_t(size)) != 0) {
                say_skipped("a file cannot have 2^" + std::to_string(bits) + " bytes");
                continue;
            }
            // The address space may be large enough for the smaller files.
            BOOST_TEST(map.count(fd, 0, 5).value_or(5) == 5u);
            if (bits >= 48)
                BOOST_TEST(!map.count(fd, 0, 5));
            BOOST_TEST(map.count(fd, size - 1, 1).value_or(0) == 0u);
            BOOST_TEST(map.count(fd, longest - page, page).value_or(0) == 0u);
            BOOST_TEST(::ftruncate(fd, 5) == 0);
            BOOST_TEST(map.count(fd, 0, 5).value_or(5) == 5u);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_mapped_is_not_counted) {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const temporary_directory folder;
    set_content(folder.file("file"), "12345");
    const std::pair<const char*, int> all[] = {
        {"pipe", ends[0]},
        {"folder", ::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC)},
        {"write-only file", ::open(folder.file("file").c_str(), O_WRONLY | O_CLOEXEC)},
        {"path", ::open(folder.file("file").c_str(), O_PATH | O_CLOEXEC)},
        {"no file", -1}};
    for (const auto& [name, fd] : all) {
        BOOST_TEST_CONTEXT(name) {
            residency_map map;
            BOOST_TEST(!map.count(fd, 0, 5));
            BOOST_TEST(!map.count(fd, 0, 5));
        }
        ::close(fd);
    }
    ::close(ends[1]);
}

BOOST_AUTO_TEST_CASE(maps_have_a_limit_and_leave_nothing) {
    constexpr std::size_t most = 8192;
    const descriptor fd(make_memfd("12345"));
    const auto mapped = [] { return maps_of("memfd:residency").size(); };
    for (int repeated = 0; repeated != 2; ++repeated) {
        std::vector<std::unique_ptr<residency_map>> maps(most);
        for (auto& each : maps) {
            each = std::make_unique<residency_map>();
            BOOST_TEST_REQUIRE(each->count(fd, 0, 5).value_or(0) == 5u);
        }
        residency_map one_more;
        BOOST_TEST(!one_more.count(fd, 0, 5));
        // A file that outgrows its mapping gets no new mapping at the limit.
        BOOST_TEST(::ftruncate(fd, off_t(beyond_room)) == 0);
        BOOST_TEST(!maps[0]->count(fd, beyond_room - page, page));
        BOOST_TEST(mapped() == most);
        BOOST_TEST(::ftruncate(fd, 5) == 0);
        maps.clear();
        BOOST_TEST(mapped() == 0u);
    }
}

BOOST_AUTO_TEST_CASE(a_process_with_a_limited_address_space_gets_no_map) {
    const descriptor fd(make_memfd("12345"));
    const int status = in_child([&] {
        // a limit, although larger than the address space
        constexpr rlimit limit{rlim_t(1) << 60, rlim_t(1) << 60};
        residency_map map;
        return ::setrlimit(RLIMIT_AS, &limit) == 0 && !map.count(fd, 0, 5) ? 0 : 1;
    });
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_map_does_not_read_a_file_into_locked_memory) {
    const temporary_directory folder;
    const std::string path = folder.file("file");
    set_content(path, pattern(4 * mib));
    if (!made_cold(path))
        return;
    const auto locked_kib = [] {
        std::ifstream status("/proc/self/status");
        for (std::string word; status >> word;)
            if (word == "VmLck:")
                return status >> word ? std::stoul(word) : 0;
        return 0ul;
    };
    const descriptor fd(path, O_RDWR);
    const int status = in_child([&] {
        if (::mlockall(MCL_FUTURE) != 0)
            return could_not;
        const unsigned long before = locked_kib();
        residency_map map;
        const auto counted = map.count(fd, 0, mib);
        if (locked_kib() > before + 8 * 1024)
            return 2;
        return counted.value_or(0) == 0 ? 0 : 3; // no value if the mapping exceeds RLIMIT_MEMLOCK
    });
    if (status == could_not)
        return say_skipped("this process may not lock memory");
    BOOST_TEST(status == 0);
    const auto pages = pages_in_memory(path);
    BOOST_TEST(std::count(pages.begin(), pages.end(), true) == 0);
}

BOOST_AUTO_TEST_CASE(a_process_that_may_not_write_the_file_gets_no_wrong_count) {
    if (::geteuid() != 0)
        return say_skipped("only root can give up its rights");
    const temporary_directory folder;
    const std::string path = folder.file("file");
    set_content(path, pattern(16 * page));
    BOOST_REQUIRE(::chmod(path.c_str(), 0644) == 0);
    const descriptor fd(path, O_RDONLY);
    const int from_the_start = in_child([&] {
        residency_map map;
        return ::setresuid(nobody, nobody, nobody) == 0 && !map.count(fd, 0, page) ? 0 : 1;
    });
    BOOST_TEST(from_the_start == 0);
    const int later = in_child([&] {
        residency_map map;
        if (map.count(fd, 0, page) != page || ::setresuid(nobody, nobody, nobody) != 0)
            return 1;
        int believed = 0;
        while (map.count(fd, 0, page) && believed != 1000)
            ++believed;
        return believed < 64 && !map.count(fd, 0, page) ? 0 : 2;
    });
    BOOST_TEST(later == 0);
}

BOOST_AUTO_TEST_CASE(many_threads_count_while_the_file_grows) {
    constexpr unsigned threads = 4;
    const descriptor fd(make_memfd("12345"));
    residency_map map;
    std::atomic<std::uint64_t> written{page};
    std::atomic<bool> wrong{false};
    BOOST_TEST(::ftruncate(fd, page) == 0);
    {
        std::vector<std::jthread> asking;
        for (unsigned i = 0; i != threads; ++i)
            asking.emplace_back([&, i] {
                for (std::uint64_t end = 0; end < 2000 * mib;) {
                    end = written.load();
                    // Another thread may just have mapped the smaller file, which has less to
                    // count.
                    if (map.count(fd, end - page, page).value_or(page + 1) > page ||
                        map.count(fd, end * i / threads, 17).value_or(18) > 17)
                        wrong = true;
                }
            });
        for (std::uint64_t size = page; size < 2000 * mib; size += size / 2 / page * page + page) {
            if (::pwrite(fd, "x", 1, off_t(size)) != 1)
                wrong = true;
            written = size + page;
        }
        if (::pwrite(fd, "x", 1, off_t(2000 * mib)) != 1)
            wrong = true;
        written = 2000 * mib + page;
    }
    BOOST_TEST(!wrong);
    BOOST_TEST(map.count(fd, 2000 * mib, page).value() == page);
}

// --- Tmpfs ---

ENGINE_TEST(on_tmpfs_what_was_written_is_read_inline) {
    const auto there = make_tmpfs_environment(env);
    if (!there)
        return;
    const std::string bytes = pattern(3 * page + 100);
    file f = there->open();
    const seen empty = read(*there, f, 0, 10);
    BOOST_TEST(empty.ec == asio::error::eof);
    BOOST_TEST(empty.was_inline);
    BOOST_TEST(write_at(*there, f, 0, {asio::buffer(bytes)}).bytes == bytes.size());
    expect_all_inline(*there, f, bytes);
    f.resize(10 * mib);
    const seen hole = read(*there, f, 5 * mib + 7, 2 * page);
    BOOST_TEST((hole.bytes == std::string(2 * page, '\0')));
    BOOST_TEST(hole.was_inline);
}

ENGINE_TEST(a_memfd_is_read_inline) {
    file f(env.ctx, make_memfd("12345"));
    const seen found = read(env, f, 1, 10);
    BOOST_TEST(found.bytes == "2345");
    BOOST_TEST(found.was_inline);
}

ENGINE_TEST(on_tmpfs_a_read_of_a_write_only_file_is_a_bad_descriptor) {
    const auto there = make_tmpfs_environment(env);
    if (!there)
        return;
    file f = there->open("file", file_base::write_only | file_base::create);
    const seen found = read(*there, f, 0, 10);
    BOOST_TEST(found.ec == asio::error::bad_descriptor);
    BOOST_TEST(!found.was_inline);
}

ENGINE_TEST(the_option_and_a_limit_of_0_turn_inline_reads_off_on_tmpfs_and_overlayfs) {
    const auto tmpfs = make_tmpfs_environment(env);
    const auto overlayfs = make_overlay(env);
    std::vector<std::string> paths;
    if (tmpfs)
        paths.push_back(tmpfs->path());
    if (overlayfs)
        paths.push_back(overlayfs->file("file"));
    for (const std::string& path : paths) {
        BOOST_TEST_CONTEXT(path) {
            set_content(path, "12345");
            context_with off(env, [](auto& opts) { opts.inline_reads_without_nowait = false; });
            context_with limit_of_0(env, [](auto& opts) { opts.inline_read_limit = 0; });
            for (asio::io_context* ctx : {&off.ctx, &limit_of_0.ctx}) {
                file f(*ctx, path, file_base::read_only);
                for (int i = 0; i != 3; ++i) {
                    const seen found = read_on(*ctx, f, 0, 10);
                    BOOST_TEST(found.bytes == "12345");
                    BOOST_TEST(!found.was_inline);
                }
                BOOST_TEST(count_maps_of(path) == 0u);
            }
            BOOST_TEST(asio_aio::statistics(limit_of_0.ctx).inline_misses == 0u);
        }
    }
}

BOOST_AUTO_TEST_CASE(devices_on_a_tmpfs_are_not_files_in_memory) {
    const auto test_of = [](const std::string& path) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        BOOST_REQUIRE(fd != -1);
        return file_ref::adopt(fd)->in_memory();
    };
    if (!is_tmpfs("/dev"))
        say_skipped("/dev is not a tmpfs");
    BOOST_TEST((test_of("/dev/zero") == memory_test::no_wait));
    const temporary_directory folder;
    set_content(folder.file("disk"), std::string(mib, 'x'));
    const loop_device disk(folder.file("disk"));
    if (disk.works())
        BOOST_TEST((test_of(disk.path()) == memory_test::no_wait));
    else
        say_skipped("there are no loop devices");
    if (!is_tmpfs("/dev/shm"))
        return say_skipped("/dev/shm is not a tmpfs");
    const temporary_directory memory("/dev/shm");
    BOOST_TEST((test_of(memory.path().string()) == memory_test::no_wait));
    BOOST_REQUIRE(::mkfifo(memory.file("fifo").c_str(), 0600) == 0);
    BOOST_TEST((test_of(memory.file("fifo")) == memory_test::no_wait));
    set_content(memory.file("file"), "12345");
    BOOST_TEST((test_of(memory.file("file")) == memory_test::not_needed));
}

ENGINE_TEST(a_block_device_on_a_tmpfs_is_read_by_the_engine_where_it_is_cold) {
    const std::string bytes = pattern(mib);
    set_content(env.path("disk"), bytes);
    const loop_device disk(env.path("disk"));
    if (!disk.works())
        return say_skipped("there are no loop devices");
    make_cold(disk.path());
    file f(env.ctx, disk.path(), file_base::read_only);
    const seen found = read(env, f, 5 * page, page);
    BOOST_TEST((found.bytes == bytes.substr(5 * page, page)));
    BOOST_TEST(!found.was_inline);
}

// --- Overlayfs: what is in memory and what is not ---

ENGINE_TEST(on_overlayfs_what_is_in_memory_is_read_inline) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string bytes = pattern(3 * page + 100);
    file f = open_new(env, *fs, bytes);
    expect_all_inline(env, f, bytes);
    BOOST_TEST(asio_aio::statistics(env.ctx).inline_misses == 0u);
}

ENGINE_TEST(on_overlayfs_an_empty_file_ends_inline) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    file f = open_new(env, *fs, "");
    const seen found = read(env, f, 0, 10);
    BOOST_TEST(found.ec == asio::error::eof);
    BOOST_TEST(found.was_inline);
}

ENGINE_TEST(on_overlayfs_what_is_not_in_memory_goes_to_the_engine_once) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string bytes = pattern(8 * page);
    file f = open_lower(env, *fs, bytes);
    const bool cold = made_cold(fs->lower("file"));
    const seen first = read(env, f, page, 2 * page);
    BOOST_TEST((first.bytes == bytes.substr(page, 2 * page)));
    BOOST_TEST(first.was_inline == !cold);
    const seen second = read(env, f, page, 2 * page);
    BOOST_TEST((second.bytes == bytes.substr(page, 2 * page)));
    BOOST_TEST(second.was_inline);
}

ENGINE_TEST(on_overlayfs_a_read_that_is_in_memory_in_part_goes_to_the_engine) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string bytes = pattern(8 * page);
    file f = open_lower(env, *fs, bytes);
    if (!made_cold_but_for_the_first_page(fs->lower("file")))
        return;
    const seen first = read(env, f, 0, page);
    BOOST_TEST((first.bytes == bytes.substr(0, page)));
    BOOST_TEST(first.was_inline);
    const seen both = read(env, f, 0, 2 * page);
    BOOST_TEST((both.bytes == bytes.substr(0, 2 * page)));
    BOOST_TEST(!both.was_inline);
}

// --- Overlayfs: files that change ---

ENGINE_TEST(on_overlayfs_a_file_grows_within_the_room_of_its_map_and_beyond) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    file f = open_new(env, *fs, "12345");
    BOOST_TEST(read(env, f, 0, 5).was_inline);
    for (const std::uint64_t end : {std::uint64_t(page), 10 * mib, beyond_room, 3 * beyond_room}) {
        if (!extended(fs->file("file"), end))
            return;
        const std::string hole(page, '\0');
        const seen found = read(env, f, end - page / 2, page); // across the end
        BOOST_TEST((found.bytes == hole.substr(0, page / 2)));
        const std::string bytes = pattern(page, unsigned(end));
        write_to(fs->file("file"), end, bytes);
        BOOST_TEST(is_inline_in_the_end(env, f, end, bytes));
    }
    BOOST_TEST(is_inline_in_the_end(env, f, 0, "12345"));
    // The first mapping has 64 MiB, and a new one has twice the size. Two of the four sizes need
    // one.
    BOOST_TEST(count_maps_of(fs->file("file")) <= 3u);
}

ENGINE_TEST(on_overlayfs_a_mapped_file_shrinks_and_grows_again) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string bytes = pattern(100 * page);
    file f = open_new(env, *fs, bytes);
    BOOST_TEST(read(env, f, 50 * page, page).was_inline);
    if (!extended(fs->file("file"), 0))
        return;
    const seen empty = read(env, f, 50 * page, page);
    BOOST_TEST(empty.ec == asio::error::eof);
    BOOST_TEST(empty.was_inline);
    const std::string again = pattern(page, 2);
    write_to(fs->file("file"), 50 * page, again);
    const seen found = read(env, f, 50 * page, page);
    BOOST_TEST((found.bytes == again));
    BOOST_TEST(found.was_inline);
    BOOST_TEST((read(env, f, 49 * page, 2 * page).bytes == std::string(page, '\0') + again));
}

ENGINE_TEST(on_overlayfs_a_descriptor_from_before_the_copy_up_sees_what_was_written) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string bytes = pattern(4 * page);
    file reader = open_lower(env, *fs, bytes);
    BOOST_TEST(read(env, reader, 0, page).was_inline);
    file writer(env.ctx, fs->file("file"), file_base::read_write);
    const std::string change = pattern(page, 2);
    BOOST_TEST(write_at(env, writer, page, {asio::buffer(change)}).bytes == page);
    const std::string expected = bytes.substr(0, page) + change + bytes.substr(2 * page);
    // The reader may have mapped the lower file; the kernel reads from the upper one (Linux 4.19).
    BOOST_TEST((read(env, reader, 0, 5 * page).bytes == expected));
    BOOST_TEST((read(env, writer, 0, 5 * page).bytes == expected));
    BOOST_TEST(is_inline_in_the_end(env, writer, page, change));
    write_to(fs->file("file"), beyond_room, change); // the lower file is smaller
    BOOST_TEST((read(env, reader, beyond_room, page).bytes == change));
    BOOST_TEST((read(env, reader, beyond_room - page, page).bytes == std::string(page, '\0')));
    BOOST_TEST(is_inline_in_the_end(env, writer, beyond_room, change));
}

ENGINE_TEST(on_overlayfs_two_files_of_one_path_are_mapped_each) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    file first = open_new(env, *fs, "12345");
    {
        file second(env.ctx, fs->file("file"), file_base::read_only);
        BOOST_TEST(read(env, first, 0, 5).was_inline);
        BOOST_TEST(read(env, second, 0, 5).was_inline);
        BOOST_TEST(count_maps_of(fs->file("file")) == 2u);
    }
    BOOST_TEST(count_maps_of(fs->file("file")) == 1u);
    BOOST_TEST(write_at(env, first, 5, {asio::buffer("678", 3)}).bytes == 3u);
    BOOST_TEST(read(env, first, 0, 10).bytes == "12345678");
}

ENGINE_TEST(on_overlayfs_many_threads_read_a_growing_file) {
    constexpr std::size_t threads = 4;
    constexpr std::size_t blocks = 64;
    constexpr std::uint64_t stride = 3 * mib; // the last block is at 189 MiB: needs a new mapping
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    file f = open_new(env, *fs, "");
    const std::string path = fs->file("file");
    if (!extended(path, stride * blocks) || !extended(path, 0))
        return;
    const std::string bytes = pattern(page + blocks);
    const descriptor writer(path, O_WRONLY);
    std::atomic<std::size_t> written{0};
    std::atomic<std::size_t> wrong{0};
    // Each chain reads the block that was written last and another one in turn, until all are
    // written.
    struct chain {
        file& f;
        const std::string& bytes;
        std::atomic<std::size_t>& written;
        std::atomic<std::size_t>& wrong;
        std::string back = std::string(page, '#');
        std::size_t step = 0;

        void next() {
            const std::size_t end = written;
            const std::size_t block = step % 2 == 0 && end != 0 ? end - 1 : step * 7 % (end + 1);
            f.async_read_some_at(
                block * stride, asio::buffer(back),
                [this, block, end](error_code ec, std::size_t n) {
                    if (block < end && (ec || n != page || back != bytes.substr(block, page)))
                        ++wrong;
                    if (++step < 50 || end != blocks)
                        next();
                });
        }
    };
    std::vector<std::unique_ptr<chain>> chains;
    for (std::size_t i = 0; i != threads; ++i)
        chains.push_back(std::make_unique<chain>(chain{f, bytes, written, wrong}));
    for (auto& each : chains)
        each->next();
    {
        const std::jthread grows([&] {
            for (std::size_t i = 0; i != blocks; ++i) {
                if (::pwrite(writer, bytes.data() + i, page, off_t(i * stride)) != ssize_t(page))
                    ++wrong;
                written = i + 1;
            }
        });
        run_on_threads(env.ctx, threads);
    }
    BOOST_TEST(wrong == 0u);
    BOOST_TEST(is_inline_in_the_end(env, f, (blocks - 1) * stride, bytes.substr(blocks - 1, page)));
}

// --- Overlayfs: files without a map ---

ENGINE_TEST(on_overlayfs_a_read_of_a_write_only_file_is_a_bad_descriptor) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    set_content(fs->file("file"), "12345");
    file f(env.ctx, fs->file("file"), file_base::write_only);
    const seen found = read(env, f, 0, 10);
    BOOST_TEST(found.ec == asio::error::bad_descriptor);
    BOOST_TEST(!found.was_inline);
    BOOST_TEST(write_at(env, f, 5, {asio::buffer("678", 3)}).bytes == 3u);
}

ENGINE_TEST(on_overlayfs_a_direct_file_is_not_mapped) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    set_content(fs->file("file"), pattern(page));
    file f(env.ctx);
    error_code ec;
    if (f.open(fs->file("file"), file_base::read_only | file_base::direct, ec))
        return say_skipped("no direct I/O there: " + ec.message());
    alignas(page) static char memory[page];
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(memory)}).bytes == page);
    BOOST_TEST((std::string(memory, page) == pattern(page)));
    BOOST_TEST(inline_hits(env.ctx) == 0u);
    BOOST_TEST(count_maps_of(fs->file("file")) == 0u);
}

ENGINE_TEST(on_overlayfs_a_file_above_the_address_space_is_read_by_the_engine) {
    const auto there = make_tmpfs_environment(env); // a tmpfs allows files of any size
    const auto fs = there ? make_overlay(*there) : nullptr;
    if (!fs)
        return;
    for (const unsigned bits : {45, 47, 55, 62}) {
        BOOST_TEST_CONTEXT("2^" << bits << " bytes") {
            file f = open_new(*there, *fs, "12345");
            const std::uint64_t size = std::uint64_t(1) << bits;
            if (!extended(fs->file("file"), size))
                continue;
            write_to(fs->file("file"), size - 3, "abc");
            for (int i = 0; i != 3; ++i) {
                BOOST_TEST(read(*there, f, size - 3, 10).bytes == "abc");
                BOOST_TEST(read(*there, f, 0, 5).bytes == "12345");
                BOOST_TEST(read(*there, f, size, 5).ec == asio::error::eof);
            }
            if (bits >= 47)
                BOOST_TEST(count_maps_of(fs->file("file")) == 0u);
        }
    }
}

ENGINE_TEST(on_overlayfs_a_limited_address_space_has_no_map) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    set_content(fs->file("file"), "12345");
    const int status = in_child([&] {
        constexpr rlimit limit{rlim_t(1) << 60, rlim_t(1) << 60};
        if (::setrlimit(RLIMIT_AS, &limit) != 0)
            return 1;
        context_with usual(env, [](auto&) {});
        file f(usual.ctx, fs->file("file"), file_base::read_write);
        for (int i = 0; i != 3; ++i) {
            const seen found = read_on(usual.ctx, f, 0, 10);
            if (found.was_inline || found.ec || found.bytes != "12345" ||
                count_maps_of(fs->file("file")) != 0)
                return 2;
        }
        return 0;
    });
    BOOST_TEST(status == 0);
}

ENGINE_TEST(on_overlayfs_a_process_that_gives_up_the_right_to_write_reads_by_the_engine) {
    if (::geteuid() != 0)
        return say_skipped("only root can give up its rights");
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string bytes = pattern(page);
    set_content(fs->lower("file"), bytes);
    BOOST_REQUIRE(::chmod(fs->lower("file").c_str(), 0644) == 0);
    for (const bool reads_before : {false, true}) {
        BOOST_TEST_CONTEXT((reads_before ? "after a read" : "before the first read")) {
            const int status = in_child([&] {
                context_with usual(env, [](auto&) {});
                file f(usual.ctx, fs->file("file"), file_base::read_only);
                if (reads_before && !read_on(usual.ctx, f, 0, page).was_inline)
                    return 1;
                if (::setresuid(nobody, nobody, nobody) != 0)
                    return 2;
                int hits = 0;
                for (int i = 0; i != 200; ++i) {
                    const seen found = read_on(usual.ctx, f, 0, page);
                    if (found.ec || found.bytes != bytes)
                        return 3;
                    hits += found.was_inline ? 1 : 0;
                }
                return hits < (reads_before ? 64 : 1) ? 0 : 4;
            });
            BOOST_TEST(status == 0);
        }
    }
}

// --- Overlayfs: the end of a map ---

ENGINE_TEST(on_overlayfs_a_map_ends_with_its_file) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string path = fs->file("file");
    set_content(path, "12345");
    file usual(env.ctx, path, file_base::read_only); // makes the engine and its descriptors
    const std::size_t descriptors = count_descriptors();
    const auto open_and_read = [&] {
        file f(env.ctx, path, file_base::read_write);
        BOOST_TEST(read(env, f, 0, 10).was_inline);
        BOOST_TEST(count_maps_of(path) == 1u);
        BOOST_TEST(count_descriptors() == descriptors + 1);
        return f;
    };
    const auto nothing_is_left = [&] {
        return count_maps_of(path) == 0 && count_descriptors() == descriptors;
    };
    { const file destroyed = open_and_read(); }
    BOOST_TEST(nothing_is_left());

    file closed = open_and_read();
    closed.close();
    BOOST_TEST(nothing_is_left());

    file released = open_and_read();
    const int given = released.release();
    BOOST_TEST(count_maps_of(path) == 0u);
    {
        file assigned(env.ctx, given);
        BOOST_TEST(read(env, assigned, 0, 10).was_inline);
    }
    BOOST_TEST(nothing_is_left());

    file from = open_and_read();
    file to = std::move(from);
    BOOST_TEST(read(env, to, 0, 10).was_inline);
    BOOST_TEST(count_maps_of(path) == 1u);
    to = file(env.ctx);
    BOOST_TEST(count_maps_of(path) == 0u);
}

ENGINE_TEST(on_overlayfs_a_map_ends_with_the_context_too) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    const std::string path = fs->file("file");
    const std::string bytes = pattern(page);
    set_content(path, bytes);
    const std::size_t descriptors = count_descriptors();
    std::string back(page, '#');
    {
        context_with usual(env, [](auto&) {});
        auto f = std::make_unique<file>(usual.ctx, path, file_base::read_only);
        BOOST_TEST(read_on(usual.ctx, *f, 0, page).was_inline);
        make_cold(fs->upper("file"));
        f->async_read_some_at(0, asio::buffer(back), [](error_code, std::size_t) {});
        f.reset(); // the read in flight still owns the descriptor and the map
    }
    BOOST_TEST(count_maps_of(path) == 0u);
    BOOST_TEST(count_descriptors() == descriptors);
}

ENGINE_TEST(on_overlayfs_a_closed_file_does_not_keep_the_filesystem_busy) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    file f = open_new(env, *fs, "12345");
    BOOST_TEST(read(env, f, 0, 10).was_inline);
    BOOST_TEST(::umount2(fs->file("").c_str(), 0) != 0);
    f.close();
    BOOST_TEST(::umount2(fs->file("").c_str(), 0) == 0);
}

ENGINE_TEST(on_overlayfs_parent_and_child_read_a_mapped_file_after_a_fork) {
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    file f = open_new(env, *fs, "12345");
    BOOST_TEST(read(env, f, 0, 10).was_inline);
    env.ctx.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        env.ctx.notify_fork(asio::execution_context::fork_child);
        const seen found = read_on(env.ctx, f, 0, 10);
        if (!found.was_inline || found.bytes != "12345")
            return 1;
        f.close();
        return count_maps_of(fs->file("file")) == 0 ? 0 : 2;
    });
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    BOOST_TEST(status == 0);
    const seen found = read(env, f, 0, 10);
    BOOST_TEST(found.bytes == "12345");
    BOOST_TEST(found.was_inline);
}

// --- Overlayfs and writes ---

BOOST_AUTO_TEST_CASE(a_file_that_is_being_written_is_not_read_inline_on_overlayfs) {
    environment env(backend::thread_pool);
    const auto fs = make_overlay(env);
    if (!fs)
        return;
    asio::io_context ctx;
    gate stop;
    use_gated_pool(ctx, 2);
    file f(ctx, fs->file("file"), file_base::read_write | file_base::create);
    f.write_some_at(0, asio::buffer(std::string(2 * page, 'a')));
    const auto hits = [&] { return asio_aio::statistics(ctx).inline_hits; };
    std::string back(page, '\0');
    outcome read_before, written, read_meanwhile, read_after;
    f.async_read_some_at(0, asio::buffer(back), read_before.handler());
    BOOST_TEST(hits() == 1u);
    // On XFS an inline read would wait until the write is finished.
    f.async_write_some_at(page, asio::buffer("b", 1), written.handler());
    f.async_read_some_at(0, asio::buffer(back), read_meanwhile.handler());
    BOOST_TEST(hits() == 1u);
    ctx.poll();
    BOOST_TEST(stop.wait_for_arrivals(2));
    stop.open();
    run_until_idle(ctx);
    BOOST_TEST(written.bytes == 1u);
    BOOST_TEST(read_meanwhile.bytes == page);
    // After the write, reads are inline again.
    f.async_read_some_at(0, asio::buffer(back), read_after.handler());
    BOOST_TEST(hits() == 2u);
    run_until_idle(ctx);
}
