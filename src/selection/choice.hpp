// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/scheduler.hpp>
#include <asio_aio/options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace asio_aio::detail {

/// A list of engines and its source. `error` describes what is wrong with the list; it is empty if
/// nothing is.
struct choice {
    std::vector<backend> engines;
    choice_source source = choice_source::automatic;
    std::string origin;
    std::string error;
};

/// Parses a list such as "io_uring, thread_pool". If a word is unknown, `error` quotes it and lists
/// the known names.
choice parse_choice(std::string_view list, choice_source source, std::string origin);

/// Parses the depth of a queue: digits, with blanks around them. Returns nothing if the text is
/// anything else or the depth is out of range, and 0 if the text is empty.
std::optional<unsigned> parse_queue_depth(std::string_view text);

/// Returns the choice of the first source that names an engine: code (`from_code`), the list of
/// Asio's configuration (`from_config`), environment, file, automatic.
choice find_choice(const std::vector<backend>& from_code, std::string_view from_config);

/// The result of `select_engine`; `factory` makes the first engine that works, and the pool.
struct selection {
    description what;
    engine_factory factory; ///< Empty if no engine works; `what.error` describes why.
};

/// Tries the engines of `wanted` in order, with the options `opts`.
selection select_engine(const choice& wanted, const options& opts);

} // namespace asio_aio::detail
