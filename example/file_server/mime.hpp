// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

namespace file_server {

/// The media type for a file's name, by its extension; `application/octet-stream` when it is not
/// known.
std::string_view content_type(std::string_view path);

} // namespace file_server
