// SPDX-License-Identifier: BSL-1.0
#include "place.hpp"

#include <asio_aio/configure.hpp>
#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/io_context.hpp>

#include <sys/uio.h>
#include <sys/vfs.h>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

namespace info {
namespace {

/// The mount's number in /proc/self/mountinfo. st_dev would not do: on btrfs and overlayfs, files
/// may have other numbers than the mount.
std::optional<int> mount_id(int descriptor) {
    std::ifstream fields("/proc/self/fdinfo/" + std::to_string(descriptor));
    for (std::string field; fields >> field;
         fields.ignore(std::numeric_limits<std::streamsize>::max(), '\n'))
        if (int id = 0; field == "mnt_id:" && fields >> id)
            return id;
    return std::nullopt;
}

/// Decodes escapes: in /proc a space is \040 (proc(5)).
std::string unescaped(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i != text.size(); ++i) {
        unsigned code = 0;
        if (text[i] == '\\' && std::sscanf(text.c_str() + i + 1, "%3o", &code) == 1) {
            plain += char(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

struct mount {
    std::string point;
    std::string filesystem;
};

/// Finds the mount with this number.
/**
 * A line of mountinfo is (proc(5)):
 * id parent device root point options [tags...] - filesystem source options
 */
std::optional<mount> find_mount(int id) {
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        int number = 0;
        std::string parent, device, root, point, word;
        if (!(words >> number >> parent >> device >> root >> point) || number != id)
            continue;
        while (words >> word && word != "-") {
        }
        if (words >> word)
            return mount{unescaped(point), word};
    }
    return std::nullopt;
}

std::string magic_number(int descriptor) {
    struct statfs status;
    if (::fstatfs(descriptor, &status) != 0)
        return "unknown";
    char text[32];
    std::snprintf(text, sizeof text, "0x%lx", static_cast<unsigned long>(status.f_type));
    return text;
}

/// The errno with which the filesystem refuses RWF_NOWAIT; 0 if it supports the flag.
int try_nowait(int descriptor) {
    char byte;
    iovec buffer{&byte, 1};
    if (::preadv2(descriptor, &buffer, 1, 0, RWF_NOWAIT) != -1)
        return 0;
    return errno == EAGAIN ? 0 : errno; // EAGAIN: supported, but the data is not in memory
}

} // namespace

void inspect_filesystem(int descriptor, place_report& found) {
    if (const auto id = mount_id(descriptor))
        if (const auto on = find_mount(*id)) {
            found.filesystem = on->filesystem;
            found.mount_point = on->point;
            return;
        }
    found.filesystem = magic_number(descriptor);
}

void inspect_file(const subject& file, place_report& found) {
    using asio_aio::file_base;
    boost::asio::io_context context;
    asio_aio::options opts;
    // The pool is always available, whatever the environment names.
    opts.choice = {asio_aio::backend::thread_pool};
    asio_aio::configure(context, opts);
    asio_aio::random_access_file_aio opened(context);
    boost::system::error_code ec;
    opened.open(file.path(), file_base::read_only | file_base::direct, ec);
    const int direct_error = ec.value();
    if (ec)
        opened.open(file.path(), file_base::read_only);
    found.direct_error = direct_error;
    const auto alignment = opened.direct_io_alignment();
    found.memory_alignment = alignment.memory;
    found.offset_alignment = alignment.offset;
    found.nowait_error = try_nowait(file.descriptor_number());
}

} // namespace info
