// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/config.hpp>

#include <string>
#include <type_traits>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// The errors of this library. All other errors are those of Asio, or an errno in the system
/// category.
enum class errc {
    /// No engine of the choice works here; `describe(context)` reports why. The library uses no
    /// other engine instead.
    engine_unavailable = 1,
    /// The environment or the file names an engine that does not exist, or the file cannot be read;
    /// `describe(context)` reports the details.
    invalid_choice,
    /// `options::single_issuer` is set, and more than one thread runs the context.
    wrong_thread
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

class asio_aio_category final : public sys::error_category {
public:
    const char* name() const noexcept override { return "asio_aio"; }

    std::string message(int value) const override {
        switch (errc(value)) {
        case errc::engine_unavailable:
            return "no engine of the choice is available (asio_aio::describe reports why)";
        case errc::invalid_choice:
            return "the choice of engines in ASIO_AIO_BACKEND, asio::config or a file is not valid "
                   "(asio_aio::describe names the fault)";
        case errc::wrong_thread:
            return "option single_issuer is set, and a second thread runs the context";
        }
        return "unknown error";
    }
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Returns the error category of `errc`, named "asio_aio".
inline const sys::error_category& error_category() noexcept {
    static const detail::asio_aio_category category;
    return category;
}

/// Makes an error code of an `errc`, for conversions from `errc` to `error_code`.
inline error_code make_error_code(errc value) noexcept {
    return {int(value), error_category()};
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

template <>
struct asio_aio::sys::is_error_code_enum<asio_aio::errc> : std::true_type {};
