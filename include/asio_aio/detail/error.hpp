// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/error.hpp>

#include <cstddef>
#include <string>

/// The only place that converts results (-errno) to an error_code.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// Converts a result to an error; 0 and counts are no error.
inline error_code to_error(int result) noexcept {
    switch (result) {
    case failure::wrong_thread: return errc::wrong_thread;
    case failure::engine_unavailable: return errc::engine_unavailable;
    case failure::invalid_choice: return errc::invalid_choice;
    case failure::already_open: return net::error::already_open;
    default:
        return result < 0 ? error_code(-result, net::error::get_system_category()) : error_code();
    }
}

struct transfer_result {
    error_code error;
    std::size_t bytes;
};

/// Converts the result of a transfer of more than 0 bytes. A read that moves nothing is at the end
/// of the file.
inline transfer_result to_transfer(op_kind kind, int result) noexcept {
    if (result < 0)
        return {to_error(result), 0};
    if (result == 0 && kind == op_kind::read)
        return {net::error::eof, 0};
    return {error_code(), std::size_t(result)};
}

/// Converts the result of a finished operation, including the bytes that were moved before its last
/// part.
inline transfer_result to_transfer(const operation& op) noexcept {
    if (op.bytes_before == 0 || op.ends_as_cancelled())
        return to_transfer(op.kind, op.result);
    // The bytes that were moved come first. If an error followed, the next call reports it.
    return {error_code(), op.bytes_before + std::size_t(op.result < 0 ? 0 : op.result)};
}

/// For functions that throw; `what` names the call, and the path if there is one.
inline void throw_if(const error_code& ec, const char* what) {
    if (ec)
        throw_exception(system_error(ec, what));
}

inline void throw_if(const error_code& ec, const std::string& what) {
    throw_if(ec, what.c_str());
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
