// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/file_service.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

namespace asio_aio::detail {

/// Returns the service of the executor's context, which learns from the executor how to post.
template <typename Executor>
file_service& find_service(const Executor& executor) {
    boost::asio::execution_context* context = nullptr;
    if constexpr (boost::asio::execution::is_executor<Executor>::value)
        context = &boost::asio::query(executor, boost::asio::execution::context);
    else // an executor of the Networking TS
        context = &executor.context();
    auto& found = boost::asio::use_service<file_service>(*context);
    found.learn_executor(executor);
    return found;
}

} // namespace asio_aio::detail
