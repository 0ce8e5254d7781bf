// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/basic_file_aio.hpp>
#include <asio_aio/detail/view_set.hpp>
#include <asio_aio/random_access_device.hpp>
#include <asio_aio/transfer_options.hpp>

#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// A file that is read and written at offsets, with any number of operations in flight.
/**
 * Replaces `boost::asio::basic_random_access_file`. The class meets the requirements
 * AsyncRandomAccessReadDevice, AsyncRandomAccessWriteDevice, SyncRandomAccessReadDevice and
 * SyncRandomAccessWriteDevice. `asio::async_read_at`, `asio::write_at` and similar functions
 * therefore work on it.
 *
 * Operations in flight on one file have no order, neither in completion nor in effect. If one write
 * must follow another, start it when the other has completed. Asio's file performs one read and one
 * write at a time; programs that rely on this must order their overlapping writes.
 *
 * @par Results
 * A read at or past the end of the file completes with `asio::error::eof`. A read that crosses the
 * end succeeds with fewer bytes. An operation without bytes to transfer succeeds with 0. One
 * operation moves at most 0x7ffff000 bytes and `IOV_MAX` buffers. If the file was opened with
 * `append`, the kernel writes at its end and ignores the offset.
 *
 * @par Completion
 * An initiating function never calls the handler, except through an immediate executor that the
 * handler brings (Boost 1.82). The handler runs on its associated executor, or on the file's
 * executor if it has none. If the execution context is destroyed first, the handler is destroyed
 * without a call.
 */
template <typename Executor = net::any_io_executor>
class basic_random_access_file_aio
    : public basic_file_aio<Executor>,
      public random_access_device<basic_random_access_file_aio<Executor>, Executor> {
    using base = basic_file_aio<Executor>;

public:
    using executor_type = Executor;
    using native_handle_type = typename base::native_handle_type;

    /// The file class with another executor.
    template <typename Executor1>
    struct rebind_executor {
        using other = basic_random_access_file_aio<Executor1>;
    };

    /// The constructors of `basic_file_aio`.
    using base::base;

    /// Moves the file and its operations in flight; see `basic_file_aio`.
    basic_random_access_file_aio(basic_random_access_file_aio&&) noexcept = default;
    basic_random_access_file_aio& operator=(basic_random_access_file_aio&&) noexcept = default;

    /// Moves a file whose executor converts to this file's executor.
    template <
        typename Executor1, std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int> = 0>
    basic_random_access_file_aio(basic_random_access_file_aio<Executor1>&& other)
        : base(std::move(other)) {}

    template <
        typename Executor1, std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int> = 0>
    basic_random_access_file_aio& operator=(basic_random_access_file_aio<Executor1>&& other) {
        base::operator=(std::move(other));
        return *this;
    }

    ~basic_random_access_file_aio() = default;

    /// Returns a view of this file whose reads and writes have `options`.
    /**
     * The view belongs to this object and lives as long as it; equal options give the same view.
     * So a composed operation may keep a reference to it:
     * `asio::async_write_at(file.with(durable), offset, buffers, token)`. The view does what the
     * file does: it may be used while the file is closed, and again after the next open. After a
     * move from this object the view still belongs to this object, which is closed then.
     *
     * Throws std::bad_alloc. Costs one allocation for each new set of options.
     *
     * @par Errors
     * A transfer reports `operation_not_supported` for a promise that cannot be kept, and
     * `invalid_argument` for a priority level above 7, or for an atomic write of several buffers.
     *
     * @par Thread safety
     * As for `open`: no other call at the same time.
     */
    random_access_view<Executor>& with(const transfer_options& options) {
        return views_.get(*this, options);
    }

private:
    detail::view_set<random_access_view<Executor>> views_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
