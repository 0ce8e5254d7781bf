// SPDX-License-Identifier: BSL-1.0
#include "served_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

#include <fcntl.h>

namespace file_server {
namespace {

using boost::beast::http::status;

struct free_memory {
    void operator()(char* text) const { std::free(text); }
};

std::string canonical(const std::string& path) {
    const std::unique_ptr<char, free_memory> resolved{::realpath(path.c_str(), nullptr)};
    if (!resolved)
        throw std::system_error(errno, std::system_category());
    return resolved.get();
}

failure refusal(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG: return {status::not_found, "there is no such file"};
    case EACCES:
    case EPERM: return {status::forbidden, "the server may not read this file"};
    case EXDEV: return {status::forbidden, "a symbolic link leaves the served folder"};
    case ELOOP: return {status::forbidden, "there are too many symbolic links on the way"};
    case ENXIO: // a socket, or a device that is not there
    case ENODEV: return {status::forbidden, "this is not a regular file"};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return {status::service_unavailable, "the server is out of memory or descriptors"};
    default:
        return {
            status::internal_server_error,
            "the file cannot be opened: " + std::system_category().message(error)};
    }
}

/// Opens `relative` and gets its status. The opened file may be a directory or a device.
open_result open_any(const folder& root, const std::string& relative) {
    const int fd = open_beneath(root, relative);
    if (fd < 0)
        return refusal(-fd);
    opened_file opened;
    opened.file.reset(fd);
    opened.name = relative;
    if (::fstat(fd, &opened.status) != 0)
        return refusal(errno);
    return opened;
}

open_result only_regular(opened_file opened) {
    if (!S_ISREG(opened.status.st_mode))
        return failure{status::forbidden, "this is not a regular file"};
    // O_NONBLOCK was for the open only: a read must wait for data and not fail with EAGAIN.
    const int fd = opened.file.get();
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return refusal(errno);
    return opened;
}

} // namespace

served_folder::served_folder(const std::string& path) {
    root_.canonical_path = canonical(path);
    descriptor_.reset(::open(root_.canonical_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor_)
        throw std::system_error(errno, std::system_category());
    root_.descriptor = descriptor_.get();
}

open_result served_folder::open(const request_path& path) const {
    auto result = open_any(root_, path.relative);
    auto* opened = std::get_if<opened_file>(&result);
    if (opened == nullptr)
        return result;
    if (S_ISDIR(opened->status.st_mode))
        return path.names_directory ? open_index(path) : open_result{slash_is_missing{}};
    if (path.names_directory)
        return refusal(ENOTDIR);
    return only_regular(std::move(*opened));
}

open_result served_folder::open_index(const request_path& directory) const {
    // Starts at the root, not at the open directory, because index.html may be a link to any place
    // within the root.
    const auto index =
        directory.relative.empty() ? "index.html" : directory.relative + "/index.html";
    auto result = open_any(root_, index);
    auto* opened = std::get_if<opened_file>(&result);
    const auto* refused = std::get_if<failure>(&result);
    if ((opened != nullptr && S_ISDIR(opened->status.st_mode)) ||
        (refused != nullptr && refused->status == status::not_found))
        return failure{status::not_found, "this is a folder without an index.html"};
    return opened == nullptr ? std::move(result) : only_regular(std::move(*opened));
}

} // namespace file_server
