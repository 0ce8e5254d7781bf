// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/basic_sync_file_aio.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/transfer_device.hpp>

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// The reads and writes of a stream file; the file and its views have them.
/**
 * @tparam Device   The class that inherits them.
 * @tparam Executor The executor of the file.
 */
template <typename Device, typename Executor>
class stream_device : public detail::transfer_device<Device, Executor> {
    using base = detail::transfer_device<Device, Executor>;
    using typename base::initiate_transfer;
    using typename base::signature;

public:
    /// Reads at the position and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_read_some`. On a closed file the call fails with
     * `bad_descriptor`, even if there is nothing to read.
     */
    template <typename MutableBufferSequence, detail::if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some(const MutableBufferSequence& buffers) {
        error_code ec;
        const std::size_t bytes = read_some(buffers, ec);
        detail::throw_if(ec, "read_some");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename MutableBufferSequence, detail::if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some(const MutableBufferSequence& buffers, error_code& ec) {
        return this->transfer_now(detail::op_kind::read, detail::at_position(), buffers, ec);
    }

    /// Writes at the position and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_write_some`. On a closed file the call fails with
     * `bad_descriptor`, even if there is nothing to write.
     */
    template <typename ConstBufferSequence, detail::if_const<ConstBufferSequence> = 0>
    std::size_t write_some(const ConstBufferSequence& buffers) {
        error_code ec;
        const std::size_t bytes = write_some(buffers, ec);
        detail::throw_if(ec, "write_some");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename ConstBufferSequence, detail::if_const<ConstBufferSequence> = 0>
    std::size_t write_some(const ConstBufferSequence& buffers, error_code& ec) {
        return this->transfer_now(detail::op_kind::write, detail::at_position(), buffers, ec);
    }

    /// Starts a read at the position, after the reads and writes that were started before.
    /**
     * Completes when some bytes have arrived or the read has failed. Use `asio::async_read` to fill
     * the buffers completely.
     *
     * @param buffers Where to read to. The sequence is copied. The memory is the caller's and must
     *                stay valid until the handler is called or destroyed.
     * @param token   Completion token for `void(error_code, std::size_t)`; the count is in bytes.
     *
     * @par Errors
     * `asio::error::eof` at the end of the file. `operation_aborted` after a cancellation.
     * `bad_descriptor` if the file is closed or not open for reading. `invalid_argument` if direct
     * I/O is misaligned. `errc::wrong_thread` with `options::single_issuer`. `not_enough_memory` if
     * the pool cannot start a thread. Otherwise what readv(2) reports. Later operations go on at
     * the position where this one has stopped.
     *
     * @par Cancellation
     * `terminal`, `partial` and `total`. A read that a thread or a device has begun may still
     * complete normally. A read that is cancelled does not move the position.
     *
     * @par Thread safety
     * Safe together with other operations of the same file. The order of two calls that run at the
     * same time is not defined.
     */
    template <
        typename MutableBufferSequence,
        typename ReadToken = net::default_completion_token_t<Executor>,
        detail::if_mutable<MutableBufferSequence> = 0>
    auto async_read_some(
        const MutableBufferSequence& buffers,
        ReadToken&& token = net::default_completion_token_t<Executor>())
        -> decltype(net::async_initiate<ReadToken, signature>(
            std::declval<initiate_transfer>(), token, detail::at_position(), buffers)) {
        return net::async_initiate<ReadToken, signature>(
            this->initiation(detail::op_kind::read), token, detail::at_position(), buffers);
    }

    /// Starts a write at the position, after the reads and writes that were started before.
    /**
     * Completes when some bytes were written or the write has failed. Use `asio::async_write` to
     * write the buffers completely. Every reader then sees the bytes. They are on the device only
     * after a sync, or if the file was opened with `sync_data_on_write` or `sync_all_on_write`.
     *
     * @param buffers What to write. The sequence is copied. The memory is the caller's and must
     *                stay valid and unchanged until the handler is called or destroyed.
     * @param token   As for `async_read_some`.
     *
     * @par Errors
     * Those of `async_read_some`, without `eof` and with writev(2) instead of readv(2). If an error
     * follows after some bytes were written, the write succeeds with fewer bytes. The next write
     * then reports the error.
     *
     * @par Cancellation
     * As for `async_read_some`.
     *
     * @par Thread safety
     * As for `async_read_some`.
     */
    template <
        typename ConstBufferSequence,
        typename WriteToken = net::default_completion_token_t<Executor>,
        detail::if_const<ConstBufferSequence> = 0>
    auto async_write_some(
        const ConstBufferSequence& buffers,
        WriteToken&& token = net::default_completion_token_t<Executor>())
        -> decltype(net::async_initiate<WriteToken, signature>(
            std::declval<initiate_transfer>(), token, detail::at_position(), buffers)) {
        return net::async_initiate<WriteToken, signature>(
            this->initiation(detail::op_kind::write), token, detail::at_position(), buffers);
    }
};

/// A stream file with options for its reads and writes; see
/// `basic_stream_file_aio::with`.
/**
 * Meets the requirements AsyncReadStream, AsyncWriteStream, SyncReadStream and SyncWriteStream.
 * Its operations run in the same order as those of the file. A copy may be used until the file
 * object is moved or destroyed.
 */
template <typename Executor>
class stream_view : public stream_device<stream_view<Executor>, Executor>,
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
