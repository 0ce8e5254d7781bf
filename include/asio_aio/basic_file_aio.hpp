// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/basic_sync_file_aio.hpp>
#include <asio_aio/call_modes.hpp>
#include <asio_aio/detail/call_flags.hpp>
#include <asio_aio/detail/file_call.hpp>
#include <asio_aio/detail/open_close.hpp>
#include <asio_aio/detail/path_argument.hpp>
#include <asio_aio/path_ref.hpp>

#include <sys/types.h>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// The members that all file classes share: those of `basic_sync_file_aio`, and the asynchronous
/// calls that move no bytes. Programs use `random_access_file_aio`.
/**
 * An initiating function never calls the handler, except through an immediate executor that the
 * handler brings (Boost 1.82). On a closed file a call completes with `bad_descriptor`, unless its
 * description says otherwise. If the file's executor only calls in place and the process has no
 * descriptor left, an initiating function throws `asio_aio::system_error` (EMFILE).
 */
template <typename Executor = net::any_io_executor>
class basic_file_aio : public basic_sync_file_aio<Executor> {
    using base = basic_sync_file_aio<Executor>;

    // Permissions are no token.
    template <typename Token>
    using if_token = std::enable_if_t<!std::is_convertible_v<Token, mode_t>, int>;

    template <typename Executor1>
    using if_converts = std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int>;

public:
    using executor_type = Executor;
    using native_handle_type = typename base::native_handle_type;
    using error_code = typename base::error_code;

    /// The file class with another executor.
    template <typename Executor1>
    struct rebind_executor {
        using other = basic_file_aio<Executor1>;
    };

    /// The constructors of `basic_sync_file_aio`.
    using base::base;

    basic_file_aio(basic_file_aio&&) noexcept = default;
    basic_file_aio& operator=(basic_file_aio&&) noexcept = default;

    /// Starts to open the file at `path`.
    /**
     * Threads of the pool perform open(2), and the questions to the kernel that follow it. The
     * first call on a context also has the engines chosen and made, on a thread of its own. So the
     * call does not block, except where no thread can be made (RLIMIT_NPROC, pids.max): then this
     * call waits for the trials, up to some seconds.
     *
     * @param path        A `const char*`, `std::string` or `std::filesystem::path`, in the encoding
     *                    of the filesystem. It is copied.
     * @param open_flags  Flags of `file_base`; close-on-exec is always added.
     * @param token       Completion token for `void(error_code)`.
     *
     * @par Errors
     * Those of `open`, and `operation_aborted` after cancellation. The file is closed then.
     *
     * @par Cancellation
     * `terminal`, `partial` and `total`; also `cancel`, `close` and the destructor. The handler
     * then gets `operation_aborted` at once, even if open(2) has not returned, as for the FIFO that
     * nobody writes to or a server that does not answer. The thread that waits for open(2) closes
     * the descriptor that it may still get; open(2) may have created the file. Other operations do
     * not wait for that thread, but `notify_fork` and the destructor of the context do.
     *
     * @par Thread safety
     * As `open`. The file must not be destroyed or moved while the call runs; afterwards it may,
     * also before the handler is called.
     */
    template <typename Token = net::default_completion_token_t<executor_type>, if_token<Token> = 0>
    auto async_open(const path_ref& path, file_base::flags open_flags, Token&& token = Token()) {
        return initiate_open<Token>(path, open_flags, base::default_permissions, token);
    }

    /// As above, with the permissions of a new file.
    /** @param permissions Before the umask. */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_open(
        const path_ref& path, file_base::flags open_flags, mode_t permissions,
        Token&& token = Token()) {
        return initiate_open<Token>(path, open_flags, permissions, token);
    }

    /// Cancels the operations in flight and starts to close the file.
    /**
     * The file is closed for the program when the call returns, and can be opened again. A thread
     * of the pool closes the descriptor after the last operation that uses it. The handler of this
     * call runs after that. If one thread runs the context, the handlers of these operations are
     * submitted before.
     *
     * @param token Completion token for `void(error_code)`.
     *
     * @par Errors
     * What close(2) reports. Success if the file was closed already.
     *
     * @par Cancellation
     * None; the descriptor is closed in any case. The operations in flight are cancelled as by
     * `cancel`.
     *
     * @par Thread safety
     * As `close`.
     */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_close(Token&& token = Token()) {
        return net::async_initiate<Token, void(error_code)>(initiate_close(*this), token);
    }

    /// Starts to write data and metadata to the device (fsync(2)).
    /**
     * Covers every write that completed before this call, also through another file object or
     * another process. The library never syncs by itself.
     *
     * Concurrent syncs of one file object share flushes. A sync that is started while a flush runs
     * waits, and the next flush serves all that wait. So many writers may each write and sync.
     *
     * @param token Completion token for `void(error_code)`.
     *
     * @par Errors
     * `operation_aborted` after cancellation; `bad_descriptor` if the file is closed; otherwise
     * what fsync(2) reports. The kernel reports a device error once for each open file. The handlers
     * of all syncs of this file object that wait at that moment get it.
     *
     * @par Cancellation
     * `terminal`, `partial` and `total`. A sync that a thread or the kernel has begun completes
     * with its result.
     *
     * @par Thread safety
     * Safe together with all other operations of the same file.
     */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_sync_all(Token&& token = Token()) {
        return initiate_status<Token>({detail::op_kind::sync_all}, token);
    }

    /// Starts to write data to the device, and the metadata that a read needs (fdatasync(2)).
    /** Everything else is as for `async_sync_all`. */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_sync_data(Token&& token = Token()) {
        return initiate_status<Token>({detail::op_kind::sync_data}, token);
    }

    /// Starts to write a range of the file's data to the device (sync_file_range(2)).
    /**
     * Neither writes metadata nor flushes the cache of the device, so this is no durable sync. It
     * spreads the work of a later sync.
     *
     * @param offset Start of the range in bytes; at most 2^63 - 1.
     * @param length Length of the range in bytes; 0: up to the end of the file.
     *
     * @par Errors
     * As for `async_sync_all`; `invalid_argument` if the range ends beyond 2^63 - 1.
     *
     * Everything else is as for `async_sync_all`.
     */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_sync_range(
        std::uint64_t offset, std::uint64_t length, sync_range_mode mode, Token&& token = Token()) {
        return initiate_status<Token>(
            {detail::op_kind::sync_range, offset, length, detail::to_flags(mode)}, token);
    }

    /// Starts to read the size of a regular file or a block device, in bytes.
    /**
     * @param token Completion token for `void(error_code, std::uint64_t)`; the size is 0 after an
     *              error.
     *
     * @par Errors
     * `operation_aborted` after cancellation; `bad_descriptor` if the file is closed; otherwise
     * what fstat(2) or statx(2) reports.
     *
     * On ext2 to ext4, XFS, btrfs, F2FS and tmpfs the kernel tells the size of a regular file
     * without waiting. The library then needs no engine, unless `options::inline_read_limit` is 0.
     *
     * Everything else is as for `async_sync_all`.
     */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_size(Token&& token = Token()) {
        return initiate<detail::size_outcome, Token>({detail::op_kind::size}, token);
    }

    /// Starts to cut or extend the file to `n` bytes (ftruncate(2)); what is added reads as zeros.
    /**
     * @param n     At most 2^63 - 1.
     * @param token Completion token for `void(error_code)`.
     *
     * @par Errors
     * `operation_aborted` after cancellation; `bad_descriptor` if the file is closed;
     * `invalid_argument` if `n` is too large or the file is not open for writing; otherwise what
     * ftruncate(2) reports.
     *
     * Everything else is as for `async_sync_all`.
     */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_resize(std::uint64_t n, Token&& token = Token()) {
        return initiate_status<Token>({detail::op_kind::resize, 0, n}, token);
    }

    /// Starts to reserve, free or zero the blocks of a range (fallocate(2)).
    /**
     * @param offset Start of the range in bytes.
     * @param length Length of the range in bytes; not 0.
     * @param token  Completion token for `void(error_code)`.
     *
     * @par Errors
     * `operation_aborted` after cancellation; `bad_descriptor` if the file is closed or not open
     * for writing; `invalid_argument` for an empty range or one that ends beyond 2^63 - 1;
     * `operation_not_supported` if the filesystem lacks the mode; otherwise what fallocate(2)
     * reports.
     *
     * Everything else is as for `async_sync_all`.
     */
    template <typename Token = net::default_completion_token_t<executor_type>>
    auto async_allocate(
        allocate_mode mode, std::uint64_t offset, std::uint64_t length, Token&& token = Token()) {
        return initiate_status<Token>(
            {detail::op_kind::allocate, offset, length, detail::to_flags(mode)}, token);
    }

protected:
    // Protected, so that a file of one kind cannot be converted to a file of another kind.
    template <typename Executor1, if_converts<Executor1> = 0>
    basic_file_aio(basic_file_aio<Executor1>&& other) : base(std::move(other)) {}

    template <typename Executor1, if_converts<Executor1> = 0>
    basic_file_aio& operator=(basic_file_aio<Executor1>&& other) {
        base::operator=(std::move(other));
        return *this;
    }

    ~basic_file_aio() = default;

private:
    // What `async_initiate` calls. With a deferred token that is later, so everything is taken from
    // the file as it is then.
    template <typename Outcome>
    class initiate_call {
    public:
        using executor_type = Executor;

        explicit initiate_call(basic_file_aio& self) noexcept : self_(&self) {}

        const executor_type& get_executor() const noexcept { return self_->get_executor(); }

        template <typename Handler>
        void operator()(Handler&& handler, const detail::file_call& wanted) const {
            std::decay_t<Handler> owned(std::forward<Handler>(handler));
            detail::start_call<Outcome>(
                self_->service(), self_->file(), self_->get_executor(), wanted, owned);
        }

    private:
        basic_file_aio* self_;
    };

    // `Token` may be a reference type: then the caller's token is not moved from.
    template <typename Outcome, typename Token>
    auto initiate(const detail::file_call& wanted, std::remove_reference_t<Token>& token) {
        return net::async_initiate<Token, typename Outcome::signature>(
            initiate_call<Outcome>(*this), token, wanted);
    }

    template <typename Token>
    auto initiate_status(const detail::file_call& wanted, std::remove_reference_t<Token>& token) {
        return initiate<detail::status_outcome, Token>(wanted, token);
    }

    class initiate_open_call {
    public:
        using executor_type = Executor;

        explicit initiate_open_call(basic_file_aio& self) noexcept : self_(&self) {}

        const executor_type& get_executor() const noexcept { return self_->get_executor(); }

        template <typename Handler>
        void operator()(
            Handler&& handler, const detail::path_argument& path, int open_flags,
            mode_t permissions) const {
            std::decay_t<Handler> owned(std::forward<Handler>(handler));
            detail::start_open(
                self_->service(), self_->file(), self_->get_executor(), path, open_flags,
                permissions, owned);
        }

    private:
        basic_file_aio* self_;
    };

    class initiate_close {
    public:
        using executor_type = Executor;

        explicit initiate_close(basic_file_aio& self) noexcept : self_(&self) {}

        const executor_type& get_executor() const noexcept { return self_->get_executor(); }

        template <typename Handler>
        void operator()(Handler&& handler) const {
            std::decay_t<Handler> owned(std::forward<Handler>(handler));
            self_->cancel_all();
            detail::start_close(self_->service(), self_->file(), self_->get_executor(), owned);
        }

    private:
        basic_file_aio* self_;
    };

    template <typename Token>
    auto initiate_open(
        const path_ref& path, int open_flags, mode_t permissions,
        std::remove_reference_t<Token>& token) {
        return net::async_initiate<Token, void(error_code)>(
            initiate_open_call(*this), token, detail::path_argument(path), open_flags, permissions);
    }
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
