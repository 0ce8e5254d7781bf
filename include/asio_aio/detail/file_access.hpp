// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/config.hpp>
#include <asio_aio/detail/call_flags.hpp>
#include <asio_aio/detail/core/operation.hpp>
#include <asio_aio/transfer_options.hpp>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

template <typename Executor>
class basic_sync_file_aio;

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

class file_service;

template <typename Executor>
class transfer_view;

/// What a read or a write needs of its file, for the classes of devices.
struct file_access {
    template <typename Executor>
    static file_service& service(const basic_sync_file_aio<Executor>& file) noexcept {
        return file.service();
    }

    template <typename Executor>
    static const file_ref& handle(const basic_sync_file_aio<Executor>& file) noexcept {
        return file.file();
    }

    /// The file of a device: the device itself, or the file of a view.
    template <typename Executor>
    static basic_sync_file_aio<Executor>& file_of(basic_sync_file_aio<Executor>& file) noexcept {
        return file;
    }

    template <typename Executor>
    static basic_sync_file_aio<Executor>& file_of(transfer_view<Executor>& view) noexcept {
        return *view.file_;
    }

    template <typename Executor>
    static transfer_flags flags(const basic_sync_file_aio<Executor>&, op_kind) noexcept {
        return {};
    }

    template <typename Executor>
    static transfer_flags flags(const transfer_view<Executor>& view, op_kind kind) noexcept {
        return kind == op_kind::read ? to_read_flags(view.options())
                                     : to_write_flags(view.options());
    }
};

/// A file and options; the head of every kind of view.
template <typename Executor>
class transfer_view {
public:
    using executor_type = Executor;

    transfer_view(basic_sync_file_aio<Executor>& file, const transfer_options& options) noexcept
        : file_(&file), options_(options) {}

    /// Returns the executor of the file.
    const executor_type& get_executor() const noexcept { return file_->get_executor(); }

    const transfer_options& options() const noexcept { return options_; }

private:
    friend struct file_access;

    basic_sync_file_aio<Executor>* file_;
    transfer_options options_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
