// SPDX-License-Identifier: BSL-1.0
#include "reply.hpp"

#include "conditional.hpp"
#include "http_date.hpp"
#include "mime.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/serializer.hpp>

#include <ctime>

namespace file_server {
namespace {

using http::field;
using http::status;

reply make_reply(const request_head& request, status result) {
    reply made;
    // A request that could not be parsed may have any version.
    made.head.version(request.version() == 10 ? 10 : 11);
    made.head.result(result);
    made.head.set(field::server, "asio_aio file_server");
    made.head.set(field::date, format_http_date(std::time(nullptr)));
    return made;
}

reply make_text_reply(const request_head& request, status result, const std::string& text) {
    reply made = make_reply(request, result);
    made.head.set(field::content_type, "text/plain; charset=utf-8");
    made.head.content_length(text.size());
    if (request.method() != http::verb::head)
        made.text = text;
    return made;
}

std::string content_range(const range_request& wanted, std::uint64_t size) {
    const auto total = "/" + std::to_string(size);
    if (wanted.kind == range_kind::unsatisfiable)
        return "bytes *" + total;
    const auto last = wanted.range.offset + wanted.range.length - 1;
    return "bytes " + std::to_string(wanted.range.offset) + "-" + std::to_string(last) + total;
}

range_request wanted_range(
    const request_head& request, const validators& version, std::uint64_t size) {
    range_request wanted;
    // RFC 9110 §14.2 defines a range for GET only.
    if (request.method() == http::verb::get && if_range_holds(request, version, std::time(nullptr)))
        wanted = parse_range(joined(request, field::range), size);
    if (wanted.kind == range_kind::whole)
        wanted.range = {0, size};
    return wanted;
}

void describe_version(response_head& head, const validators& version) {
    head.set(field::etag, version.etag);
    head.set(field::last_modified, format_http_date(version.last_modified));
}

} // namespace

std::optional<reply> check_request(const request_head& request, bool allows_put) {
    if (request.version() != 10 && request.version() != 11)
        return make_error_reply(
            request, {status::http_version_not_supported, "this server speaks HTTP/1.1"});
    // RFC 9112 §6.1: the end of such a body depends on codings that this server does not know.
    if (request.count(field::transfer_encoding) != 0)
        return make_error_reply(
            request, {status::not_implemented, "this server takes no transfer codings"});
    const auto hosts = request.count(field::host);
    if (hosts > 1 || (hosts == 0 && request.version() == 11))
        return make_error_reply(request, {status::bad_request, "the request needs one Host field"});
    const auto method = request.method();
    if (method == http::verb::get || method == http::verb::head ||
        (allows_put && method == http::verb::put))
        return std::nullopt;
    const std::string allowed = allows_put ? "GET, HEAD, PUT" : "GET, HEAD";
    auto refusal = make_error_reply(
        request, {status::method_not_allowed, "this server allows only " + allowed});
    refusal.head.set(field::allow, allowed);
    return refusal;
}

reply make_error_reply(const request_head& request, const failure& what) {
    const auto name = std::string{http::obsolete_reason(what.status)};
    const auto text =
        std::to_string(static_cast<unsigned>(what.status)) + " " + name + ": " + what.reason + "\n";
    reply made = make_text_reply(request, what.status, text);
    if (what.status == status::service_unavailable)
        made.head.set(field::retry_after, "1");
    return made;
}

reply make_directory_redirect(const request_head& request, const request_path& path) {
    const auto location = directory_target(path);
    reply made =
        make_text_reply(request, status::moved_permanently, "the folder is at " + location + "\n");
    made.head.set(field::location, location);
    return made;
}

reply make_file_reply(const request_head& request, const opened_file& opened) {
    const auto size = opened.status.size;
    const auto version = make_validators(opened.status);
    const auto condition = check_preconditions(request, version);
    if (condition == precondition::failed)
        return make_error_reply(
            request, {status::precondition_failed, "the file is not the requested version"});
    if (condition == precondition::not_modified) {
        reply made = make_reply(request, status::not_modified);
        describe_version(made.head, version);
        return made;
    }

    const auto wanted = wanted_range(request, version, size);
    if (wanted.kind == range_kind::unsatisfiable) {
        reply made = make_error_reply(
            request,
            {status::range_not_satisfiable, "the range begins behind the end of the file"});
        made.head.set(field::content_range, content_range(wanted, size));
        return made;
    }
    reply made =
        make_reply(request, wanted.kind == range_kind::part ? status::partial_content : status::ok);
    describe_version(made.head, version);
    made.head.set(field::accept_ranges, "bytes");
    made.head.set(field::content_type, content_type(opened.name));
    made.head.content_length(wanted.range.length);
    if (wanted.kind == range_kind::part)
        made.head.set(field::content_range, content_range(wanted, size));
    if (request.method() == http::verb::get)
        made.range = wanted.range;
    return made;
}

reply make_stored_reply(const request_head& request, bool is_new) {
    return is_new ? make_text_reply(request, status::created, "")
                  : make_reply(request, status::no_content);
}

std::string to_wire(response_head& head) {
    http::response_serializer<http::empty_body> serializer{head};
    std::string text;
    error_code error;
    serializer.next(
        error, [&](error_code&, const auto& buffers) { text = beast::buffers_to_string(buffers); });
    return text;
}

} // namespace file_server
