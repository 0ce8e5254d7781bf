// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/core/scheduler.hpp>
#include <asio_aio/options.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace asio_aio::detail {

/// A list of engines and who asked for it; `error` says what is wrong with the list, and is empty
/// where nothing is.
struct choice {
    std::vector<backend> engines;
    choice_source source = choice_source::automatic;
    std::string origin;
    std::string error;
};

/// Parses "io_uring, thread_pool"; an unknown word is quoted in `error` together with the known
/// ones.
choice parse_choice(std::string_view list, choice_source source, std::string origin);

/// The choice of code (`from_code`, where not empty), environment, file, or automatic: the first
/// that says something.
choice find_choice(const std::vector<backend>& from_code);

/// Tries the engines of `wanted` in order, with the flags that `opts` ask for; `factory` then makes
/// the first that works.
struct selection {
    description what;
    engine_factory factory; ///< Empty where none works; `what.error` says why.
};

selection select_engine(const choice& wanted, const options& opts);

} // namespace asio_aio::detail
