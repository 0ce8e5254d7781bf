// SPDX-License-Identifier: BSL-1.0
// Counts the lines of a file with futures. A thread of the asio::thread_pool runs the completions,
// and the main thread waits for the futures.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <future>
#include <iostream>
#include <string_view>
#include <vector>

namespace asio = boost::asio;

int main(int argc, char* argv[]) try {
    if (argc != 2 || std::string_view(argv[1]) == "--help") {
        const bool asked = argc == 2;
        (asked ? std::cout : std::cerr) << "Usage: " << argv[0]
                                        << " FILE\n\n"
                                           "Counts the lines of FILE with futures.\n";
        return asked ? 0 : 2;
    }
    constexpr std::size_t block_bytes = 64 * 1024;
    // Declared before the context: if an exception ends this function, the context is destroyed
    // first, which ends all reads into these blocks.
    std::array<std::vector<char>, 2> blocks{
        std::vector<char>(block_bytes), std::vector<char>(block_bytes)};
    asio::thread_pool context(1);
    asio_aio::random_access_file_aio file(context, argv[1], asio_aio::file_base::read_only);
    const std::uint64_t bytes = file.size();

    const auto read = [&](std::uint64_t offset) {
        return file.async_read_some_at(
            offset, asio::buffer(blocks[offset / block_bytes % 2]), asio::use_future);
    };
    std::uint64_t lines = 0;
    std::future<std::size_t> next;
    if (bytes != 0)
        next = read(0);
    for (std::uint64_t offset = 0; offset < bytes; offset += block_bytes) {
        std::future<std::size_t> current = std::move(next);
        if (offset + block_bytes < bytes)
            next = read(offset + block_bytes);
        std::size_t n = current.get(); // throws if the read failed
        const auto& block = blocks[offset / block_bytes % 2];
        lines += std::uint64_t(std::count(block.begin(), block.begin() + std::ptrdiff_t(n), '\n'));
        if (n != std::min<std::uint64_t>(block_bytes, bytes - offset))
            throw std::runtime_error("the file became shorter while it was read");
    }
    std::cout << lines << " lines, " << bytes << " bytes\n";
    return 0;
} catch (const std::exception& error) {
    std::cerr << "futures: " << error.what() << '\n';
    return 1;
}
