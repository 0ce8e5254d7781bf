// SPDX-License-Identifier: BSL-1.0
#include "thread_group.hpp"

#include <stdexcept>
#include <system_error>

namespace file_server {

thread_group::thread_group(
    boost::asio::io_context& context, std::size_t count, const std::string& purpose)
    : context_(context), work_(context.get_executor()) {
    threads_.reserve(count);
    try {
        while (threads_.size() < count) {
            // noexcept: an exception here is a defect, which a server with one thread less would
            // hide.
            threads_.emplace_back([&context]() noexcept { context.run(); });
        }
    } catch (const std::system_error& error) {
        const auto made = threads_.size();
        context_.stop();
        join();
        throw std::runtime_error(
            "the server needs " + std::to_string(count) + " threads " + purpose +
            ", and the process could make " + std::to_string(made) + ": " + error.code().message());
    }
}

thread_group::~thread_group() {
    if (threads_.empty())
        return;
    context_.stop();
    join();
}

void thread_group::join() {
    finish();
    for (auto& each : threads_)
        each.join();
    threads_.clear();
}

} // namespace file_server
