// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "block_pool.hpp"
#include "net.hpp"
#include "options.hpp"
#include "served_folder.hpp"
#include "session.hpp"
#include "thread_group.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <memory>
#include <unordered_set>

namespace file_server {

/// Serves connections until SIGINT or SIGTERM.
class server {
public:
    /// Opens the folder, chooses the engine and listens.
    /**
     * @throws usage_error for an option that does not fit this machine, and std::exception for
     * other errors.
     */
    explicit server(const server_options& options);

    /// Serves until a signal comes. Then sends the current responses, within the drain limit.
    void run();

    /// The address of the server, like "http://127.0.0.1:8080".
    std::string url() const;

    /// The engine that serves the files, and why it was chosen.
    std::string engine();

private:
    void start_engine(const asio_aio::options& options);
    void listen(const server_options& options);
    asio::awaitable<void> accept_connections();
    asio::awaitable<void> wait_for_signals();
    void serve(tcp_socket socket);
    void forget(const std::shared_ptr<session>& connection, const std::exception_ptr& failed);
    void stop();
    void cut_off_all();

    // These are destroyed after the context: objects that are destroyed with the context give them
    // permits, blocks and memory.
    call_limits opens_; // opens, closes, and all other calls but reads
    call_limits reads_;
    served_folder folder_;
    block_pool blocks_;
    body_memory bodies_;
    asio::io_context context_;
    std::size_t max_connections_;
    std::chrono::seconds drain_limit_;
    session_settings settings_;

    // The members below are used on this strand only.
    strand control_;
    tcp::acceptor acceptor_;
    asio::signal_set signals_;
    asio::steady_timer pause_; // cancelled when another connection may be accepted
    asio::steady_timer drain_; // runs from the first signal on
    std::unordered_set<std::shared_ptr<session>> sessions_;
    bool stopping_ = false;

    thread_group other_threads_; // run the context, as the caller of run() does
};

} // namespace file_server
