// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace file_server {

/// Threads that run a context, whether it has work or not, until finish() or join() is called.
/** Unlike those of an `asio::thread_pool`, they end when not all of them could be made. */
class thread_group {
public:
    /// @throws std::runtime_error that says so in words when the process may not make `count`
    /// threads.
    thread_group(boost::asio::io_context& context, std::size_t count, const std::string& purpose);
    thread_group(const thread_group&) = delete;
    thread_group& operator=(const thread_group&) = delete;

    /// Stops the context, if the threads have not been joined.
    ~thread_group();

    /// From now on, the threads end when the context has no more work.
    void finish() { work_.reset(); }

    /// Waits until the context has no more work.
    void join();

private:
    boost::asio::io_context& context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::vector<std::thread> threads_;
};

} // namespace file_server
