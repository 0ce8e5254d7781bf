// SPDX-License-Identifier: BSL-1.0
// Prints the longest line of a file. The file is a stream, which asio::async_read_until reads.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

namespace asio = boost::asio;

asio::awaitable<void> find_longest_line(const char* path) {
    asio_aio::stream_file_aio file(co_await asio::this_coro::executor);
    co_await file.async_open(path, asio_aio::file_base::read_only, asio::use_awaitable);
    std::string buffer; // may contain the start of later lines, too
    std::size_t lines = 0, longest = 0;
    for (bool at_end = false; !at_end;) {
        const auto [ec, n] = co_await asio::async_read_until(
            file, asio::dynamic_buffer(buffer), '\n', asio::as_tuple(asio::use_awaitable));
        if (ec && ec != asio::error::eof)
            throw boost::system::system_error(ec, "read");
        at_end = ec == asio::error::eof;
        const std::size_t length = at_end ? buffer.size() : n - 1; // without the newline
        if (at_end && length == 0)
            break;
        ++lines;
        longest = std::max(longest, length);
        buffer.erase(0, at_end ? length : n);
    }
    std::cout << lines << " lines, the longest has " << longest << " bytes\n";
}

int main(int argc, char* argv[]) try {
    if (argc != 2 || std::string_view(argv[1]) == "--help") {
        const bool asked = argc == 2;
        (asked ? std::cout : std::cerr) << "Usage: " << argv[0]
                                        << " FILE\n\n"
                                           "Prints the longest line of FILE.\n";
        return asked ? 0 : 2;
    }
    asio::io_context ctx;
    asio::co_spawn(ctx, find_longest_line(argv[1]), [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error); // ends ctx.run()
    });
    ctx.run();
    return 0;
} catch (const std::exception& error) {
    std::cerr << "read_lines: " << error.what() << '\n';
    return 1;
}
