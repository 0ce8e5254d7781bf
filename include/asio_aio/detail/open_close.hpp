// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/file_call.hpp>
#include <asio_aio/detail/initiation.hpp>
#include <asio_aio/detail/on_failure.hpp>
#include <asio_aio/detail/path_argument.hpp>

#include <sys/types.h>
#include <cerrno>
#include <utility>

/// The start of opens and closes.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// @param file The file object's use. It holds the file from now on, so a move of the file object
///             carries the open.
template <typename Executor, typename Handler>
void start_open(
    file_service& service, file_ref& file, const Executor& executor, const path_argument& path,
    int flags, mode_t permissions, Handler& handler) {
    using op_type = async_op<Handler, Executor, status_outcome>;
    const int fault = file.is_open_or_opening() ? failure::already_open
        : path.has_null()                       ? -EINVAL
                                                : service.prepare();
    if (fault != 0) {
        service.scheduler().count_ended_at_start(true);
        return end_at_start<op_type>(
            service, executor, op_kind::open, handler, fault, to_error(fault));
    }
    auto op = op_type::create(op_kind::open, handler);
    op->file = file = service.scheduler().make_opening(path.c_str(), flags, permissions);
    // The handler's cancellation slot or an executor may throw.
    on_failure not_started([&] { file.reset(); });
    launch(service, executor, std::move(op));
    not_started.success();
}

/// @param file The file object's use; empty afterwards.
template <typename Executor, typename Handler>
void start_close(
    file_service& service, file_ref& file, const Executor& executor, Handler& handler) {
    using op_type = async_op<Handler, Executor, status_outcome>;
    if (!file.is_open()) {
        file.reset();
        service.scheduler().count_ended_at_start(false);
        return end_at_start<op_type>(service, executor, op_kind::close, handler, 0, error_code());
    }
    auto op = op_type::create(op_kind::close, handler);
    op->begin_work(executor);
    file_ref last_use(std::move(file));
    service.start_close(op.release(), last_use);
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
