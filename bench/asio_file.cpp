// SPDX-License-Identifier: BSL-1.0
// The contestant asio::random_access_file. CMake builds this source twice: with epoll for sockets
// and io_uring for files, as in most programs, and with all of Asio on io_uring.
#include <boost/asio/random_access_file.hpp>

#include "asio_worker.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace {

namespace asio = boost::asio;

// Boost 1.81: if a program starts reads on 1000 objects at once, 128 of them complete.
constexpr unsigned most_objects_at_once = 128;

/// Asio creates its ring with the first file, and throws if the kernel refuses it.
std::shared_ptr<void> check_ring(asio::io_context& context, const std::vector<bench::place>&) try {
    asio::random_access_file file(context);
    return nullptr;
} catch (const boost::system::system_error& error) {
    throw bench::cannot_run(error.what());
}

void run(bench::job& task, const bench::asio_settings& settings) {
    if (std::min(task.wanted.files, task.wanted.depth * task.wanted.threads) > most_objects_at_once)
        throw bench::cannot_run(
            "asio::random_access_file stalls if operations are in flight on more than 128 objects");
#if defined(BOOST_ASIO_HAS_IO_URING_AS_DEFAULT)
    task.engine = "io_uring alone";
#else
    task.engine = "io_uring beside epoll";
#endif
    task.notes = settings.token;
    bench::run_asio<asio::random_access_file>(task, settings, check_ring);
}

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("boost::asio::random_access_file.");
    bench::asio_settings settings;
    settings.add_to(options);
    return bench::run_contestant(
        argc, argv, "asio::random_access_file", options,
        [&](bench::job& task) { run(task, settings); });
}
