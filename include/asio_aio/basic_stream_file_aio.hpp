// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/basic_file_aio.hpp>
#include <asio_aio/detail/core/posix_file.hpp>
#include <asio_aio/detail/view_set.hpp>
#include <asio_aio/file_base.hpp>
#include <asio_aio/stream_device.hpp>
#include <asio_aio/transfer_options.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

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
template <typename Executor = net::any_io_executor>
class basic_stream_file_aio : public basic_file_aio<Executor>,
                              public stream_device<basic_stream_file_aio<Executor>, Executor> {
    using base = basic_file_aio<Executor>;

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
        error_code ec;
        const std::uint64_t position = seek(offset, whence, ec);
        detail::throw_if(ec, "seek");
        return position;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    std::uint64_t seek(std::int64_t offset, file_base::seek_basis whence, error_code& ec) {
        std::uint64_t position = 0;
        const int basis = whence;
        ec = this->call(detail::posix_file::seek, offset, basis, position);
        return ec ? 0 : position;
    }

    /// Returns a view of this file whose reads and writes have `options`.
    /** As `basic_random_access_file_aio::with`. */
    stream_view<Executor>& with(const transfer_options& options) {
        return views_.get(*this, options);
    }

private:
    detail::view_set<stream_view<Executor>> views_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
