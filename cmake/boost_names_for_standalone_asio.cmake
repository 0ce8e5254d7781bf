# SPDX-License-Identifier: BSL-1.0
# For tests: headers by which sources written for Boost.Asio compile with standalone Asio.

# asio_aio_make_boost_names(<include folder of Asio> <folder>): <folder>/boost/asio/x.hpp includes
# asio/x.hpp, and `boost::asio` and `boost::system` name `asio` and `std`.
function(asio_aio_make_boost_names asio folder)
    file(WRITE ${folder}/boost/asio/names.hpp "#pragma once
#include <asio/version.hpp>
#include <system_error>
#include <type_traits>
namespace asio {}
namespace boost {
namespace asio = ::asio;
namespace system = ::std;
} // namespace boost
#define BOOST_ASIO_VERSION ASIO_VERSION
")
    file(GLOB_RECURSE headers RELATIVE ${asio} ${asio}/asio/*.hpp ${asio}/asio.hpp)
    list(FILTER headers EXCLUDE REGEX "/(detail|impl)/")
    foreach(header IN LISTS headers)
        file(WRITE ${folder}/boost/${header}
            "#include <boost/asio/names.hpp>\n#include <${header}>\n")
    endforeach()
    foreach(header error_code error_category system_error system_category generic_category errc)
        file(WRITE ${folder}/boost/system/${header}.hpp "#include <boost/asio/names.hpp>\n")
    endforeach()
endfunction()
