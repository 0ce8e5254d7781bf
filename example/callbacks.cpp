// SPDX-License-Identifier: BSL-1.0
// Counts the lines of a file with callbacks: each completion starts the next read.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>
#include <vector>

namespace asio = boost::asio;

class line_counter {
public:
    line_counter(asio::io_context& ctx, const char* path)
        : file_(ctx, path, asio_aio::file_base::read_only), block_(64 * 1024) {}

    void start() {
        file_.async_read_some_at(
            offset_, asio::buffer(block_), [this](boost::system::error_code ec, std::size_t n) {
                lines_ += std::uint64_t(
                    std::count(block_.begin(), block_.begin() + std::ptrdiff_t(n), '\n'));
                offset_ += n;
                if (!ec)
                    start();
                else if (ec != asio::error::eof)
                    throw boost::system::system_error(ec, "read"); // ends ctx.run()
            });
    }

    std::uint64_t lines() const { return lines_; }
    std::uint64_t bytes() const { return offset_; }

private:
    asio_aio::random_access_file_aio file_;
    std::vector<char> block_;
    std::uint64_t offset_ = 0;
    std::uint64_t lines_ = 0;
};

int main(int argc, char* argv[]) try {
    if (argc != 2 || std::string_view(argv[1]) == "--help") {
        const bool asked = argc == 2;
        (asked ? std::cout : std::cerr) << "Usage: " << argv[0]
                                        << " FILE\n\n"
                                           "Counts the lines of FILE with callbacks.\n";
        return asked ? 0 : 2;
    }
    asio::io_context ctx;
    line_counter counter(ctx, argv[1]);
    counter.start();
    ctx.run();
    std::cout << counter.lines() << " lines, " << counter.bytes() << " bytes\n";
    return 0;
} catch (const std::exception& error) {
    std::cerr << "callbacks: " << error.what() << '\n';
    return 1;
}
