// SPDX-License-Identifier: BSL-1.0
// A program without exceptions and without run-time type information. It defines the functions that
// Asio calls instead of throwing; the library calls the same ones.
#include <asio_aio/asio_aio.hpp>

#if defined(ASIO_AIO_STANDALONE)
# include <asio/read_at.hpp>
# include <asio/write_at.hpp>
#else
# include <boost/asio/read_at.hpp>
# include <boost/asio/write_at.hpp>
#endif

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

namespace {

const char* expected_text = nullptr;

[[noreturn]] void end_with(const std::exception& thrown) {
    const bool good = expected_text && std::strstr(thrown.what(), expected_text);
    std::printf("%s: %s\n", good ? "as expected" : "not expected", thrown.what());
    std::fflush(stdout);
    std::_Exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}

} // namespace

#if defined(ASIO_AIO_STANDALONE)

namespace asio::detail {

template <typename Exception>
void throw_exception(const Exception& thrown) {
    end_with(thrown);
}

} // namespace asio::detail

#else

namespace boost {

void throw_exception(const std::exception& thrown) {
    end_with(thrown);
}

void throw_exception(const std::exception& thrown, const boost::source_location&) {
    end_with(thrown);
}

} // namespace boost

#endif

int main() {
    namespace net = asio_aio::net;
    using asio_aio::error_code;
    using asio_aio::file_base;
    const char* const folder = std::getenv("ASIO_AIO_TEST_DIR");
    const std::string path = std::string(folder ? folder : ".") + "/no_exceptions";
    const std::string text = "neither thrown nor caught";
    std::string found(text.size(), '\0');
    net::io_context context;
    asio_aio::random_access_file_aio file(context);
    file.async_open(path, file_base::read_write | file_base::create, [&](error_code opened) {
        if (!opened)
            net::async_write_at(file, 0, net::buffer(text), [&](error_code written, std::size_t) {
                if (!written)
                    net::async_read_at(file, 0, net::buffer(found), [](error_code, std::size_t) {});
            });
    });
    context.run();
    if (found != text) {
        std::printf("read \"%s\"\n", found.c_str());
        return EXIT_FAILURE;
    }
    expected_text = "/missing/no_exceptions";
    asio_aio::random_access_file_aio other(context, "/missing/no_exceptions", file_base::read_only);
    std::puts("the open of a missing file did not call throw_exception");
    return EXIT_FAILURE;
}
