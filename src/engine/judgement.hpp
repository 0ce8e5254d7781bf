// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

namespace asio_aio::detail {

/// What an engine does with an operation after the kernel returned a result.
enum class verdict : unsigned char {
    finished, ///< The operation ends with `judgement::result`.
    retry,    ///< The engine performs the operation again.
    proceed,  ///< Some bytes were moved: the engine goes on at the next offset.
    pass      ///< The pool performs the operation, because of `judgement::why`.
};

struct judgement {
    verdict what;
    int result = 0;
    pass_reason why = pass_reason::none;

    static judgement finished(int result) noexcept {
        return {verdict::finished, result, pass_reason::none};
    }
    static judgement retry() noexcept { return {verdict::retry}; }
    static judgement proceed() noexcept { return {verdict::proceed}; }
    static judgement pass(pass_reason why) noexcept { return {verdict::pass, 0, why}; }

    friend bool operator==(const judgement& a, const judgement& b) noexcept {
        return a.what == b.what && a.result == b.result && a.why == b.why;
    }
};

} // namespace asio_aio::detail
