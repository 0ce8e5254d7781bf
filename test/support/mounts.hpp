// SPDX-License-Identifier: BSL-1.0
// Filesystems and loop devices that a test makes; they need root.
#pragma once

#include "support.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>

namespace test {

/// Whether this process may mount.
/** The first call moves the process to a mount namespace of its own, so no mount outlives it. */
inline bool may_mount() {
    static const bool may = ::unshare(CLONE_NEWNS) == 0 &&
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return may;
}

/// Makes `folder` and mounts a filesystem on it; the destructor unmounts the filesystem.
class mounted {
public:
    mounted(const char* type, const std::string& folder, const std::string& options)
        : folder_(folder) {
        BOOST_REQUIRE(may_mount());
        std::filesystem::create_directories(folder);
        works_ = ::mount("none", folder.c_str(), type, 0, options.c_str()) == 0;
    }
    mounted(const mounted&) = delete;
    mounted& operator=(const mounted&) = delete;
    ~mounted() {
        if (works_)
            ::umount2(folder_.c_str(), MNT_DETACH);
    }

    bool works() const { return works_; }
    std::string file(const std::string& name) const { return folder_ + '/' + name; }

private:
    std::string folder_;
    bool works_;
};

/// An overlayfs on `folder`/overlay, whose layers are folders beside it.
class overlay {
public:
    explicit overlay(const std::string& folder)
        : layers_(make_layers(folder)),
          mount_(
              "overlay", folder + "/overlay",
              "lowerdir=" + layers_ + "/lower,upperdir=" + layers_ + "/upper,workdir=" + layers_ +
                  "/work") {}

    bool works() const { return mount_.works(); }
    std::string lower(const std::string& name) const { return layers_ + "/lower/" + name; }
    std::string upper(const std::string& name) const { return layers_ + "/upper/" + name; }
    std::string file(const std::string& name) const { return mount_.file(name); }

private:
    static std::string make_layers(const std::string& folder) {
        for (const char* layer : {"lower", "upper", "work"})
            std::filesystem::create_directory(folder + '/' + layer);
        return folder;
    }

    std::string layers_;
    mounted mount_;
};

/// An overlayfs in the test's folder. Null if it cannot be mounted; the reason is then printed.
inline std::unique_ptr<overlay> mount_overlay(environment& env) {
    if (!may_mount()) {
        say_skipped("only root can mount an overlayfs");
        return nullptr;
    }
    auto fs = std::make_unique<overlay>(env.folder.path().string());
    if (fs->works())
        return fs;
    say_skipped("this kernel or the filesystem of the tests has no overlayfs");
    return nullptr;
}

/// Whether `folder` is on a tmpfs.
inline bool is_tmpfs(const char* folder) {
    struct statfs status {};
    return ::statfs(folder, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

/// A loop device over a file. The kernel removes the device when the destructor or the end of the
/// process closes it.
class loop_device {
public:
    /// `block_bytes` is the size of its blocks; 0: 512 bytes.
    explicit loop_device(const std::string& backing_file, unsigned block_bytes = 0)
        : block_bytes_(block_bytes) {
        const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        const int backing = ::open(backing_file.c_str(), O_RDWR | O_CLOEXEC);
        // Another process may take the free device first.
        constexpr int tries = 16;
        for (int i = 0; control != -1 && backing != -1 && i < tries && device_ == -1; ++i)
            take(::ioctl(control, LOOP_CTL_GET_FREE), backing);
        ::close(backing);
        ::close(control);
    }
    loop_device(const loop_device&) = delete;
    loop_device& operator=(const loop_device&) = delete;
    ~loop_device() {
        if (device_ != -1)
            ::close(device_);
    }

    bool works() const { return device_ != -1; }
    const std::string& path() const { return path_; }

private:
    void take(int number, int backing) {
        path_ = "/dev/loop" + std::to_string(number);
        if (number != -1 && ::access(path_.c_str(), F_OK) != 0) // no daemon has made the node
            ::mknod(path_.c_str(), S_IFBLK | 0600, ::makedev(7, unsigned(number)));
        device_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
        if (device_ == -1)
            return;
        const bool taken = ::ioctl(device_, LOOP_SET_FD, backing) == 0;
        if (taken) {
            loop_info64 info{};
            info.lo_flags = LO_FLAGS_AUTOCLEAR; // the last close removes the device
            BOOST_TEST(::ioctl(device_, LOOP_SET_STATUS64, &info) == 0);
        }
        if (!taken ||
            (block_bytes_ != 0 && ::ioctl(device_, LOOP_SET_BLOCK_SIZE, long(block_bytes_)) != 0)) {
            ::close(device_);
            device_ = -1;
        }
    }

    unsigned block_bytes_;
    int device_ = -1;
    std::string path_;
};

} // namespace test
