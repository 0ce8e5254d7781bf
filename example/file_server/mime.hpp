// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

namespace file_server {

/// The media type for the extension of a file name.
/** `application/octet-stream` if the extension is unknown. */
std::string_view content_type(std::string_view path);

} // namespace file_server
