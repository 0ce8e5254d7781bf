// SPDX-License-Identifier: BSL-1.0
// Errors of write-back. The kernel reports such an error once for each open file. The user's first
// sync must get the error, and no call of the library before.
#include "results.hpp"
#include "mounts.hpp"

#include <optional>

using namespace test;

namespace {

/// A device of 8 MiB on a filesystem of 2 MiB: writes to the page cache succeed, and write-back
/// fails.
struct hollow_device {
    explicit hollow_device(environment& env) : small("tmpfs", env.path("small"), "size=2m") {
        if (!small.works())
            return;
        set_content(small.file("disk"), "");
        std::filesystem::resize_file(small.file("disk"), 8 << 20);
        loop.emplace(small.file("disk"));
    }

    bool works() const { return loop && loop->works(); }

    mounted small;
    std::optional<loop_device> loop; // last member: destroyed before its filesystem
};

constexpr std::size_t too_much = 6 << 20;

} // namespace

ENGINE_TEST(a_writeback_error_is_reported_by_the_first_sync_and_not_by_the_second) {
    if (!may_mount())
        return say_skipped("only root can make a loop device");
    const hollow_device device(env);
    if (!device.works())
        return say_skipped("there are no loop devices");
    const std::string bytes = pattern(too_much);
    file f(env.ctx, device.loop->path(), file_base::read_write);
    file other(env.ctx, device.loop->path(), file_base::read_write);
    const outcome written = write_at(env, f, 0, {asio::buffer(bytes)});
    BOOST_TEST(!written.ec); // the page cache has the bytes
    BOOST_TEST(written.bytes == too_much);

    error_code ec;
    BOOST_TEST(f.sync_data(ec) == errno_code(EIO));
    BOOST_TEST(!f.sync_data(ec));
    BOOST_TEST(!f.sync_all(ec));
    // The other open file still has its error, because the library made no sync of its own.
    BOOST_TEST(thrown_by([&] { other.sync_all(); }) == errno_code(EIO));
    BOOST_TEST(!other.sync_all(ec));
}

ENGINE_TEST(only_a_sync_consumes_a_writeback_error) {
    if (!may_mount())
        return say_skipped("only root can make a loop device");
    const hollow_device device(env);
    if (!device.works())
        return say_skipped("there are no loop devices");
    const std::string bytes = pattern(too_much);
    file f(env.ctx, device.loop->path(), file_base::read_write);
    file other(env.ctx, device.loop->path(), file_base::read_write);
    BOOST_TEST(write_at(env, other, 0, {asio::buffer(bytes)}).bytes == too_much);
    error_code ec;
    BOOST_TEST(other.sync_all(ec) == errno_code(EIO));

    // None of these calls may consume the error of `f`.
    std::string back(4096, '\0');
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == back.size());
    BOOST_TEST(write_at(env, f, 0, {asio::buffer(bytes, 4096)}).bytes == 4096u);
    BOOST_TEST(f.size() == 8u << 20);
    f.cancel();
    file moved = std::move(f);
    moved.assign(moved.release());
    env.run();
    BOOST_TEST(moved.sync_all(ec) == errno_code(EIO));
    BOOST_TEST(!moved.sync_all(ec));
}
