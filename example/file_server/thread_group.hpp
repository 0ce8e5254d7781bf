// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace file_server {

/// Threads that run a context, even without work, until finish() or join() is called.
/** Unlike an `asio::thread_pool`, ends its threads if the process cannot make all of them. */
class thread_group {
public:
    /// @throws std::runtime_error if the process cannot make `count` threads. what() says so.
    thread_group(boost::asio::io_context& context, std::size_t count, const std::string& purpose);
    thread_group(const thread_group&) = delete;
    thread_group& operator=(const thread_group&) = delete;

    /// Stops the context, if the threads have not been joined.
    ~thread_group();

    /// Lets the threads end when the context has no more work.
    void finish() { work_.reset(); }

    /// Calls finish() and waits until the threads have ended.
    void join();

private:
    boost::asio::io_context& context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::vector<std::thread> threads_;
};

} // namespace file_server
