// SPDX-License-Identifier: BSL-1.0

// An HTTP/1.1 server for the files of a folder. asio_aio performs every call that may wait for a
// disk, and reads several blocks ahead of the socket. A filesystem that hangs does not stop the
// files of others.

#include "options.hpp"
#include "server.hpp"

#include <csignal>
#include <ctime>
#include <exception>
#include <iostream>

#include <sys/resource.h>

namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

/// Raises the soft limit of descriptors. A connection takes two of them.
/** The usual soft limit of 1024 exists for programs that call select(2). */
void allow_many_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(int argc, const char* const* argv) {
    const auto options = file_server::parse_options(argc, argv);
    if (!options)
        return 0;
    file_server::server server{*options};
    std::cout << "listening on " << server.url() << "\nengine: " << server.engine() << std::endl;
    server.run();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    // The server goes on if the reader of its log has ended.
    std::signal(SIGPIPE, SIG_IGN);
    // Reads /etc/localtime now. Otherwise the first thread that formats a date reads it.
    ::tzset();
    allow_many_descriptors();
    try {
        return run(argc, argv);
    } catch (const file_server::usage_error& error) {
        std::cerr << "file_server: " << error.what() << '\n';
        return exit_usage;
    } catch (const std::exception& error) {
        std::cerr << "file_server: " << error.what() << '\n';
        return exit_failure;
    }
}
