// SPDX-License-Identifier: BSL-1.0
#include "upload.hpp"

#include "text.hpp"

#include <asio_aio/replace_file.hpp>

#include <boost/asio/buffer.hpp>

#include <cerrno>
#include <charconv>
#include <new>
#include <string_view>
#include <utility>

namespace file_server {
namespace {

using http::field;
using http::status;

std::optional<std::uint64_t> length_of(const request_head& request) {
    // The parser has refused fields that are no number or that differ. "9, 9" is 9.
    const auto text = request[field::content_length];
    std::uint64_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    return error == std::errc{} ? std::optional{length} : std::nullopt;
}

} // namespace

void body_memory::give_back::operator()(std::byte* memory) const noexcept {
    ::operator delete(memory);
    owner->free_ += size;
}

body_memory::body body_memory::try_take(std::size_t size) {
    auto free = free_.load();
    do {
        if (size > free)
            return {};
    } while (!free_.compare_exchange_weak(free, free - size));
    void* const memory = ::operator new(size, std::nothrow);
    if (memory == nullptr) {
        free_ += size;
        return {};
    }
    return body{static_cast<std::byte*>(memory), give_back{this, size}};
}

std::variant<failure, std::uint64_t> check_upload(
    const request_head& request, const upload_limits& limits) {
    const auto length = length_of(request);
    if (!length)
        return failure{status::length_required, "the request has no Content-Length"};
    if (*length > limits.most_bytes)
        return failure{
            status::payload_too_large,
            "the body has more than " + std::to_string(limits.most_bytes) + " bytes"};
    // RFC 9110 §14.5: a server that ignores the range would replace the file by a part of it.
    if (request.count(field::content_range) != 0)
        return failure{status::bad_request, "this server takes whole files only"};
    // The file would be sent without the coding later.
    if (request.count(field::content_encoding) != 0)
        return failure{status::unsupported_media_type, "this server takes no content codings"};
    if (request.count(field::expect) != 0 && !iequals(request[field::expect], "100-continue"))
        return failure{status::expectation_failed, "this server knows no such expectation"};
    return *length;
}

bool names_temporary_file(const request_path& path) {
    constexpr std::string_view mark = ".~asio_aio";
    const auto name = std::string_view{path.relative}.substr(path.relative.rfind('/') + 1);
    const auto at = name.rfind(mark);
    return name.starts_with('.') && at != name.npos &&
        name.find_first_not_of("0123456789", at + mark.size()) == name.npos;
}

std::optional<failure> check_upload_path(const request_path& path) {
    if (path.names_directory)
        return failure{status::conflict, "the path names a folder"};
    if (names_temporary_file(path))
        return failure{status::forbidden, "the server uses such names for temporary files"};
    return std::nullopt;
}

bool expects_continue(const request_head& request) {
    return request.version() == 11 && iequals(request[field::expect], "100-continue");
}

asio::awaitable<error_code> store(
    put_target target, body_memory::body content, [[maybe_unused]] call_limits::permit held) {
    asio_aio::replace_options options;
    options.follow_links = false; // a link that somebody makes now could lead out of the folder
    const auto [error] = co_await asio_aio::async_replace_file(
        co_await asio::this_coro::executor, target.path(),
        asio::buffer(content.get(), content.get_deleter().size), options, as_result);
    co_return error;
}

failure to_upload_failure(const error_code& error) {
    switch (error.value()) {
    case ENOENT:
    case ENOTDIR: return {status::conflict, "the folder of this file does not exist"};
    case EISDIR: return {status::conflict, "there is a folder of this name"};
    case EINVAL:
    case ELOOP: return {status::forbidden, "this is not a regular file"};
    case EFBIG: return {status::payload_too_large, "the filesystem takes no file of this size"};
    case ENOSPC:
    case EDQUOT: return {status::insufficient_storage, "there is no space for the file"};
    default: return to_failure(error);
    }
}

} // namespace file_server
