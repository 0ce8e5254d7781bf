// SPDX-License-Identifier: BSL-1.0
// Counts the lines of a file with C++20 coroutines.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<void> count_lines(const char* path) {
    constexpr auto result = asio::as_tuple(asio::use_awaitable);
    asio_aio::random_access_file_aio file(co_await asio::this_coro::executor);
    co_await file.async_open(path, asio_aio::file_base::read_only, asio::use_awaitable);
    std::vector<char> block(64 * 1024);
    std::uint64_t bytes = 0;
    std::uint64_t lines = 0;
    for (;;) {
        const auto [ec, n] = co_await file.async_read_some_at(bytes, asio::buffer(block), result);
        if (ec == asio::error::eof)
            break;
        if (ec)
            throw boost::system::system_error(ec, "read");
        lines += std::uint64_t(std::count(block.begin(), block.begin() + std::ptrdiff_t(n), '\n'));
        bytes += n;
    }
    co_await file.async_close(asio::use_awaitable);
    std::cout << lines << " lines, " << bytes << " bytes\n";
}

int main(int argc, char* argv[]) try {
    if (argc != 2 || std::string_view(argv[1]) == "--help") {
        const bool asked = argc == 2;
        (asked ? std::cout : std::cerr) << "Usage: " << argv[0]
                                        << " FILE\n\n"
                                           "Counts the lines of FILE in a coroutine.\n";
        return asked ? 0 : 2;
    }
    asio::io_context ctx;
    asio::co_spawn(ctx, count_lines(argv[1]), [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error); // ends ctx.run()
    });
    ctx.run();
    return 0;
} catch (const std::exception& error) {
    std::cerr << "coroutines: " << error.what() << '\n';
    return 1;
}
