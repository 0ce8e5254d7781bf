// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/file_service.hpp>
#include <asio_aio/options.hpp>
#include <asio_aio/statistics.hpp>

#include <boost/asio/execution_context.hpp>
#include <boost/system/error_code.hpp>

#include <string>

namespace asio_aio {

/// Sets the options of `context`. Call it before the first file on this context is opened.
/**
 * @param context Any execution context.
 * @param opts    The options; copied. `opts.choice` takes precedence over the environment and the
 *                file.
 *
 * @par Errors
 * `asio::error::already_open` if a file was opened before: the engines of a context do not change.
 * `invalid_argument` if a value is out of range or two options exclude each other. The first open
 * of a file reports whether an engine of the choice works.
 *
 * @par Thread safety
 * Safe.
 */
inline boost::system::error_code configure(
    boost::asio::execution_context& context, const options& opts, boost::system::error_code& ec) {
    return ec = detail::to_error(
               boost::asio::use_service<detail::file_service>(context).scheduler().configure(opts));
}

/// As above, but throws `boost::system::system_error`, whose text names the option.
inline void configure(boost::asio::execution_context& context, const options& opts) {
    boost::system::error_code ec;
    configure(context, opts, ec);
    detail::throw_if(
        ec,
        "configure: " +
            (ec == boost::asio::error::already_open ? "a file was opened on this context before"
                                                    : detail::find_fault(opts)));
}

/// Returns what `context` chose, from which source, and why better engines were passed over.
/**
 * May wait while another thread opens the first file.
 *
 * @par Errors
 * Throws `std::bad_alloc`.
 *
 * @par Thread safety
 * Safe.
 */
inline description describe(boost::asio::execution_context& context) {
    return boost::asio::use_service<detail::file_service>(context).scheduler().describe();
}

/// Returns the counters of `context`.
/**
 * @par Thread safety
 * Safe. The counters are not read at one instant; see `context_statistics`.
 */
inline context_statistics statistics(boost::asio::execution_context& context) {
    return boost::asio::use_service<detail::file_service>(context).scheduler().count();
}

} // namespace asio_aio
