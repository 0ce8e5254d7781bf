// SPDX-License-Identifier: BSL-1.0
#include "served_folder.hpp"

#include <asio_aio/path_calls.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include <fcntl.h>

namespace file_server {
namespace {

using asio_aio::file_base;
using boost::beast::http::status;
using std::filesystem::file_type;

constexpr file_base::flags without_access{O_PATH};

// The message of an EXDEV from `find`. A link that leads nowhere gets the same response, so a client
// does not learn which files exist outside.
constexpr auto* bad_link = "a symbolic link leaves the served folder or leads nowhere";

constexpr auto* not_regular = "this is not a regular file";

error_code to_error(int number) {
    return {number, boost::system::system_category()};
}

bool is_error(const error_code& error, int number) {
    return error == to_error(number);
}

/// Where an open file is, as an absolute path without symbolic links. Empty if it has no path.
/** The kernel keeps the answer in memory: this call waits for no disk. */
std::string location(int fd) {
    std::array<char, PATH_MAX + 1> text{};
    const auto size = ::readlink(open_file::link_of(fd).c_str(), text.data(), text.size());
    if (size <= 0 || size == static_cast<ssize_t>(text.size()) || text[0] != '/')
        return {};
    return {text.data(), static_cast<std::size_t>(size)};
}

int open_root(const std::string& path) {
    const int fd = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        throw std::system_error(errno, std::system_category());
    return fd;
}

/// True if another attempt may succeed, because the process or the machine is short of something.
bool is_shortage(const error_code& error) {
    return is_error(error, EMFILE) || is_error(error, ENFILE) || is_error(error, ENOMEM);
}

/// Splits the first component off `path`.
std::string next_component(std::string_view& path) {
    const auto size = std::min(path.find('/'), path.size());
    std::string name{path.substr(0, size)};
    path.remove_prefix(std::min(size + 1, path.size()));
    return name;
}

std::string index_of(const std::string& folder) {
    return folder.empty() ? "index.html" : folder + "/index.html";
}

} // namespace

failure to_failure(const error_code& error) {
    if (error.category() != boost::system::system_category())
        return {status::internal_server_error, error.message()};
    switch (error.value()) {
    case ENOENT:
    case ENOTDIR: return {status::not_found, "there is no such file"};
    case ENAMETOOLONG: return {status::not_found, "there is no such file, its name is too long"};
    case EACCES:
    case EPERM:
    case EROFS: return {status::forbidden, "the server has no permission for this file"};
    case EXDEV: return {status::forbidden, bad_link};
    case ELOOP: return {status::forbidden, "there are too many symbolic links on the way"};
    case EMFILE:
    case ENFILE:
    case ENOMEM: return {status::service_unavailable, "the server is out of memory or descriptors"};
    default: return {status::internal_server_error, "the file: " + error.message()};
    }
}

served_folder::served_folder(const std::string& path, call_limits& limits)
    : limits_(limits), root_(open_root(path)) {
    if (location(root_.get()).empty())
        throw std::system_error(
            ENOENT, std::system_category(), "the server needs /proc, which is not mounted");
}

call_limits::parts served_folder::parts(const request_path& path) {
    return parts_of(path.names_directory ? index_of(path.relative) : path.relative);
}

bool served_folder::contains(open_file& entry) const {
    const auto root = location(root_.get());
    const auto where = location((*entry).native_handle());
    if (root.empty() || !std::string_view{where}.starts_with(root))
        return false;
    return root == "/" || where.size() == root.size() || where[root.size()] == '/';
}

/// Opens `relative` without access. Fails with EXDEV if this is not in the folder.
asio::awaitable<error_code> served_folder::find(
    open_file& entry, const std::string& relative) const {
    const auto path = open_file::link_of(root_.get()) + "/" + (relative.empty() ? "." : relative);
    const auto error = co_await entry.open(path, without_access);
    if (!error)
        co_return contains(entry) ? error_code{} : to_error(EXDEV);
    co_return is_shortage(error) ? error : co_await find_cause(relative, error);
}

/// Finds out if `relative` cannot be opened because of a link. Goes one component at a time, so the
/// response does not depend on what is outside of the folder.
asio::awaitable<error_code> served_folder::find_cause(
    const std::string& relative, error_code error) const {
    const auto executor = co_await asio::this_coro::executor;
    auto here = closed_file(executor, {});
    auto path = open_file::link_of(root_.get());
    for (std::string_view rest = relative; !rest.empty();) {
        path += "/" + next_component(rest);
        auto next = closed_file(executor, {});
        if (const auto refused = co_await next.open(path, without_access)) {
            // What exists, and still cannot be opened without access, is a link.
            const bool is_link =
                !co_await next.open(path, without_access | file_base::flags{O_NOFOLLOW});
            co_await next.close();
            const bool stands = is_error(refused, ELOOP) || is_shortage(refused);
            error = is_link && !stands ? to_error(EXDEV) : refused;
            break;
        }
        const bool inside = contains(next);
        co_await here.close();
        std::swap(*here, *next);
        if (!inside) {
            error = to_error(EXDEV);
            break;
        }
        path = here.link();
    }
    co_await here.close();
    co_return error;
}

asio::awaitable<open_result> served_folder::open(
    request_path path, call_limits::permit held) const {
    const auto executor = co_await asio::this_coro::executor;
    auto entry = closed_file(executor, parts(path));
    entry.keep(std::move(held));
    if (const auto error = co_await find(entry, path.relative))
        co_return to_failure(error);
    auto [error, found] = co_await asio_aio::async_status(executor, entry.link(), as_result);
    if (error)
        co_return to_failure(error);
    if (found.type != file_type::directory) {
        if (path.names_directory)
            co_return to_failure(to_error(ENOTDIR));
        co_return co_await open_regular(entry, found, path.relative);
    }
    if (!path.names_directory)
        co_return slash_is_missing{};

    // Starts at the root again, because index.html may be a link to any place within the root.
    co_await entry.close();
    const auto index = index_of(path.relative);
    error = co_await find(entry, index);
    if (!error)
        std::tie(error, found) = co_await asio_aio::async_status(executor, entry.link(), as_result);
    if (is_error(error, ENOENT) || (!error && found.type == file_type::directory))
        co_return failure{status::not_found, "this is a folder without an index.html"};
    if (error)
        co_return to_failure(error);
    co_return co_await open_regular(entry, found, index);
}

asio::awaitable<open_result> served_folder::open_regular(
    open_file& entry, const asio_aio::file_status& status, std::string name) const {
    if (status.type != file_type::regular)
        co_return failure{http::status::forbidden, not_regular};
    auto opened = closed_file(co_await asio::this_coro::executor, parts_of(name));
    if (const auto error = co_await opened.open(entry.link(), file_base::read_only))
        co_return to_failure(error);
    co_return opened_file{std::move(opened), status, std::move(name)};
}

asio::awaitable<put_result> served_folder::find_place(
    request_path path, [[maybe_unused]] call_limits::permit held) const {
    const auto executor = co_await asio::this_coro::executor;
    const auto slash = path.relative.rfind('/');
    const auto parent = path.relative.substr(0, slash == std::string::npos ? 0 : slash);
    put_target target{closed_file(executor, parts(path)), path.relative.substr(slash + 1), {}};
    const auto missing = failure{status::conflict, "the folder of this file does not exist"};
    if (const auto error = co_await find(target.folder, parent))
        co_return is_error(error, ENOENT) || is_error(error, ENOTDIR) ? missing : to_failure(error);
    auto [error, found] =
        co_await asio_aio::async_status(executor, target.folder.link(), as_result);
    if (!error && found.type != file_type::directory)
        co_return missing;
    if (!error)
        std::tie(error, found) = co_await asio_aio::async_status(
            executor, target.path(), asio_aio::link_mode::link, as_result);
    if (is_error(error, ENOENT))
        co_return std::move(target);
    if (error)
        co_return to_failure(error);
    if (found.type == file_type::directory)
        co_return failure{status::conflict, "there is a folder of this name"};
    if (found.type != file_type::regular)
        co_return failure{status::forbidden, not_regular};
    target.old = found;
    co_return std::move(target);
}

} // namespace file_server
