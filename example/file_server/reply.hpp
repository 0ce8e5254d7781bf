// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "failure.hpp"
#include "http_range.hpp"
#include "net.hpp"
#include "request_path.hpp"
#include "served_folder.hpp"

#include <optional>
#include <string>

namespace file_server {

/// A response without its body: the header, and what the body is to be made of.
struct reply {
    response_head head;
    std::string text; ///< The body when no file is sent.
    byte_range range; ///< The part of the file that is the body; empty when no file is sent.
};

/// What is wrong with `request` before its target is looked at; nothing for a request that can be
/// served.
std::optional<reply> check_request(const request_head& request);

reply make_error_reply(const request_head& request, const failure& what);

/// 301 to the same path with a slash at its end.
reply make_directory_redirect(const request_head& request, const request_path& path);

/// 200, 206, 304, 412 or 416, as the request's conditions and range say.
reply make_file_reply(const request_head& request, const opened_file& opened);

/// The header as it goes over the wire.
std::string to_wire(response_head& head);

} // namespace file_server
