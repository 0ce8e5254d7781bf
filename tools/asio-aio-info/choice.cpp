// SPDX-License-Identifier: BSL-1.0
#include "choice.hpp"

#include <asio_aio/configure.hpp>
#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/io_context.hpp>

#include <string>

namespace info {

asio_aio::description find_choice() {
    constexpr char any_file[] = "/proc/self/exe";
    boost::asio::io_context context;
    asio_aio::random_access_file_aio file(context);
    boost::system::error_code ec;
    file.open(any_file, asio_aio::file_base::read_only, ec);
    asio_aio::description found = asio_aio::describe(context);
    if (!found.chosen && found.error.empty())
        found.error = std::string("cannot open ") + any_file + ": " + ec.message();
    return found;
}

} // namespace info
