// SPDX-License-Identifier: BSL-1.0
// One program with both flavours and one compiled library. Each has its own service and its own
// contexts.
#include <cstdlib>
#include <iostream>
#include <string>

std::string with_boost_asio(const std::string& path, const std::string& text);
std::string with_standalone_asio(const std::string& path, const std::string& text);

int main() {
    const char* const folder = std::getenv("ASIO_AIO_TEST_DIR");
    const std::string path = std::string(folder ? folder : ".") + "/two_flavours";
    bool good = true;
    const auto check = [&](const std::string& found, const std::string& text) {
        std::cout << found << '\n';
        good = good && found == text + ", refused";
    };
    check(with_boost_asio(path, "by Boost.Asio"), "by Boost.Asio");
    check(with_standalone_asio(path, "by standalone Asio"), "by standalone Asio");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
