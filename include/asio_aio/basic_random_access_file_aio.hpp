// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/basic_file_aio.hpp>
#include <asio_aio/detail/transfer.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace asio_aio {

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
template <typename Executor = boost::asio::any_io_executor>
class basic_random_access_file_aio : public basic_file_aio<Executor> {
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

    /// Reads at `offset` and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_read_some_at`. On a closed file the call fails with
     * `bad_descriptor`, even if there is nothing to read.
     */
    template <typename MutableBufferSequence, if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some_at(std::uint64_t offset, const MutableBufferSequence& buffers) {
        boost::system::error_code ec;
        const std::size_t bytes = read_some_at(offset, buffers, ec);
        detail::throw_if(ec, "read_some_at");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename MutableBufferSequence, if_mutable<MutableBufferSequence> = 0>
    std::size_t read_some_at(
        std::uint64_t offset, const MutableBufferSequence& buffers, boost::system::error_code& ec) {
        return transfer_now(detail::op_kind::read, offset, buffers, ec);
    }

    /// Writes at `offset` and returns the number of bytes. Blocks.
    /**
     * Parameters and errors are those of `async_write_some_at`. On a closed file the call fails
     * with `bad_descriptor`, even if there is nothing to write.
     */
    template <typename ConstBufferSequence, if_const<ConstBufferSequence> = 0>
    std::size_t write_some_at(std::uint64_t offset, const ConstBufferSequence& buffers) {
        boost::system::error_code ec;
        const std::size_t bytes = write_some_at(offset, buffers, ec);
        detail::throw_if(ec, "write_some_at");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    template <typename ConstBufferSequence, if_const<ConstBufferSequence> = 0>
    std::size_t write_some_at(
        std::uint64_t offset, const ConstBufferSequence& buffers, boost::system::error_code& ec) {
        return transfer_now(detail::op_kind::write, offset, buffers, ec);
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
        typename ReadToken = boost::asio::default_completion_token_t<executor_type>,
        if_mutable<MutableBufferSequence> = 0>
    auto async_read_some_at(
        std::uint64_t offset, const MutableBufferSequence& buffers,
        ReadToken&& token = boost::asio::default_completion_token_t<executor_type>())
        -> decltype(boost::asio::async_initiate<ReadToken, signature>(
            std::declval<initiate_transfer>(), token, offset, buffers)) {
        return boost::asio::async_initiate<ReadToken, signature>(
            initiate_transfer(*this, detail::op_kind::read), token, offset, buffers);
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
        typename WriteToken = boost::asio::default_completion_token_t<executor_type>,
        if_const<ConstBufferSequence> = 0>
    auto async_write_some_at(
        std::uint64_t offset, const ConstBufferSequence& buffers,
        WriteToken&& token = boost::asio::default_completion_token_t<executor_type>())
        -> decltype(boost::asio::async_initiate<WriteToken, signature>(
            std::declval<initiate_transfer>(), token, offset, buffers)) {
        return boost::asio::async_initiate<WriteToken, signature>(
            initiate_transfer(*this, detail::op_kind::write), token, offset, buffers);
    }

private:
    template <typename BufferSequence>
    std::size_t transfer_now(
        detail::op_kind kind, std::uint64_t offset, const BufferSequence& buffers,
        boost::system::error_code& ec) {
        const detail::transfer_result result =
            detail::transfer_now(kind, this->file(), offset, buffers);
        ec = result.error;
        return result.bytes;
    }

    class initiate_transfer {
    public:
        using executor_type = Executor;

        initiate_transfer(basic_random_access_file_aio& self, detail::op_kind kind) noexcept
            : self_(&self), kind_(kind) {}

        const executor_type& get_executor() const noexcept { return self_->get_executor(); }

        template <typename Handler, typename BufferSequence>
        void operator()(
            Handler&& handler, std::uint64_t offset, const BufferSequence& buffers) const {
            std::decay_t<Handler> owned(std::forward<Handler>(handler));
            detail::start_transfer(
                self_->service(), self_->file(), self_->get_executor(), kind_, offset, buffers,
                owned);
        }

    private:
        basic_random_access_file_aio* self_;
        detail::op_kind kind_;
    };
};

} // namespace asio_aio
