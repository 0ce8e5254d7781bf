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

/// Accepts connections and keeps them until SIGINT or SIGTERM.
class server {
public:
    /// Opens the folder, finds out which engine serves the files, and listens.
    /**
     * @throws usage_error for an option that does not fit this machine, std::exception for other
     * obstacles.
     */
    explicit server(const server_options& options);

    /// Serves until a signal has come, and the responses that were running are sent or the drain
    /// limit has passed.
    void run();

    /// "http://127.0.0.1:8080".
    std::string url() const;

    /// The engine that serves the files, and why it is this one.
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

    served_folder folder_;
    // These three are destroyed after the context: what is destroyed with the context may hand them
    // descriptors to close and blocks.
    asio::io_context file_calls_;
    thread_group file_threads_;
    block_pool blocks_;
    asio::io_context context_;
    std::size_t max_connections_;
    std::chrono::seconds drain_limit_;
    session_settings settings_;

    // Everything below is used on this strand only.
    strand control_;
    tcp::acceptor acceptor_;
    asio::signal_set signals_;
    asio::steady_timer pause_; // cancelled when there may be room for a connection again
    asio::steady_timer drain_; // runs from the first signal on
    std::unordered_set<std::shared_ptr<session>> sessions_;
    bool stopping_ = false;

    thread_group other_threads_; // run the context, together with the caller of run()
};

} // namespace file_server
