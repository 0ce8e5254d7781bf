// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/file_service.hpp>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// Returns the service of the executor's context, which learns from the executor how to post.
template <typename Executor>
file_service& find_service(const Executor& executor) {
    net::execution_context* context = nullptr;
    if constexpr (net::execution::is_executor<Executor>::value)
        context = &net::query(executor, net::execution::context);
    else // an executor of the Networking TS
        context = &executor.context();
    auto& found = net::use_service<file_service>(*context);
    found.learn_executor(executor);
    return found;
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
