// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/backend.hpp>
#include <asio_aio/detail/file_service.hpp>
#include <asio_aio/options.hpp>
#include <asio_aio/statistics.hpp>

#include <string>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Sets the options of `context`. Call it before the context chooses its engines: before the first
/// open of a file, the first call on a path, and the first registration of buffers.
/**
 * @param context Any execution context.
 * @param opts    The options; copied. `opts.choice` takes precedence over the environment and the
 *                file.
 *
 * @par Errors
 * `asio::error::already_open` if the engines are chosen: those of a context do not change.
 * `invalid_argument` if a value is out of range or two options exclude each other. The first open
 * of a file reports whether an engine of the choice works.
 *
 * @par Thread safety
 * Safe.
 */
inline error_code configure(net::execution_context& context, const options& opts, error_code& ec) {
    return ec = detail::to_error(
               net::use_service<detail::file_service>(context).scheduler().configure(opts));
}

/// As above, but throws `boost::system::system_error`, whose text names the option.
inline void configure(net::execution_context& context, const options& opts) {
    error_code ec;
    configure(context, opts, ec);
    detail::throw_if(
        ec,
        "configure: " +
            (ec == net::error::already_open ? "the engines of this context are chosen already"
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
inline description describe(net::execution_context& context) {
    return net::use_service<detail::file_service>(context).scheduler().describe();
}

/// Returns the counters of `context`.
/**
 * @par Thread safety
 * Safe. The counters are not read at one instant; see `context_statistics`.
 */
inline context_statistics statistics(net::execution_context& context) {
    return net::use_service<detail::file_service>(context).scheduler().count();
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
