// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/replace_file/target_file.hpp"

namespace asio_aio::detail::path_calls {

/// Gives the new file owner, permissions and extended attributes of the old one. Throws
/// std::system_error if one of them may not be set; extended attributes are copied as far as the
/// kernel permits.
void copy_metadata(const old_file& from, int to);

} // namespace asio_aio::detail::path_calls
