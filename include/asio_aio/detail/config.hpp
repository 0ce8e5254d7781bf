// SPDX-License-Identifier: BSL-1.0
#pragma once

// Which Asio the headers use: Boost.Asio, or standalone Asio if ASIO_AIO_STANDALONE is defined.
//
// What depends on Asio lives in the inline namespace ASIO_AIO_FLAVOUR, so that a program may have
// translation units of both kinds. Everything else serves both, as does the compiled library.

#if __cplusplus < 201703L
# error "asio_aio needs C++17 or newer, such as -std=c++17"
#endif

// Before all other headers of Asio: an older version lacks some of them.
#if defined(ASIO_AIO_STANDALONE)

# if __has_include(<asio/version.hpp>)
#  include <asio/version.hpp>
# endif
# if !defined(ASIO_VERSION) || ASIO_VERSION < 102800
#  error "asio_aio with ASIO_AIO_STANDALONE needs standalone Asio 1.28 or newer"
# endif

# if !defined(__cpp_exceptions)
#  include <asio/detail/throw_exception.hpp>
#  include <cstdlib>
# endif
# include <system_error>

# define ASIO_AIO_FLAVOUR standalone_asio
namespace asio {}
namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {
namespace net = ::asio;
namespace sys = ::std;
} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

#else

# if __has_include(<boost/asio/version.hpp>)
#  include <boost/asio/version.hpp>
# endif
# if !defined(BOOST_ASIO_VERSION) || BOOST_ASIO_VERSION < 102600
#  error "asio_aio needs Boost 1.81 or newer, or ASIO_AIO_STANDALONE with standalone Asio"
# endif

# include <boost/system/error_category.hpp>
# include <boost/system/error_code.hpp>
# include <boost/system/system_error.hpp>
# include <boost/throw_exception.hpp>

# define ASIO_AIO_FLAVOUR boost_asio
namespace boost::asio {}
namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {
namespace net = ::boost::asio;
namespace sys = ::boost::system;
} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

#endif

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Asio's error code: `boost::system::error_code`, or `std::error_code` with standalone Asio.
using error_code = sys::error_code;

/// The exception of all functions that throw: `boost::system::system_error`, or
/// `std::system_error` with standalone Asio.
using system_error = sys::system_error;

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// Throws. In a program without exceptions it calls the function that such a program defines for
/// Asio: `boost::throw_exception`, or `asio::detail::throw_exception` with standalone Asio.
template <typename Exception>
[[noreturn]] void throw_exception(const Exception& exception) {
#if !defined(ASIO_AIO_STANDALONE)
    boost::throw_exception(exception);
#elif defined(__cpp_exceptions)
    throw exception;
#else
    net::detail::throw_exception(exception);
    std::abort(); // a function of the program may return
#endif
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
