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

/// Sets how files of `context` are served. To be called before the first of them is opened.
/**
 * @param context Any execution context.
 * @param opts    Copied. `opts.choice` takes precedence over environment and file.
 *
 * @par Errors
 * `asio::error::already_open` once a file was opened: its engines are made and do not change;
 * `invalid_argument` where a value is out of its range, or options exclude each other. Whether an
 * engine of the choice works is found out when the first file is opened.
 *
 * @par Thread safety
 * Safe.
 */
inline boost::system::error_code configure(
    boost::asio::execution_context& context, const options& opts, boost::system::error_code& ec) {
    return ec = detail::to_error(
               boost::asio::use_service<detail::file_service>(context).scheduler().configure(opts));
}

/// The same, throwing `boost::system::system_error`.
inline void configure(boost::asio::execution_context& context, const options& opts) {
    boost::system::error_code ec;
    configure(context, opts, ec);
    detail::throw_if(
        ec,
        "configure: " +
            (ec == boost::asio::error::already_open ? "a file was opened on this context before"
                                                    : detail::find_fault(opts)));
}

/// What `context` chose, from which source, and why better engines were passed over. Thread-safe.
inline description describe(boost::asio::execution_context& context) {
    return boost::asio::use_service<detail::file_service>(context).scheduler().describe();
}

/// The counters of `context` so far. Thread-safe; a snapshot that is not taken at one instant.
inline context_statistics statistics(boost::asio::execution_context& context) {
    return boost::asio::use_service<detail::file_service>(context).scheduler().count();
}

} // namespace asio_aio
