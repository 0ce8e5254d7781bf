// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "support.hpp"

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

namespace test {

/// An executor that always calls a function inside `execute`.
struct inline_executor {
    asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }
    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
        return asio::execution::blocking.always;
    }

    template <typename Function>
    void execute(Function function) const {
        function();
    }

    friend bool operator==(const inline_executor&, const inline_executor&) noexcept = default;

    asio::execution_context* context;
};

} // namespace test
