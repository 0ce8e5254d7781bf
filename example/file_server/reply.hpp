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

/// The header of a response, and the source of its body.
struct reply {
    response_head head;
    std::string text; ///< The body if no file is sent.
    byte_range range; ///< The part of the file that is the body; empty if no file is sent.
};

/// Checks the fields in `request` that every method needs, and the method. Empty if they are right.
std::optional<reply> check_request(const request_head& request, bool allows_put);

reply make_error_reply(const request_head& request, const failure& what);

/// A 301 response to the same path with a slash at its end.
reply make_directory_redirect(const request_head& request, const request_path& path);

/// A 200, 206, 304, 412 or 416 response, depending on the request's conditions and range.
reply make_file_reply(const request_head& request, const opened_file& opened);

/// A 201 or 204 response, for a new file or a replaced one.
reply make_stored_reply(const request_head& request, bool is_new);

/// The header as bytes for the socket.
std::string to_wire(response_head& head);

} // namespace file_server
