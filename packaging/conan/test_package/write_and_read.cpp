// SPDX-License-Identifier: BSL-1.0
// Writes a file and reads it back, with the Asio that the package was made for.
#include <asio_aio/asio_aio.hpp>

#include <cstddef>
#include <iostream>
#include <string>

int main() {
    namespace net = asio_aio::net; // boost::asio or asio
    const std::string text = "written and read by asio_aio\n";
    std::string found(text.size(), '\0');
    net::io_context context;
    asio_aio::random_access_file_aio file(
        context, "write_and_read.txt",
        asio_aio::file_base::read_write | asio_aio::file_base::create |
            asio_aio::file_base::truncate);
    net::async_write_at(
        file, 0, net::buffer(text), [&](asio_aio::error_code written, std::size_t) {
            if (!written)
                net::async_read_at(
                    file, 0, net::buffer(found), [](asio_aio::error_code, std::size_t) {});
        });
    context.run();
    std::cout << found;
    return found == text ? 0 : 1;
}
