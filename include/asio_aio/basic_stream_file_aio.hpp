// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/basic_file_aio.hpp>
#include <asio_aio/detail/core/posix_file.hpp>
#include <asio_aio/detail/transfer.hpp>
#include <asio_aio/file_base.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace asio_aio {

/// A file that is read and written at its current position.
/**
 * Replaces `boost::asio::basic_stream_file`. The class meets the requirements AsyncReadStream,
 * AsyncWriteStream, SyncReadStream and SyncWriteStream. `asio::async_read_until`, `asio::write` and
 * similar functions therefore work on it.
 *
 * Asynchronous reads and writes of one file run in the order in which they are started, one after
 * the other. Each moves the position by the bytes that it moved. The position belongs to the open
 * file of the kernel: a descriptor that was assigned keeps its position, and so does one that is
 * released. `seek` and the synchronous functions do not wait for operations in flight; a program
 * calls them while there are none.
 *
 * @par Results
 * A read at the end of the file completes with `asio::error::eof`. A read that crosses the end
 * succeeds with fewer bytes. An operation without bytes to transfer succeeds with 0. One operation
 * moves at most 0x7ffff000 bytes and `IOV_MAX` buffers. If the file was opened with `append`, the
 * kernel writes at its end.
 *
 * @par Completion
 * An initiating function never calls the handler, except through an immediate executor that the
 * handler brings (Boost 1.82). The handler runs on its associated executor, or on the file's
 * executor if it has none. If the execution context is destroyed first, the handler is destroyed
 * without a call.
 */
template <typename Executor = boost::asio::any_io_executor>
class basic_stream_file_aio : public basic_file_aio<Executor> {
    // A read needs memory that is not const; with const buffers the call does not compile.
    template <typename Buffers>
    using if_mutable =
        std::enable_if_t<boost::asio::is_mutable_buffer_sequence<Buffers>::value, int>;
    template <typename Buffers>
    using if_const = std::enable_if_t<boost::asio::is_const_buffer_sequence<Buffers>::value, int>;

    using base = basic_file_aio<Executor>;
    using signature = void(boost::system::error_code, std::size_t);
    class initiate_transfer;

public:
    using executor_type = Executor;
    using native_handle_type = typename base::native_handle_type;

    /// The file class with another executor.
    template <typename Executor1>
    struct rebind_executor {
        using other = basic_stream_file_aio<Executor1>;
    };

    /// The constructors of `basic_file_aio`.
    using base::base;

    /// Moves the file and its operations in flight; see `basic_file_aio`.
    basic_stream_file_aio(basic_stream_file_aio&&) noexcept = default;
    basic_stream_file_aio& operator=(basic_stream_file_aio&&) noexcept = default;

    /// Moves a file whose executor converts to this file's executor.
    template <
        typename Executor1, std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int> = 0>
    basic_stream_file_aio(basic_stream_file_aio<Executor1>&& other) : base(std::move(other)) {}

    template <
        typename Executor1, std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int> = 0>
    basic_stream_file_aio& operator=(basic_stream_file_aio<Executor1>&& other) {
        base::operator=(std::move(other));
        return *this;
    }

    ~basic_stream_file_aio() = default;

    /// Moves the position and returns it, in bytes from the start of the file (lseek(2)).
    /**
     * @param offset In bytes, from `whence`. The position may be behind the end of the file; a
     *               write there leaves a hole.
     *
     * @par Errors
     * `bad_descriptor` if the file is closed; `invalid_argument` if the position would be negative
     * or above 2^63 - 1; otherwise what lseek(2) reports, such as ESPIPE for a pipe.
     */
    std::uint64_t seek(std::int64_t offset, file_base::seek_basis whence) {
        boost::system::error_code ec;
        const std::uint64_t position = seek(offset, whence, ec);
        detail::throw_if(ec, "seek");
        return position;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    std::uint64_t seek(
        std::int64_t offset, file_base::seek_basis whence, boost::system::error_code& ec) {
        std::uint64_t position = 0;
        const int basis = whence;
        ec = this->call(detail::posix_file::seek, offset, basis, position);
        return ec ? 0 : position;
    }

    /// Reads at the position and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_read_some`. On a closed file the call fails with
     * `bad_descriptor`, even if there is nothing to read.
     */
    template <typename MutableBufferSequence, if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some(const MutableBufferSequence& buffers) {
        boost::system::error_code ec;
        const std::size_t bytes = read_some(buffers, ec);
        detail::throw_if(ec, "read_some");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename MutableBufferSequence, if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some(const MutableBufferSequence& buffers, boost::system::error_code& ec) {
        return transfer_now(detail::op_kind::read, buffers, ec);
    }

    /// Writes at the position and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_write_some`. On a closed file the call fails with
     * `bad_descriptor`, even if there is nothing to write.
     */
    template <typename ConstBufferSequence, if_const<ConstBufferSequence> = 0>
    std::size_t write_some(const ConstBufferSequence& buffers) {
        boost::system::error_code ec;
        const std::size_t bytes = write_some(buffers, ec);
        detail::throw_if(ec, "write_some");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename ConstBufferSequence, if_const<ConstBufferSequence> = 0>
    std::size_t write_some(const ConstBufferSequence& buffers, boost::system::error_code& ec) {
        return transfer_now(detail::op_kind::write, buffers, ec);
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
        typename ReadToken = boost::asio::default_completion_token_t<executor_type>,
        if_mutable<MutableBufferSequence> = 0>
    auto async_read_some(
        const MutableBufferSequence& buffers,
        ReadToken&& token = boost::asio::default_completion_token_t<executor_type>())
        -> decltype(boost::asio::async_initiate<ReadToken, signature>(
            std::declval<initiate_transfer>(), token, buffers)) {
        return boost::asio::async_initiate<ReadToken, signature>(
            initiate_transfer(*this, detail::op_kind::read), token, buffers);
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
        typename WriteToken = boost::asio::default_completion_token_t<executor_type>,
        if_const<ConstBufferSequence> = 0>
    auto async_write_some(
        const ConstBufferSequence& buffers,
        WriteToken&& token = boost::asio::default_completion_token_t<executor_type>())
        -> decltype(boost::asio::async_initiate<WriteToken, signature>(
            std::declval<initiate_transfer>(), token, buffers)) {
        return boost::asio::async_initiate<WriteToken, signature>(
            initiate_transfer(*this, detail::op_kind::write), token, buffers);
    }

private:
    template <typename BufferSequence>
    std::size_t transfer_now(
        detail::op_kind kind, const BufferSequence& buffers, boost::system::error_code& ec) {
        const detail::transfer_result result =
            detail::transfer_now(kind, this->file(), std::nullopt, buffers);
        ec = result.error;
        return result.bytes;
    }

    class initiate_transfer {
    public:
        using executor_type = Executor;

        initiate_transfer(basic_stream_file_aio& self, detail::op_kind kind) noexcept
            : self_(&self), kind_(kind) {}

        const executor_type& get_executor() const noexcept { return self_->get_executor(); }

        template <typename Handler, typename BufferSequence>
        void operator()(Handler&& handler, const BufferSequence& buffers) const {
            std::decay_t<Handler> owned(std::forward<Handler>(handler));
            detail::start_transfer(
                self_->service(), self_->file(), self_->get_executor(), kind_, std::nullopt,
                buffers, owned);
        }

    private:
        basic_stream_file_aio* self_;
        detail::op_kind kind_;
    };
};

} // namespace asio_aio
