// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

#include <string>

namespace asio_aio {

/// Errors of this library itself; everything else is an errno in the system category or one of
/// Asio's own.
enum class errc {
    /// No engine of the choice works here; `describe(context)` says why. Nothing else is used in
    /// its place.
    engine_unavailable = 1,
    /// Environment or file name an engine that does not exist; `describe(context)` quotes it.
    invalid_choice,
    /// `options::single_issuer` is set, and another thread than the first runs the context.
    wrong_thread
};

namespace detail {

class asio_aio_category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "asio_aio"; }

    std::string message(int value) const override {
        switch (errc(value)) {
        case errc::engine_unavailable:
            return "no engine of the choice is available (asio_aio::describe says why)";
        case errc::invalid_choice:
            return "the choice of engines is not valid (asio_aio::describe says why)";
        case errc::wrong_thread:
            return "option single_issuer is set, and a second thread runs the context";
        }
        return "unknown error";
    }
};

} // namespace detail

inline const boost::system::error_category& error_category() noexcept {
    static const detail::asio_aio_category category;
    return category;
}

inline boost::system::error_code make_error_code(errc value) noexcept {
    return {int(value), error_category()};
}

} // namespace asio_aio

namespace boost::system {

template <>
struct is_error_code_enum<asio_aio::errc> : std::true_type {};

} // namespace boost::system
