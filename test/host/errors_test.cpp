// SPDX-License-Identifier: BSL-1.0
// Errors of files, limits and devices. Every engine reports the same error. An asynchronous
// operation reports it to the handler, and never throws.
#include "results.hpp"
#include "mounts.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

using namespace test;

namespace {

/// Fails unless reads and writes of one byte, in both forms, report these errors (none: success).
void expect(environment& env, file& f, error_code of_read, error_code of_write) {
    char c = '#';
    const outcome read = read_both_ways(env, f, 0, {asio::buffer(&c, 1)});
    BOOST_TEST(read.ec == of_read);
    BOOST_TEST(read.bytes == (of_read ? 0u : 1u));
    const outcome written = write_both_ways(env, f, 0, {asio::buffer("x", 1)});
    BOOST_TEST(written.ec == of_write);
    BOOST_TEST(written.bytes == (of_write ? 0u : 1u));
}

const error_code bad_descriptor = asio::error::bad_descriptor;

/// Fails unless every function of `f` reports a closed file.
void expect_closed(environment& env, file& f) {
    BOOST_TEST(!f.is_open());
    BOOST_TEST(f.native_handle() == -1);
    expect(env, f, bad_descriptor, bad_descriptor);
    error_code ec;
    BOOST_TEST(f.cancel(ec) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.cancel(); }) == bad_descriptor);
    BOOST_TEST(f.size(ec) == 0u);
    BOOST_TEST(ec == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.size(); }) == bad_descriptor);
    BOOST_TEST(f.resize(0, ec) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.resize(0); }) == bad_descriptor);
    BOOST_TEST(f.sync_all(ec) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.sync_all(); }) == bad_descriptor);
    BOOST_TEST(f.sync_data(ec) == bad_descriptor);
    BOOST_TEST(thrown_by([&] { f.sync_data(); }) == bad_descriptor);
    ec.clear();
    BOOST_TEST(f.release(ec) == -1);
    BOOST_TEST(!ec); // as in Asio
    BOOST_TEST(f.release() == -1);
    BOOST_TEST(!f.close(ec));
    BOOST_TEST(!thrown_by([&] { f.close(); }));
}

class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) {
        BOOST_REQUIRE_EQUAL(::getrlimit(RLIMIT_FSIZE, &before_), 0);
        rlimit limit = before_;
        limit.rlim_cur = bytes;
        BOOST_REQUIRE_EQUAL(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;
    ~file_size_limit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

/// A number that no descriptor of this process has.
constexpr int unused_number = 900;

} // namespace

// --- Closed files ---

ENGINE_TEST(a_file_that_was_never_opened_is_a_bad_descriptor) {
    file f(env.ctx);
    expect_closed(env, f);
}

ENGINE_TEST(a_closed_file_is_a_bad_descriptor) {
    file f = env.open();
    f.close();
    expect_closed(env, f);
}

ENGINE_TEST(a_moved_from_file_is_a_bad_descriptor_and_can_be_opened_again) {
    set_content(env.path(), "12345");
    file f = env.open();
    file g = std::move(f);
    expect_closed(env, f); // NOLINT(bugprone-use-after-move)
    expect(env, g, {}, {});
    f = std::move(g);
    expect_closed(env, g); // NOLINT(bugprone-use-after-move)
    g.open(env.path(), file_base::read_only);
    expect(env, g, {}, bad_descriptor);
}

ENGINE_TEST(a_released_file_is_a_bad_descriptor_and_its_descriptor_lives) {
    file f = env.open();
    const int descriptor = f.release();
    expect_closed(env, f);
    BOOST_TEST(::pwrite(descriptor, "x", 1, 0) == 1);
    f.assign(descriptor);
    expect(env, f, {}, {});
}

ENGINE_TEST(nothing_to_transfer_on_a_closed_file_fails_synchronously_and_succeeds_asynchronously) {
    file f(env.ctx);
    BOOST_TEST(read_now(f, 0, asio::mutable_buffer()).ec == bad_descriptor);
    BOOST_TEST(write_now(f, 0, asio::const_buffer()).ec == bad_descriptor);
    const outcome read = read_at(env, f, 0, {asio::mutable_buffer()});
    BOOST_TEST(!read.ec);
    BOOST_TEST(read.bytes == 0u);
    const outcome written = write_at(env, f, 0, {});
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == 0u);
}

ENGINE_TEST(a_number_that_is_no_descriptor_is_bad_until_it_is_one) {
    BOOST_REQUIRE_EQUAL(::fcntl(unused_number, F_GETFD), -1);
    set_content(env.path(), "12345");
    file f(env.ctx);
    f.assign(unused_number);
    expect(env, f, bad_descriptor, bad_descriptor);
    const int good = ::open(env.path().c_str(), O_RDWR | O_CLOEXEC);
    BOOST_REQUIRE_EQUAL(::dup2(good, unused_number), unused_number);
    ::close(good);
    expect(env, f, {}, {}); // this object keeps no stale error
    BOOST_TEST(f.release() == unused_number);
    file other(env.ctx, unused_number);
    expect(env, other, {}, {}); // nor does another object
}

ENGINE_TEST(close_reports_a_descriptor_that_somebody_else_closed) {
    file f = env.open();
    ::close(f.native_handle());
    error_code ec;
    BOOST_TEST(f.close(ec) == bad_descriptor);
    BOOST_TEST(!f.is_open());
    BOOST_TEST(!f.close(ec));
}

// --- Access modes and kinds of file ---

ENGINE_TEST(access_that_the_file_was_not_opened_for_is_a_bad_descriptor) {
    set_content(env.path(), "12345");
    for (const bool cold : {false, true}) {
        if (cold)
            make_cold(env.path());
        file reader = env.open("file", file_base::read_only);
        expect(env, reader, {}, bad_descriptor);
        file writer = env.open("file", file_base::write_only);
        expect(env, writer, bad_descriptor, {});
        BOOST_TEST(content(env.path()) == "x2345");
        set_content(env.path(), "12345");
    }
}

ENGINE_TEST(a_file_open_for_reading_is_not_resized) {
    set_content(env.path(), "12345");
    file f = env.open("file", file_base::read_only);
    error_code ec;
    // The error of ftruncate(2) for a descriptor that is not open for writing.
    BOOST_TEST((f.resize(1, ec) == asio::error::invalid_argument));
    BOOST_TEST((thrown_by([&] { f.resize(1); }) == asio::error::invalid_argument));
    BOOST_TEST(content(env.path()) == "12345");
}

ENGINE_TEST(a_size_that_no_file_can_have_is_refused) {
    file f = env.open();
    error_code ec;
    BOOST_TEST((f.resize(std::uint64_t(1) << 63, ec) == asio::error::invalid_argument));
    BOOST_TEST((f.resize(~std::uint64_t(0), ec) == asio::error::invalid_argument));
    BOOST_TEST(f.size() == 0u);
}

ENGINE_TEST(a_folder_is_neither_read_nor_written) {
    file f(env.ctx, env.folder.path(), file_base::read_only);
    expect(env, f, errno_code(EISDIR), bad_descriptor);
}

ENGINE_TEST(a_fifo_and_a_socket_have_no_offsets) {
    BOOST_REQUIRE_EQUAL(::mkfifo(env.path("fifo").c_str(), 0600), 0);
    file fifo = env.open("fifo", file_base::read_write);
    expect(env, fifo, errno_code(ESPIPE), errno_code(ESPIPE));
    int sockets[2];
    BOOST_REQUIRE_EQUAL(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    file one(env.ctx, sockets[0]);
    file other(env.ctx, sockets[1]);
    expect(env, one, errno_code(ESPIPE), errno_code(ESPIPE));
}

ENGINE_TEST(files_of_proc_are_read) {
    file f(env.ctx, "/proc/self/status", file_base::read_only);
    char back[5];
    BOOST_TEST(read_both_ways(env, f, 0, {asio::buffer(back)}).bytes == 5u);
    BOOST_TEST(std::string(back, 5) == "Name:");
    BOOST_TEST((read_both_ways(env, f, 1 << 20, {asio::buffer(back)}).ec == asio::error::eof));
}

ENGINE_TEST(dev_null_is_empty_and_takes_everything) {
    file f(env.ctx, "/dev/null", file_base::read_write);
    expect(env, f, asio::error::eof, {});
}

ENGINE_TEST(dev_full_reads_zeros_and_has_no_space) {
    file f(env.ctx, "/dev/full", file_base::read_write);
    expect(env, f, {}, errno_code(ENOSPC));
    std::string back(100, '#');
    BOOST_TEST(read_both_ways(env, f, 1000, {asio::buffer(back)}).bytes == 100u);
    BOOST_TEST(back == std::string(100, '\0'));
}

ENGINE_TEST(memory_that_cannot_be_read_or_written_is_a_bad_address) {
    set_content(env.path(), "12345");
    file f = env.open();
    const auto nowhere = reinterpret_cast<char*>(8);
    for (const bool cold : {false, true}) {
        if (cold)
            make_cold(env.path());
        BOOST_TEST(read_at(env, f, 0, {asio::buffer(nowhere, 5)}).ec == errno_code(EFAULT));
        BOOST_TEST(read_now(f, 0, asio::buffer(nowhere, 5)).ec == errno_code(EFAULT));
        BOOST_TEST(write_both_ways(env, f, 0, {asio::buffer(nowhere, 5)}).ec == errno_code(EFAULT));
    }
    BOOST_TEST(content(env.path()) == "12345");
}

// --- Limits and devices ---

ENGINE_TEST(a_full_filesystem_takes_what_it_can_then_fails_and_works_again) {
    if (!may_mount())
        return say_skipped("only root can mount a small filesystem");
    constexpr std::size_t size = 1 << 20;
    const mounted small("tmpfs", env.path("small"), "size=1m");
    BOOST_REQUIRE(small.works());
    const std::string bytes = pattern(size);
    file filler(env.ctx, small.file("filler"), file_base::read_write | file_base::create);
    filler.write_some_at(0, asio::buffer(bytes, size / 2));
    for (const bool now : {false, true}) {
        BOOST_TEST_CONTEXT((now ? "synchronous" : "asynchronous")) {
            file f(
                env.ctx, small.file("file"),
                file_base::read_write | file_base::create | file_base::truncate);
            const auto write = [&](std::uint64_t offset, asio::const_buffer buffer) {
                return now ? write_now(f, offset, buffer) : write_at(env, f, offset, {buffer});
            };
            const outcome first = write(0, asio::buffer(bytes));
            BOOST_TEST(!first.ec);
            BOOST_TEST(first.bytes == size / 2);
            const outcome second = write(first.bytes, asio::buffer(bytes) + first.bytes);
            BOOST_TEST(second.ec == errno_code(ENOSPC));
            BOOST_TEST(second.bytes == 0u);
            filler.resize(0);
            const outcome third = write(first.bytes, asio::buffer(bytes) + first.bytes);
            BOOST_TEST(!third.ec);
            BOOST_TEST(third.bytes == size / 2);
            BOOST_TEST((content(small.file("file")) == bytes));
            f.resize(0);
            filler.write_some_at(0, asio::buffer(bytes, size / 2));
        }
    }
}

ENGINE_TEST(a_file_that_grows_above_the_limit_takes_what_it_can_then_is_too_large) {
    constexpr std::size_t limit = 8192;
    const std::string bytes = pattern(2 * limit);
    for (const bool now : {false, true}) {
        BOOST_TEST_CONTEXT((now ? "synchronous" : "asynchronous")) {
            file f =
                env.open("file", file_base::read_write | file_base::create | file_base::truncate);
            const auto write = [&](std::uint64_t offset) {
                const file_size_limit small(limit);
                const asio::const_buffer buffer = asio::buffer(bytes) + offset;
                return now ? write_now(f, offset, buffer) : write_at(env, f, offset, {buffer});
            };
            const outcome first = write(0);
            BOOST_TEST(!first.ec);
            BOOST_TEST(first.bytes == limit);
            const outcome second = write(limit);
            BOOST_TEST(second.ec == errno_code(EFBIG));
            BOOST_TEST(second.bytes == 0u);
            BOOST_TEST(f.size() == limit);
        }
    }
}

ENGINE_TEST(an_offset_that_the_filesystem_cannot_reach_is_eof_to_read_and_too_large_to_write) {
    file f = env.open();
    expect(env, f, asio::error::eof, {});
    constexpr std::uint64_t far = 0x7ffffffffffff000;
    char c;
    BOOST_TEST((read_both_ways(env, f, far, {asio::buffer(&c, 1)}).ec == asio::error::eof));
    BOOST_TEST(write_both_ways(env, f, far, {asio::buffer("x", 1)}).ec == errno_code(EFBIG));
}

ENGINE_TEST(a_sealed_file_is_not_written) {
    const int memory = ::memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    BOOST_REQUIRE_EQUAL(::pwrite(memory, "x", 1, 0), 1);
    BOOST_REQUIRE_EQUAL(::fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE), 0);
    file f(env.ctx, memory);
    expect(env, f, {}, errno_code(EPERM));
}

/// Whether direct reads of `path` at `offset` fail with EIO. The page cache may still have old
/// data.
bool fails_with_eio(const std::string& path, std::uint64_t offset) {
    constexpr std::size_t page = 4096;
    alignas(page) static char memory[page];
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    BOOST_REQUIRE(fd != -1);
    const bool fails = ::pread(fd, memory, page, off_t(offset)) == -1 && errno == EIO;
    ::close(fd);
    return fails;
}

ENGINE_TEST(a_device_that_fails_reports_eio_after_the_bytes_that_it_has) {
    set_content(env.path("disk"), std::string(4 << 20, 'd'));
    if (!may_mount())
        return say_skipped("only root can make a loop device");
    const loop_device device(env.path("disk"));
    if (!device.works())
        return say_skipped("there are no loop devices");
    constexpr std::uint64_t good = 64 << 10;
    std::filesystem::resize_file(env.path("disk"), good); // the device still reports 4 MiB
    if (!fails_with_eio(device.path(), good))
        // Linux 6.1 and earlier
        return say_skipped("this kernel's loop devices read zeros after the end of their file");
    file f(env.ctx, device.path(), file_base::read_only);
    std::string back(4096, '#');
    BOOST_TEST(read_both_ways(env, f, 0, {asio::buffer(back)}).bytes == back.size());
    BOOST_TEST(back == std::string(4096, 'd'));
    const outcome failed = read_both_ways(env, f, good, {asio::buffer(back)});
    BOOST_TEST(failed.ec == errno_code(EIO));
    BOOST_TEST(failed.bytes == 0u);
    std::string more(16 << 10, '#');
    const outcome across = read_both_ways(env, f, good - 4096, {asio::buffer(more)});
    BOOST_TEST(!across.ec);
    BOOST_TEST(across.bytes == 4096u);
}

ENGINE_TEST(a_block_device_has_the_size_of_the_device) {
    set_content(env.path("disk"), std::string(1 << 20, 'd'));
    if (!may_mount())
        return say_skipped("only root can make a loop device");
    const loop_device device(env.path("disk"));
    if (!device.works())
        return say_skipped("there are no loop devices");
    file f(env.ctx, device.path(), file_base::read_only);
    BOOST_TEST(f.size() == std::uint64_t(1) << 20);
}

// --- Cancellation ---

ENGINE_TEST(an_operation_that_is_cancelled_before_its_submission_is_aborted_and_does_nothing) {
    set_content(env.path(), "12345");
    file f = env.open();
    outcome results[3];
    for (outcome& each : results)
        f.async_write_some_at(0, asio::buffer("x", 1), each.handler());
    f.cancel();
    env.run();
    for (const outcome& each : results) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST((each.ec == asio::error::operation_aborted));
        BOOST_TEST(each.bytes == 0u);
    }
    BOOST_TEST(content(env.path()) == "12345");
    expect(env, f, {}, {});
}
