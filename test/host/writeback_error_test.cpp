// SPDX-License-Identifier: BSL-1.0 An error of write-back: the kernel tells it once per open file,
// to the user's first sync and to nobody else.
#include "results.hpp"
#include "mounts.hpp"

#include <optional>

using namespace test;

namespace {

/// A device of 8 MiB on a filesystem that has room for 2: writing to it succeeds, and writing back
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
    std::optional<loop_device> loop; // after its filesystem
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
    BOOST_TEST(!written.ec); // it is in the page cache
    BOOST_TEST(written.bytes == too_much);

    error_code ec;
    BOOST_TEST(f.sync_data(ec) == errno_code(EIO));
    BOOST_TEST(!f.sync_data(ec));
    BOOST_TEST(!f.sync_all(ec));
    // Told once per open file: the other one has it to come, unless the library has asked already.
    BOOST_TEST(thrown_by([&] { other.sync_all(); }) == errno_code(EIO));
    BOOST_TEST(!other.sync_all(ec));
}

ENGINE_TEST(no_operation_but_a_sync_takes_a_writeback_error_away) {
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

    // What everybody does to a file: none of it may ask the kernel for the error of `f`.
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
