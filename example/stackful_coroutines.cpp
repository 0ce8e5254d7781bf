// SPDX-License-Identifier: BSL-1.0
// Counts the lines of a file with stackful coroutines (asio::spawn, Boost.Context).
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/spawn.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>
#include <vector>

namespace asio = boost::asio;

void count_lines(const char* path, asio::yield_context yield) {
    asio_aio::random_access_file_aio file(
        yield.get_executor(), path, asio_aio::file_base::read_only);
    std::vector<char> block(64 * 1024);
    std::uint64_t bytes = 0;
    std::uint64_t lines = 0;
    for (;;) {
        boost::system::error_code ec;
        const std::size_t n = file.async_read_some_at(bytes, asio::buffer(block), yield[ec]);
        if (ec == asio::error::eof)
            break;
        if (ec)
            throw boost::system::system_error(ec, "read");
        lines += std::uint64_t(std::count(block.begin(), block.begin() + std::ptrdiff_t(n), '\n'));
        bytes += n;
    }
    std::cout << lines << " lines, " << bytes << " bytes\n";
}

int main(int argc, char* argv[]) try {
    if (argc != 2 || std::string_view(argv[1]) == "--help") {
        const bool asked = argc == 2;
        (asked ? std::cout : std::cerr) << "Usage: " << argv[0]
                                        << " FILE\n\n"
                                           "Counts the lines of FILE in a stackful coroutine.\n";
        return asked ? 0 : 2;
    }
    asio::io_context ctx;
    const auto rethrow = [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error); // ends ctx.run()
    };
    asio::spawn(
        ctx, [path = argv[1]](asio::yield_context yield) { count_lines(path, yield); }, rethrow);
    ctx.run();
    return 0;
} catch (const std::exception& error) {
    std::cerr << "stackful_coroutines: " << error.what() << '\n';
    return 1;
}
