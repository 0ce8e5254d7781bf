// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/basic_sync_file_aio.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/transfer_device.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// The reads and writes of a random-access file; the file and its views have them.
/**
 * @tparam Device   The class that inherits them.
 * @tparam Executor The executor of the file.
 */
template <typename Device, typename Executor>
class random_access_device : public detail::transfer_device<Device, Executor> {
    using base = detail::transfer_device<Device, Executor>;
    using typename base::initiate_transfer;
    using typename base::signature;

public:
    /// Reads at `offset` and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_read_some_at`. On a closed file the call fails with
     * `bad_descriptor`, even if there is nothing to read.
     */
    template <typename MutableBufferSequence, detail::if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some_at(std::uint64_t offset, const MutableBufferSequence& buffers) {
        error_code ec;
        const std::size_t bytes = read_some_at(offset, buffers, ec);
        detail::throw_if(ec, "read_some_at");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename MutableBufferSequence, detail::if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some_at(
        std::uint64_t offset, const MutableBufferSequence& buffers, error_code& ec) {
        return this->transfer_now(detail::op_kind::read, offset, buffers, ec);
    }

    /// Writes at `offset` and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_write_some_at`. On a closed file the call fails
     * with `bad_descriptor`, even if there is nothing to write.
     */
    template <typename ConstBufferSequence, detail::if_const<ConstBufferSequence> = 0>
    std::size_t write_some_at(std::uint64_t offset, const ConstBufferSequence& buffers) {
        error_code ec;
        const std::size_t bytes = write_some_at(offset, buffers, ec);
        detail::throw_if(ec, "write_some_at");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename ConstBufferSequence, detail::if_const<ConstBufferSequence> = 0>
    std::size_t write_some_at(
        std::uint64_t offset, const ConstBufferSequence& buffers, error_code& ec) {
        return this->transfer_now(detail::op_kind::write, offset, buffers, ec);
    }

    /// Starts a read of the file at `offset`.
    /**
     * Completes when some bytes have arrived or the read has failed. Use `asio::async_read_at` to
     * fill the buffers completely.
     *
     * @param offset  Position in the file, in bytes; at most 2^63 - 1.
     * @param buffers Where to read to. The sequence is copied. The memory is the caller's and must
     *                stay valid until the handler is called or destroyed.
     * @param token   Completion token for `void(error_code, std::size_t)`; the count is in bytes.
     *
     * @par Errors
     * `asio::error::eof` at the end of the file. `operation_aborted` after a cancellation.
     * `bad_descriptor` if the file is closed or not open for reading. `invalid_argument` if the
     * range ends beyond 2^63 - 1, or if direct I/O is misaligned. `errc::wrong_thread` with
     * `options::single_issuer`. `not_enough_memory` if the pool cannot start a thread. Otherwise
     * what preadv(2) reports.
     *
     * @par Cancellation
     * `terminal`, `partial` and `total`. A read that a thread or a device has begun may still
     * complete normally.
     *
     * @par Thread safety
     * Safe together with other reads, writes and syncs of the same file.
     */
    template <
        typename MutableBufferSequence,
        typename ReadToken = net::default_completion_token_t<Executor>,
        detail::if_mutable<MutableBufferSequence> = 0>
    auto async_read_some_at(
        std::uint64_t offset, const MutableBufferSequence& buffers,
        ReadToken&& token = net::default_completion_token_t<Executor>())
        -> decltype(net::async_initiate<ReadToken, signature>(
            std::declval<initiate_transfer>(), token, offset, buffers)) {
        return net::async_initiate<ReadToken, signature>(
            this->initiation(detail::op_kind::read), token, offset, buffers);
    }

    /// Starts a write to the file at `offset`.
    /**
     * Completes when some bytes were written or the write has failed. Use `asio::async_write_at` to
     * write the buffers completely. Every reader then sees the bytes. They are on the device only
     * after a sync, or if the file was opened with `sync_data_on_write` or `sync_all_on_write`.
     *
     * @param offset  As for `async_read_some_at`. Ignored if the file was opened with `append`.
     * @param buffers What to write. The sequence is copied. The memory is the caller's and must
     *                stay valid and unchanged until the handler is called or destroyed.
     * @param token   As for `async_read_some_at`.
     *
     * @par Errors
     * Those of `async_read_some_at`, without `eof` and with pwritev(2) instead of preadv(2). If an
     * error follows after some bytes were written, the write succeeds with fewer bytes. The next
     * write then reports the error.
     *
     * @par Cancellation
     * As for `async_read_some_at`.
     *
     * @par Thread safety
     * As for `async_read_some_at`. Overlapping operations in flight take effect in any order.
     */
    template <
        typename ConstBufferSequence,
        typename WriteToken = net::default_completion_token_t<Executor>,
        detail::if_const<ConstBufferSequence> = 0>
    auto async_write_some_at(
        std::uint64_t offset, const ConstBufferSequence& buffers,
        WriteToken&& token = net::default_completion_token_t<Executor>())
        -> decltype(net::async_initiate<WriteToken, signature>(
            std::declval<initiate_transfer>(), token, offset, buffers)) {
        return net::async_initiate<WriteToken, signature>(
            this->initiation(detail::op_kind::write), token, offset, buffers);
    }
};

/// A random-access file with options for its reads and writes; see
/// `basic_random_access_file_aio::with`.
/**
 * Meets the requirements AsyncRandomAccessReadDevice, AsyncRandomAccessWriteDevice,
 * SyncRandomAccessReadDevice and SyncRandomAccessWriteDevice. A copy may be used until the file
 * object is moved or destroyed.
 */
template <typename Executor>
class random_access_view : public random_access_device<random_access_view<Executor>, Executor>,
                           public detail::transfer_view<Executor> {
    using base = detail::transfer_view<Executor>;

public:
    using base::base;
    using executor_type = Executor;

    /// Returns the executor of the file.
    const executor_type& get_executor() const noexcept { return base::get_executor(); }

    /// Returns the options of this view's reads and writes.
    const transfer_options& options() const noexcept { return base::options(); }
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
