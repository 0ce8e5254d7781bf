// SPDX-License-Identifier: BSL-1.0
// async_replace_file.
#include "child.hpp"
#include "engine_support.hpp"
#include "mounts.hpp"
#include "results.hpp"

#include <asio_aio/replace_file.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace test;
using asio_aio::replace_options;

namespace {

error_code replace(
    environment& env, const std::string& path, const std::string& bytes,
    const replace_options& options = {}) {
    return error_of(env, [&](auto handler) {
        asio_aio::async_replace_file(env.ctx, path, asio::buffer(bytes), options, handler);
    });
}

struct stat stat_of(const std::string& path) {
    struct stat found {};
    BOOST_REQUIRE(::lstat(path.c_str(), &found) == 0);
    return found;
}

std::size_t entries(const std::filesystem::path& folder) {
    return std::size_t(std::distance(
        std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

/// user::-wx, user:1234:rw-, group::---, mask::rw-, other::--- (acl(5), Linux's binary form). The
/// owner may not read.
constexpr unsigned char access_list[] = {2,   0,   0,   0,   1,   0,    3,  0,   255, 255, 255,
                                         255, 2,   0,   6,   0,   0xd2, 4,  0,   0,   4,   0,
                                         0,   0,   255, 255, 255, 255,  16, 0,   6,   0,   255,
                                         255, 255, 255, 32,  0,   0,    0,  255, 255, 255, 255};
constexpr const char* access_list_name = "system.posix_acl_access";

} // namespace

ENGINE_TEST(a_missing_file_is_made_and_an_old_one_replaced) {
    const mode_t before = ::umask(022);
    BOOST_TEST(!replace(env, env.path(), "first"));
    BOOST_TEST(content(env.path()) == "first");
    BOOST_TEST((stat_of(env.path()).st_mode & 07777) == 0644u);
    BOOST_TEST(!replace(env, env.path("private"), "p", {0620, false}));
    BOOST_TEST((stat_of(env.path("private")).st_mode & 07777) == 0600u);
    ::umask(before);
    const auto old = stat_of(env.path());
    BOOST_TEST(!replace(env, env.path(), "the second one"));
    BOOST_TEST(content(env.path()) == "the second one");
    BOOST_TEST(stat_of(env.path()).st_ino != old.st_ino);
    BOOST_TEST(!replace(env, env.path(), ""));
    BOOST_TEST(content(env.path()) == "");
    BOOST_TEST(entries(env.folder.path()) == 2u);
}

ENGINE_TEST(the_default_list_of_the_directory_gives_nobody_access_to_the_new_file) {
    // user::rwx, user:1234:rw-, group::---, mask::rw-, other::--- (acl(5), Linux's binary form)
    const unsigned char list[] = {2,    0,   0,   0,   1,  0, 7, 0, 255, 255, 255, 255, 2,  0, 6, 0,
                                  0xd2, 4,   0,   0,   4,  0, 0, 0, 255, 255, 255, 255, 16, 0, 6, 0,
                                  255,  255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
    constexpr const char* own = "system.posix_acl_access";
    set_content(env.path(), "old");
    BOOST_REQUIRE(::chmod(env.path().c_str(), 0660) == 0);
    if (::setxattr(env.folder.path().c_str(), "system.posix_acl_default", list, sizeof list, 0) !=
        0)
        return say_skipped("this filesystem has no access control lists");
    BOOST_TEST(!replace(env, env.path(), "new"));
    BOOST_TEST(content(env.path()) == "new");
    BOOST_TEST((stat_of(env.path()).st_mode & 07777) == 0660u);
    BOOST_TEST(::getxattr(env.path().c_str(), own, nullptr, 0) == -1);
    BOOST_REQUIRE(::setxattr(env.path().c_str(), own, list, sizeof list, 0) == 0);
    BOOST_TEST(!replace(env, env.path(), "newer"));
    BOOST_TEST(::getxattr(env.path().c_str(), own, nullptr, 0) == ssize_t(sizeof list));
}

ENGINE_TEST(all_that_killed_processes_left_behind_is_removed) {
    set_content(env.path(), "old");
    for (const char* number : {"1", "2", "5"})
        set_content(env.path(".file.~asio_aio" + std::string(number)), "left");
    BOOST_TEST(!replace(env, env.path(), "new"));
    BOOST_TEST(entries(env.folder.path()) == 1u);
}

ENGINE_TEST(who_reads_the_old_file_goes_on_reading_it) {
    set_content(env.path(), "old");
    file f = env.open("file", file_base::read_only);
    BOOST_TEST(!replace(env, env.path(), "new!"));
    char back[8] = {};
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 3u);
    BOOST_TEST(std::string(back) == "old");
}

ENGINE_TEST(owner_permissions_and_attributes_are_kept) {
    set_content(env.path(), "old");
    BOOST_REQUIRE(::chmod(env.path().c_str(), 04751) == 0);
    const bool has_attributes = ::setxattr(env.path().c_str(), "user.colour", "blue", 4, 0) == 0;
    const bool is_root = ::geteuid() == 0;
    if (is_root)
        BOOST_REQUIRE(::chown(env.path().c_str(), 1234, 4321) == 0);
    BOOST_REQUIRE(::chmod(env.path().c_str(), 04751) == 0); // after chown, which clears bits
    BOOST_TEST(!replace(env, env.path(), "new", {0600, true}));
    const auto found = stat_of(env.path());
    BOOST_TEST((found.st_mode & 07777) == 04751u);
    if (is_root) {
        BOOST_TEST(found.st_uid == 1234u);
        BOOST_TEST(found.st_gid == 4321u);
    }
    if (has_attributes) {
        char value[8] = {};
        BOOST_TEST(::getxattr(env.path().c_str(), "user.colour", value, sizeof value) == 4);
        BOOST_TEST(std::string(value) == "blue");
    }
}

ENGINE_TEST(links_are_followed_and_stay) {
    std::filesystem::create_directory(env.path("folder"));
    set_content(env.path("folder/target"), "old");
    std::filesystem::create_symlink("target", env.path("folder/inner"));
    std::filesystem::create_symlink(env.path("folder/inner"), env.path("outer"));
    BOOST_TEST(!replace(env, env.path("outer"), "new"));
    BOOST_TEST(content(env.path("folder/target")) == "new");
    BOOST_TEST(std::filesystem::is_symlink(env.path("outer")));
    BOOST_TEST(std::filesystem::is_symlink(env.path("folder/inner")));

    std::filesystem::create_symlink("folder/made", env.path("dangling"));
    BOOST_TEST(!replace(env, env.path("dangling"), "made"));
    BOOST_TEST(content(env.path("folder/made")) == "made");

    std::filesystem::create_symlink("loop", env.path("loop"));
    BOOST_TEST(replace(env, env.path("loop"), "x") == errno_code(ELOOP));

    std::filesystem::create_hard_link(env.path("folder/target"), env.path("hard"));
    BOOST_TEST(!replace(env, env.path("folder/target"), "newer"));
    BOOST_TEST(content(env.path("hard")) == "new"); // the other name keeps the old content
}

ENGINE_TEST(a_link_that_the_kernel_does_not_follow_is_an_error) {
    const std::string shared = env.path("shared"), link = env.path("shared/link");
    set_content(env.path("target"), "old");
    std::filesystem::create_directory(shared);
    std::filesystem::create_symlink("../target", link);
    if (::chmod(shared.c_str(), 01777) != 0 || ::lchown(link.c_str(), 1234, 1234) != 0)
        return say_skipped("only root gives a link to another user");
    std::ifstream follows(link);
    if (follows)
        return say_skipped("fs.protected_symlinks is 0");
    BOOST_TEST(replace(env, link, "new") == errno_code(EACCES));
    BOOST_TEST(content(env.path("target")) == "old");
}

ENGINE_TEST(a_link_is_an_error_on_request) {
    replace_options no_links;
    no_links.follow_links = false;
    set_content(env.path("target"), "old");
    std::filesystem::create_directory(env.path("folder"));
    std::filesystem::create_symlink("target", env.path("link"));
    std::filesystem::create_symlink("made", env.path("dangling"));
    std::filesystem::create_symlink("folder", env.path("way"));
    BOOST_TEST(replace(env, env.path("link"), "x", no_links) == errno_code(ELOOP));
    BOOST_TEST(replace(env, env.path("dangling"), "x", no_links) == errno_code(ELOOP));
    BOOST_TEST(content(env.path("target")) == "old");
    BOOST_TEST(entries(env.folder.path()) == 5u);
    BOOST_TEST(!replace(env, env.path("target"), "new", no_links));
    BOOST_TEST(content(env.path("target")) == "new");
    BOOST_TEST(!replace(env, env.path("way/file"), "made", no_links));
    BOOST_TEST(content(env.path("folder/file")) == "made");
}

ENGINE_TEST(what_cannot_be_replaced_stays_as_it_is) {
    std::filesystem::create_directory(env.path("folder"));
    BOOST_REQUIRE(::mkfifo(env.path("fifo").c_str(), 0600) == 0);
    set_content(env.path("file"), "f");
    const struct {
        std::string path;
        int error;
    } bad[] = {
        {env.path("folder"), EISDIR},
        {env.path("folder/"), EISDIR},
        {env.path("folder/."), EISDIR},
        {env.path("fifo"), EINVAL},
        {env.path("missing/file"), ENOENT},
        {env.path("file/below"), ENOTDIR},
        {"", ENOENT},
        {env.path(std::string(256, 'n')), ENAMETOOLONG},
        {env.path("file") + std::string("\0x", 2), EINVAL},
    };
    for (const auto& each : bad)
        BOOST_TEST_CONTEXT(each.path.substr(0, 60)) {
            BOOST_TEST(replace(env, each.path, "new") == errno_code(each.error));
        }
    BOOST_TEST(content(env.path("file")) == "f");
    BOOST_TEST(entries(env.folder.path()) == 3u);
    BOOST_TEST(entries(env.path("folder")) == 0u);
}

ENGINE_TEST(a_name_of_255_bytes_and_many_buffers_work) {
    const std::string path = env.path(std::string(255, 'n'));
    std::string expected;
    std::vector<std::string> parts;
    std::vector<asio::const_buffer> buffers;
    for (unsigned i = 0; i != 3000; ++i) {
        parts.push_back(pattern(i % 40, i));
        expected += parts.back();
    }
    for (const std::string& each : parts)
        buffers.push_back(asio::buffer(each));
    error_code result = errno_code(EIO);
    auto later = asio_aio::async_replace_file(env.ctx, std::string(path), buffers, asio::deferred);
    buffers.clear(); // the sequence was copied
    std::move(later)([&](error_code ec) { result = ec; });
    env.run();
    BOOST_TEST(!result);
    BOOST_TEST((content(path) == expected));
    BOOST_TEST(!replace(env, path, "short"));
    BOOST_TEST(content(path) == "short");
    BOOST_TEST(entries(env.folder.path()) == 1u);
}

ENGINE_TEST(without_space_the_old_file_stays_and_nothing_else) {
    if (!may_mount())
        return say_skipped("no right to mount");
    const mounted small("tmpfs", env.path("small"), "size=64k");
    BOOST_REQUIRE(small.works());
    set_content(small.file("file"), "old");
    BOOST_TEST(replace(env, small.file("file"), pattern(1 << 20)) == errno_code(ENOSPC));
    BOOST_TEST(content(small.file("file")) == "old");
    BOOST_TEST(entries(env.path("small")) == 1u);
    BOOST_TEST(!replace(env, small.file("file"), "new"));
}

namespace {

// A child process that has become another user cannot reach a folder in the home of root.
constexpr int unreachable = 77;
constexpr const char* why_unreachable = "another user cannot reach the folder of the tests";

bool can_reach(const std::filesystem::path& folder) {
    return ::access(folder.c_str(), R_OK | W_OK | X_OK) == 0;
}

} // namespace

ENGINE_TEST(without_rights_the_old_file_stays) {
    std::filesystem::create_directory(env.path("locked"));
    set_content(env.path("locked/file"), "old");
    set_content(env.path("mine"), "old");
    BOOST_REQUIRE(::chmod(env.path("mine").c_str(), 0444) == 0);
    BOOST_REQUIRE(::chmod(env.folder.path().c_str(), 0777) == 0);
    if (::geteuid() != 0)
        return say_skipped("this needs root, to become somebody else");
    const int status = in_child([&] {
        if (::setresuid(65534, 65534, 65534) != 0)
            return 2;
        if (!can_reach(env.folder.path()))
            return unreachable;
        environment own(env.engine, env.folder.path());
        const bool locked = replace(own, env.path("locked/file"), "new") == errno_code(EACCES);
        // The folder may be written, but root's file would get another owner.
        const bool foreign = replace(own, env.path("mine"), "new") == errno_code(EPERM);
        return locked && foreign ? 0 : 1;
    });
    if (status == unreachable)
        return say_skipped(why_unreachable);
    BOOST_TEST(status == 0);
    BOOST_TEST(content(env.path("locked/file")) == "old");
    BOOST_TEST(content(env.path("mine")) == "old");
    BOOST_TEST(entries(env.path("locked")) == 1u);
    BOOST_TEST(entries(env.folder.path()) == 2u);
}

ENGINE_TEST(the_list_of_a_file_that_its_owner_may_not_read_is_kept) {
    if (::geteuid() != 0)
        return say_skipped("this needs root, to become somebody else");
    BOOST_REQUIRE(::chmod(env.folder.path().c_str(), 0777) == 0);
    set_content(env.path(), "old");
    BOOST_REQUIRE(::chown(env.path().c_str(), 65534, 65534) == 0);
    if (::setxattr(env.path().c_str(), access_list_name, access_list, sizeof access_list, 0) != 0)
        return say_skipped("this filesystem has no access control lists");
    const int status = in_child([&] {
        if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)
            return 2;
        if (!can_reach(env.folder.path()))
            return unreachable;
        environment own(env.engine, env.folder.path());
        return replace(own, env.path(), "new") ? 1 : 0;
    });
    if (status == unreachable)
        return say_skipped(why_unreachable);
    BOOST_TEST(status == 0);
    BOOST_TEST(content(env.path()) == "new");
    unsigned char found[sizeof access_list + 1];
    const ssize_t bytes = ::getxattr(env.path().c_str(), access_list_name, found, sizeof found);
    BOOST_REQUIRE(bytes == ssize_t(sizeof access_list));
    BOOST_TEST(std::equal(std::begin(access_list), std::end(access_list), found));
}

ENGINE_TEST(a_file_on_which_another_descriptor_has_a_lease_is_replaced) {
    set_content(env.path(), "old");
    BOOST_REQUIRE(::chmod(env.path().c_str(), 0640) == 0);
    const int holder = ::open(env.path().c_str(), O_RDWR | O_CLOEXEC);
    BOOST_REQUIRE(holder != -1);
    // SIGURG, which a process ignores, announces that somebody breaks the lease.
    if (::fcntl(holder, F_SETSIG, SIGURG) != 0 || ::fcntl(holder, F_SETLEASE, F_WRLCK) != 0) {
        ::close(holder);
        return say_skipped("this filesystem has no leases");
    }
    const error_code result = replace(env, env.path(), "new");
    ::close(holder);
    BOOST_TEST(!result);
    BOOST_TEST(content(env.path()) == "new");
    BOOST_TEST((stat_of(env.path()).st_mode & 07777) == 0640u);
}

ENGINE_TEST(a_link_of_procfs_to_a_file_without_a_name_is_an_error) {
    set_content(env.path(), "old");
    const int file = ::open(env.path().c_str(), O_RDWR | O_CLOEXEC);
    BOOST_REQUIRE(file != -1);
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    BOOST_TEST(!replace(env, link, "new"));
    BOOST_TEST(content(env.path()) == "new");
    // The descriptor's file has lost its name now. The link's text is "… (deleted)".
    BOOST_TEST(replace(env, link, "newer") == errno_code(ENOENT));
    ::close(file);
    BOOST_TEST(content(env.path()) == "new");
    BOOST_TEST(entries(env.folder.path()) == 1u);
}

ENGINE_TEST(many_replacements_at_once_leave_one_of_them_whole) {
    constexpr unsigned count = 100;
    std::vector<std::string> contents;
    for (unsigned i = 0; i != count; ++i)
        contents.push_back(pattern(50'000 + i, i));
    unsigned succeeded = 0;
    for (const std::string& each : contents)
        asio_aio::async_replace_file(
            env.ctx, env.path(), asio::buffer(each), replace_options{0666, false},
            [&](error_code ec) { succeeded += !ec; });
    env.run();
    BOOST_TEST(succeeded == count);
    const std::string found = content(env.path());
    BOOST_REQUIRE(found.size() >= 50'000u);
    BOOST_TEST((found == contents.at(found.size() - 50'000)));
    BOOST_TEST(entries(env.folder.path()) == 1u);
}

ENGINE_TEST(a_temporary_file_that_was_left_behind_is_removed_and_a_foreign_one_is_not) {
    set_content(env.path(".file.~asio_aio0"), "left behind by a process that was killed");
    BOOST_TEST(!replace(env, env.path(), "new"));
    BOOST_TEST(entries(env.folder.path()) == 1u);

    set_content(env.path("victim"), "victim");
    std::filesystem::create_symlink("victim", env.path(".file.~asio_aio0"));
    std::filesystem::create_directory(env.path(".file.~asio_aio1"));
    std::filesystem::create_hard_link(env.path("victim"), env.path(".file.~asio_aio2"));
    BOOST_TEST(!replace(env, env.path(), "newer"));
    BOOST_TEST(content(env.path()) == "newer");
    BOOST_TEST(content(env.path("victim")) == "victim");
    BOOST_TEST(entries(env.folder.path()) == 5u);
}

ENGINE_TEST(a_replacement_that_is_cancelled_leaves_the_old_file) {
    gate at_the_gate;
    environment own(backend::thread_pool, env.folder.path());
    use_gated_pool(own.ctx, 1);
    set_content(own.path(), "old");
    asio::cancellation_signal signal;
    error_code running;
    asio_aio::async_replace_file(
        own.ctx, own.path(), asio::buffer("new", 3),
        asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) { running = ec; }));
    while (asio_aio::statistics(own.ctx).threads == 0)
        BOOST_REQUIRE(run_one_with_deadline(own.ctx) == 1u);
    BOOST_REQUIRE(at_the_gate.wait_for_arrivals(1));
    signal.emit(asio::cancellation_type::terminal); // a worker has it, before its first step
    at_the_gate.open();
    own.run();
    BOOST_TEST(running == asio::error::operation_aborted);
    BOOST_TEST(content(own.path()) == "old");
    BOOST_TEST(entries(own.folder.path()) == 1u);
}

ENGINE_TEST(a_limit_of_file_sizes_is_an_error_and_no_signal) {
    const int status = in_child([&] {
        const rlimit limit{4096, 4096};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 2;
        environment own(env.engine, env.folder.path());
        return replace(own, env.path(), pattern(10'000)) == errno_code(EFBIG) ? 0 : 1;
    });
    BOOST_TEST(status == 0);
    BOOST_TEST(entries(env.folder.path()) == 0u);
}

namespace {

/// Replaces a file for ever, with one content and then the other. Writes a byte to `report` after
/// each replacement.
[[noreturn]] void replace_for_ever(
    backend engine, const std::string& path, const std::string& one, const std::string& other,
    int report) {
    asio::io_context ctx;
    asio_aio::options opts;
    opts.choice = {engine};
    asio_aio::configure(ctx, opts);
    bool first = true;
    std::function<void(error_code)> again = [&](error_code ec) {
        if (ec || ::write(report, "x", 1) != 1)
            ::_exit(1);
        first = !first;
        asio_aio::async_replace_file(ctx, path, asio::buffer(first ? one : other), again);
    };
    asio_aio::async_replace_file(ctx, path, asio::buffer(one), again);
    ctx.run();
    ::_exit(2);
}

} // namespace

ENGINE_TEST(a_process_that_is_killed_at_any_moment_leaves_a_whole_file) {
    const std::string one = pattern(30'000, 1), other = pattern(70'000, 2);
    set_content(env.path(), one);
    BOOST_REQUIRE(::chmod(env.path().c_str(), 0640) == 0);
    std::minstd_rand random(1);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    constexpr unsigned rounds = 20;
#else
    constexpr unsigned rounds = 334; // 1002 with the three engines
#endif
    for (unsigned round = 0; round != rounds; ++round) {
        int report[2];
        BOOST_REQUIRE(::pipe2(report, O_CLOEXEC | O_NONBLOCK) == 0);
        ::fcntl(report[0], F_SETFL, 0); // only the child must not wait
        const pid_t child = ::fork();
        BOOST_REQUIRE(child != -1);
        if (child == 0)
            replace_for_ever(env.engine, env.path(), one, other, report[1]);
        ::close(report[1]);
        char replaced = 0;
        if (round % 2 == 0) // in every second round at least one replacement is done
            BOOST_REQUIRE(::read(report[0], &replaced, 1) == 1);
        // The random moment is what is tested. Whenever it comes, the file is whole.
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
        ::kill(child, SIGKILL);
        int status = 0;
        BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
        BOOST_REQUIRE(WIFSIGNALED(status)); // otherwise a replacement failed
        const std::string found = content(env.path());
        BOOST_REQUIRE((found == one || found == other));
        ::close(report[0]);
        BOOST_REQUIRE((stat_of(env.path()).st_mode & 07777) == 0640u);
        BOOST_REQUIRE(entries(env.folder.path()) <= 2u);
    }
    BOOST_TEST(!replace(env, env.path(), "last")); // the program runs again
    BOOST_TEST(entries(env.folder.path()) == 1u);
}
