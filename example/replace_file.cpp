// SPDX-License-Identifier: BSL-1.0
// Replaces the content of a file by standard input. Whatever happens meanwhile, readers see the
// whole old content or the whole new one.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>

#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

namespace asio = boost::asio;

int main(int argc, char* argv[]) {
    if (argc != 2 || std::string_view(argv[1]) == "--help") {
        const bool asked = argc == 2;
        (asked ? std::cout : std::cerr) << "Usage: " << argv[0]
                                        << " FILE <content\n\n"
                                           "Replaces the content of FILE by standard input. "
                                           "Whatever happens meanwhile, readers\n"
                                           "see the whole old content or the whole new one.\n";
        return asked ? 0 : 2;
    }
    const std::string content{
        std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
    asio::io_context ctx;
    int status = 1;
    asio_aio::async_replace_file(
        ctx, argv[1], asio::buffer(content), [&](boost::system::error_code ec) {
            if (ec)
                std::cerr << "replace_file: " << argv[1] << ": " << ec.message() << '\n';
            else
                std::cout << content.size() << " bytes are on the device\n";
            status = ec ? 1 : 0;
        });
    ctx.run();
    return status;
}
