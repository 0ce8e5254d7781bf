// SPDX-License-Identifier: BSL-1.0
// Buffered writes on XFS, where a ring performs them at once.
#include "engine_support.hpp"
#include "mounts.hpp"
#include "results.hpp"

#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

using namespace test;

namespace {

/// An XFS of 300 MiB, its least size, on a loop device.
class xfs {
public:
    explicit xfs(environment& env) : folder_(env.path("xfs")) {
        if (!may_mount())
            return;
        const std::string disk = env.path("disk");
        set_content(disk, "");
        std::filesystem::resize_file(disk, std::uintmax_t(300) << 20);
        if (std::system(("mkfs.xfs -q " + disk + " 2>/dev/null").c_str()) != 0)
            return;
        loop_.emplace(disk);
        std::filesystem::create_directory(folder_);
        works_ = loop_->works() &&
            ::mount(loop_->path().c_str(), folder_.c_str(), "xfs", 0, nullptr) == 0;
    }
    xfs(const xfs&) = delete;
    xfs& operator=(const xfs&) = delete;
    ~xfs() {
        if (works_)
            ::umount2(folder_.c_str(), MNT_DETACH);
    }

    bool works() const { return works_; }
    const std::string& folder() const { return folder_; }

private:
    const std::string folder_;
    std::optional<loop_device> loop_;
    bool works_ = false;
};

/// True since Linux 6.0.
bool kernel_writes_at_once() {
    utsname system;
    unsigned major = 0;
    return ::uname(&system) == 0 && std::sscanf(system.release, "%u", &major) == 1 && major >= 6;
}

} // namespace

ENGINE_TEST(a_ring_performs_writes_that_need_not_wait_and_the_pool_those_that_sync) {
    const xfs device(env);
    if (!device.works())
        return say_skipped("no XFS can be made and mounted");
    environment own(env.engine, device.folder());
    const std::string bytes = pattern(100'000);
    std::string back(bytes.size(), '\0');
    {
        file f = own.open();
        for (std::size_t at = 0; at != bytes.size(); at += 1000)
            BOOST_TEST(
                write_at(own, f, at, {asio::buffer(bytes.data() + at, 1000)}).bytes == 1000u);
        const bool by_ring = env.engine == backend::io_uring && kernel_writes_at_once();
        const std::uint64_t passed = asio_aio::statistics(own.ctx).passed_buffered;
        if (env.engine != backend::thread_pool)
            BOOST_TEST(passed == (by_ring ? 0u : 100u));
        BOOST_TEST(f.read_some_at(0, asio::buffer(back)) == bytes.size());
        BOOST_TEST((back == bytes));
        file synced = own.open(
            "synced", file_base::read_write | file_base::create | file_base::sync_data_on_write);
        BOOST_TEST(write_at(own, synced, 0, {asio::buffer(bytes)}).bytes == bytes.size());
        if (env.engine != backend::thread_pool)
            BOOST_TEST(asio_aio::statistics(own.ctx).passed_buffered == passed + 1);
    }
}
