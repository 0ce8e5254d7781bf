// SPDX-License-Identifier: BSL-1.0
#include "server.hpp"

#include "log.hpp"

#include <asio_aio/configure.hpp>
#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace file_server {
namespace {

/// The number of opens and similar calls that the library performs at a time, which is half of its
/// threads. With this limit no call waits in the library behind calls that hang.
std::size_t most_opens(const asio_aio::options& options) {
    return std::max<std::size_t>(options.max_threads / 2, 1);
}

/// Ends the server if its accept loop has failed.
void rethrow(const std::exception_ptr& failed) {
    if (failed)
        std::rethrow_exception(failed);
}

served_folder open_root(const std::string& path, call_limits& limits) {
    try {
        return {path, limits};
    } catch (const std::system_error& error) {
        throw usage_error(
            "--root: \"" + path + "\" is not a folder that can be served: " + error.what());
    }
}

void give_up(int) {
    constexpr std::string_view words =
        "file_server: a call for a file does not end; the server ends without it\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, words.data(), words.size());
    std::_Exit(EXIT_FAILURE);
}

/// Ends the process after `limit`, even if a lost network filesystem blocks a thread for good.
void give_up_after(std::chrono::seconds limit) {
    std::signal(SIGALRM, give_up);
    ::alarm(static_cast<unsigned>(limit.count()));
}

} // namespace

server::server(const server_options& options)
    : opens_(most_opens(options.files)),
      reads_(options.files.max_threads - most_opens(options.files)),
      folder_(open_root(options.root, opens_)),
      blocks_(options.plan.block_size, options.buffer_memory / options.plan.block_size),
      bodies_(options.upload_memory),
      max_connections_(options.max_connections),
      drain_limit_(options.drain_limit),
      settings_{
          folder_,
          reads_,
          blocks_,
          bodies_,
          options.plan,
          options.uploads,
          options.open_timeout,
          options.header_timeout,
          options.timeout,
          options.quiet},
      control_(asio::make_strand(context_)),
      acceptor_(control_),
      signals_(control_, SIGINT, SIGTERM),
      pause_(control_),
      drain_(control_),
      other_threads_(context_, options.threads - 1, "for connections, besides the first,") {
    start_engine(options.files);
    listen(options);
}

void server::start_engine(const asio_aio::options& options) {
    try {
        asio_aio::configure(context_, options);
        // The context chooses its engine when its first file is opened. Opening one here reports a
        // choice that does not work at start.
        asio_aio::random_access_file_aio first(
            context_, "/proc/self/exe", asio_aio::file_base::read_only);
    } catch (const std::exception& error) {
        const std::string why = asio_aio::describe(context_).error;
        throw std::runtime_error(
            "the files cannot be served: " + (why.empty() ? error.what() : why));
    }
}

void server::listen(const server_options& options) {
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error)
        throw usage_error("--address: \"" + options.address + "\" is not an IPv4 or IPv6 address");
    try {
        const tcp::endpoint endpoint{address, options.port};
        acceptor_.open(endpoint.protocol());
        acceptor_.set_option(asio::socket_base::reuse_address(true));
        acceptor_.bind(endpoint);
        acceptor_.listen();
    } catch (const boost::system::system_error& failed) {
        const auto where =
            "--address " + options.address + " --port " + std::to_string(options.port);
        throw std::runtime_error(where + ": " + failed.code().message());
    }
}

std::string server::url() const {
    const auto endpoint = acceptor_.local_endpoint();
    const auto address = endpoint.address().to_string();
    return "http://" + (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
        std::to_string(endpoint.port());
}

std::string server::engine() {
    return to_string(asio_aio::describe(context_));
}

void server::run() {
    asio::co_spawn(control_, accept_connections(), rethrow);
    asio::co_spawn(control_, wait_for_signals(), rethrow);
    other_threads_.finish();
    // noexcept: an exception here is a defect, which a server with one thread less would hide.
    [this]() noexcept { context_.run(); }();
    other_threads_.join();
    // From here on a signal ends the process at once.
    signals_.clear();
}

asio::awaitable<void> server::accept_connections() {
    constexpr auto retry = std::chrono::milliseconds{100};
    error_code last_error; // logs a repeated error once
    while (!stopping_) {
        if (sessions_.size() >= max_connections_) {
            pause_.expires_at(asio::steady_timer::time_point::max());
            co_await pause_.async_wait(as_result);
            continue;
        }
        auto [error, socket] =
            co_await acceptor_.async_accept(asio::make_strand(context_), as_result);
        if (stopping_)
            break;
        if (!error) {
            last_error = {};
            serve(std::move(socket));
            continue;
        }
        // Probably out of descriptors or memory. The connection stays in the queue, so a retry
        // without a pause would only take CPU time.
        if (std::exchange(last_error, error) != error)
            log_line("accept: " + error.message());
        pause_.expires_after(retry);
        co_await pause_.async_wait(as_result);
    }
}

void server::serve(tcp_socket socket) {
    const auto connection = std::make_shared<session>(std::move(socket), settings_);
    sessions_.insert(connection);
    auto when_over = [this, connection](const std::exception_ptr& failed) {
        forget(connection, failed);
    };
    asio::co_spawn(
        connection->get_executor(), connection->run(),
        asio::bind_executor(control_, std::move(when_over)));
}

void server::forget(const std::shared_ptr<session>& connection, const std::exception_ptr& failed) {
    try {
        if (failed)
            std::rethrow_exception(failed);
    } catch (const std::exception& error) {
        log_line(std::string("connection: ") + error.what());
    }
    sessions_.erase(connection);
    pause_.cancel();
    if (stopping_ && sessions_.empty()) {
        signals_.cancel();
        drain_.cancel();
    }
}

asio::awaitable<void> server::wait_for_signals() {
    co_await signals_.async_wait(as_result);
    stop();
    if (sessions_.empty())
        co_return;
    drain_.expires_after(drain_limit_);
    drain_.async_wait([this](error_code over) {
        if (!over)
            cut_off_all();
    });
    const auto [over, second] = co_await signals_.async_wait(as_result);
    // The second signal ends the server at once.
    if (!over)
        std::_Exit(128 + second);
}

void server::stop() {
    stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (const auto& connection : sessions_)
        asio::post(connection->get_executor(), [connection] { connection->stop(); });
    give_up_after(drain_limit_ + std::chrono::seconds{2});
}

void server::cut_off_all() {
    log_line("stop: " + std::to_string(sessions_.size()) + " connections are cut off");
    for (const auto& connection : sessions_)
        asio::post(connection->get_executor(), [connection] { connection->cut_off(); });
}

} // namespace file_server
