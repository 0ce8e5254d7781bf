// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

namespace asio_aio::detail {

/// Calls a function at the end of the scope, unless `success` was called before. Headers use it
/// instead of try and catch, because they also compile without exceptions.
template <typename Function>
class on_failure {
public:
    explicit on_failure(Function function) : function_(std::move(function)) {}
    on_failure(const on_failure&) = delete;
    on_failure& operator=(const on_failure&) = delete;
    ~on_failure() {
        if (!succeeded_)
            function_();
    }

    void success() noexcept { succeeded_ = true; }

private:
    Function function_;
    bool succeeded_ = false;
};

} // namespace asio_aio::detail
