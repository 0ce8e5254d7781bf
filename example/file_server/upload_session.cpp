// SPDX-License-Identifier: BSL-1.0

// The requests that write: PUT.

#include "conditional.hpp"
#include "session.hpp"

#include <boost/asio/buffer.hpp>

#include <string_view>

namespace file_server {

using http::status;

/// Stores the body of a PUT request. Sets `has_read_body` when the next bytes are a request.
asio::awaitable<reply> session::take_upload(const request_head& request, bool& has_read_body) {
    has_read_body = false;
    const auto refuse = [&request](const failure& why) { return make_error_reply(request, why); };
    const auto decoded = decode_target(request.target());
    if (const auto* refusal = std::get_if<failure>(&decoded))
        co_return refuse(*refusal);
    const auto& path = std::get<request_path>(decoded);
    if (const auto refusal = check_upload_path(path))
        co_return refuse(*refusal);
    const auto length = check_upload(request, settings_.uploads);
    if (const auto* refusal = std::get_if<failure>(&length))
        co_return refuse(*refusal);

    auto found = co_await find_place(path);
    if (const auto* refusal = std::get_if<failure>(&found))
        co_return refuse(*refusal);
    auto& target = std::get<put_target>(found);
    const bool is_new = !target.old;
    if (!may_replace(request, is_new ? std::nullopt : std::optional{make_validators(*target.old)}))
        co_return refuse({status::precondition_failed, "the file is not the requested version"});
    auto body = settings_.bodies.try_take(std::get<std::uint64_t>(length));
    if (!body)
        co_return refuse({status::service_unavailable, "the memory for bodies is in use"});

    if (const auto error = co_await receive_body(request, body)) {
        trouble_ = "body: " + error.message();
        co_return refuse({status::request_timeout, "the body did not arrive: " + error.message()});
    }
    has_read_body = true;
    const auto error = co_await put_in_place(path, std::move(target), std::move(body));
    co_return error ? refuse(*error) : make_stored_reply(request, is_new);
}

asio::awaitable<put_result> session::find_place(const request_path& path) {
    auto permit = co_await permit_for(path);
    if (!permit)
        co_return failure{status::service_unavailable, too_many_calls};
    auto found = co_await wait_at_most(
        settings_.folder.find_place(path, std::move(permit)), settings_.open_timeout);
    if (!found)
        co_return failure{status::gateway_timeout, no_answer};
    co_return std::move(*found);
}

asio::awaitable<error_code> session::receive_body(
    const request_head& request, const body_memory::body& into) {
    // Slower clients would keep the memory for bodies from others.
    constexpr std::size_t least_rate = std::size_t{16} * 1024; // bytes per second
    const auto size = into.get_deleter().size;
    if (expects_continue(request) && size != 0) {
        constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        if (const auto error = co_await write(go_on, {}))
            co_return error;
    }
    co_return co_await requests_.read_body(
        asio::buffer(into.get(), size),
        settings_.timeout + std::chrono::seconds{size / least_rate});
}

/// Empty after success.
asio::awaitable<std::optional<failure>> session::put_in_place(
    const request_path& path, put_target target, body_memory::body body) {
    auto permit = co_await permit_for(path);
    if (!permit)
        co_return failure{status::service_unavailable, too_many_calls};
    const auto error = co_await wait_at_most(
        store(std::move(target), std::move(body), std::move(permit)), settings_.timeout);
    if (!error)
        co_return failure{status::gateway_timeout, "the file is not stored yet"};
    if (*error)
        co_return to_upload_failure(*error);
    co_return std::nullopt;
}

} // namespace file_server
