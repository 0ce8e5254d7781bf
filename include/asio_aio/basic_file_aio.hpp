// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/backend.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/file_service.hpp>
#include <asio_aio/detail/core/posix_file.hpp>
#include <asio_aio/direct_alignment.hpp>
#include <asio_aio/file_base.hpp>
#include <asio_aio/path_ref.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <sys/types.h>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace asio_aio {

/// What all files have in common; use `random_access_file_aio`.
/**
 * Has every member of `boost::asio::basic_file` with the same meaning, so that a change of the
 * type's name is all that a program needs.
 *
 * @tparam Executor Of the file: completion handlers without an executor of their own run on it.
 *
 * @par Errors
 * Each function that can fail has a form that throws `boost::system::system_error` and one that
 * sets and returns an `error_code`. On a file that is not open: `asio::error::bad_descriptor`, but
 * `close` succeeds.
 *
 * @par Thread safety
 * Distinct files: safe. One file: `open`, `assign`, `close`, `release`, moves and destruction need
 * external order; everything else is safe together, unless a function says otherwise.
 */
template <typename Executor = boost::asio::any_io_executor>
class basic_file_aio : public file_base {
    template <typename Context>
    using if_context =
        std::enable_if_t<std::is_convertible_v<Context&, boost::asio::execution_context&>, int>;

    template <typename Executor1>
    using if_converts = std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int>;

public:
    using executor_type = Executor;
    using native_handle_type = int;
    using error_code = boost::system::error_code;

    template <typename Executor1>
    struct rebind_executor {
        using other = basic_file_aio<Executor1>;
    };

    /// Permissions of a file that is created, before the umask.
    static constexpr mode_t default_permissions = 0666;

    /// A closed file. Makes no engine.
    explicit basic_file_aio(const executor_type& executor)
        : executor_(executor), service_(&find_service(executor)) {
        service_->learn_executor(executor_);
    }

    template <typename ExecutionContext, if_context<ExecutionContext> = 0>
    explicit basic_file_aio(ExecutionContext& context)
        : basic_file_aio(executor_type(context.get_executor())) {}

    /// Opens as `open` does.
    basic_file_aio(
        const executor_type& executor, const path_ref& path, flags open_flags,
        mode_t permissions = default_permissions)
        : basic_file_aio(executor) {
        open(path, open_flags, permissions);
    }

    template <typename ExecutionContext, if_context<ExecutionContext> = 0>
    basic_file_aio(
        ExecutionContext& context, const path_ref& path, flags open_flags,
        mode_t permissions = default_permissions)
        : basic_file_aio(executor_type(context.get_executor()), path, open_flags, permissions) {}

    /// Takes over a descriptor as `assign` does.
    basic_file_aio(const executor_type& executor, const native_handle_type& native_file)
        : basic_file_aio(executor) {
        assign(native_file);
    }

    template <typename ExecutionContext, if_context<ExecutionContext> = 0>
    basic_file_aio(ExecutionContext& context, const native_handle_type& native_file)
        : basic_file_aio(executor_type(context.get_executor()), native_file) {}

    /// The moved-from file is closed and can be opened again. Operations in flight go with the
    /// file.
    basic_file_aio(basic_file_aio&& other) noexcept
        : executor_(other.executor_), service_(other.service_), file_(std::move(other.file_)) {}

    basic_file_aio& operator=(basic_file_aio&& other) noexcept {
        if (this != &other)
            replace_by(std::move(other));
        return *this;
    }

    const executor_type& get_executor() noexcept { return executor_; }

    /// Opens the file at `path`; the first open on a context makes its engines.
    /**
     * @param path        `const char*`, `std::string` or `std::filesystem::path`; in the encoding
     *                    of the filesystem.
     * @param open_flags  Of `file_base`; close-on-exec is always added.
     * @param permissions Of a file that is created, before the umask.
     *
     * @par Errors
     * `asio::error::already_open`; `errc::engine_unavailable` and `errc::invalid_choice` where the
     * choice of engines does not work; what open(2) reports. The exception's text names the path.
     * Blocks: on network filesystems, or a FIFO without a partner, for long.
     */
    void open(const path_ref& path, flags open_flags, mode_t permissions = default_permissions) {
        error_code ec;
        if (open(path, open_flags, permissions, ec))
            throw_open_error(ec, std::string("open \"") + path.c_str() + '"');
    }

    error_code open(const path_ref& path, flags open_flags, error_code& ec) {
        return open(path, open_flags, default_permissions, ec);
    }

    error_code open(const path_ref& path, flags open_flags, mode_t permissions, error_code& ec) {
        if (file_)
            return ec = boost::asio::error::already_open;
        return ec = service_->open(path.c_str(), open_flags, permissions, file_);
    }

    /// Takes over a descriptor, which is closed with the file.
    /**
     * Access mode and `O_DIRECT` are what it was opened with. On failure it stays the caller's.
     * Errors as `open`.
     */
    void assign(const native_handle_type& native_file) {
        error_code ec;
        if (assign(native_file, ec))
            throw_open_error(ec, "assign");
    }

    error_code assign(const native_handle_type& native_file, error_code& ec) {
        if (file_)
            return ec = boost::asio::error::already_open;
        if (native_file < 0)
            return ec = {}; // what failed to open: the file stays closed, as Asio has it
        return ec = service_->assign(native_file, file_);
    }

    bool is_open() const { return bool(file_); }

    /// Cancels what is in flight and closes the file, without waiting for input or output.
    /**
     * Operations that have not entered the kernel complete with `operation_aborted`. A descriptor
     * that a thread of the pool is using right now is closed by that thread, so its number cannot
     * be given to another file before. Success where the file is closed already; else what close(2)
     * reports, if this was the last use.
     */
    void close() {
        error_code ec;
        close(ec);
        detail::throw_if(ec, "close");
    }

    error_code close(error_code& ec) {
        cancel_all();
        return ec = detail::to_error(file_.reset());
    }

    /// Cancels what is in flight and gives the descriptor away; the file is closed then.
    /**
     * Where a thread of the pool is using the descriptor right now, the caller gets a duplicate
     * (fcntl(2), F_DUPFD_CLOEXEC) of the same open file, so that closing it cannot send that
     * operation to another file. Fails with EMFILE where there is no number left for it; the file
     * stays open then.
     */
    native_handle_type release() {
        error_code ec;
        const native_handle_type descriptor = release(ec);
        detail::throw_if(ec, "release");
        return descriptor;
    }

    native_handle_type release(error_code& ec) {
        ec = {};
        if (!file_)
            return -1; // and no error: as Asio has it
        cancel_all();
        const int result = file_.release();
        ec = detail::to_error(result);
        return ec ? -1 : result;
    }

    /// The descriptor, or -1. It stays the file's.
    native_handle_type native_handle() { return file_ ? file_->descriptor() : -1; }

    /// Cancels everything in flight on this file.
    /**
     * What waits in a queue completes with `operation_aborted`; what a thread of the pool or the
     * kernel cannot stop completes with its result.
     */
    void cancel() {
        error_code ec;
        cancel(ec);
        detail::throw_if(ec, "cancel");
    }

    error_code cancel(error_code& ec) {
        cancel_all();
        return ec = require_open();
    }

    /// The size in bytes of a regular file or a block device (fstat(2), BLKGETSIZE64). Blocks the
    /// caller.
    std::uint64_t size() const {
        error_code ec;
        const std::uint64_t bytes = size(ec);
        detail::throw_if(ec, "size");
        return bytes;
    }

    std::uint64_t size(error_code& ec) const {
        std::uint64_t bytes = 0;
        ec = call(detail::posix_file::size, bytes);
        return ec ? 0 : bytes;
    }

    /// Cuts or extends the file to `n` bytes (ftruncate(2)); what is added reads as zeros. Blocks
    /// the caller.
    void resize(std::uint64_t n) {
        error_code ec;
        resize(n, ec);
        detail::throw_if(ec, "resize");
    }

    error_code resize(std::uint64_t n, error_code& ec) {
        return ec = call(detail::posix_file::resize, n);
    }

    /// Waits until data and metadata written before are on the device (fsync(2)). Blocks the
    /// caller.
    /**
     * The kernel reports a device's error once per open file, to whoever asks first: the library
     * never asks by itself.
     */
    void sync_all() {
        error_code ec;
        sync_all(ec);
        detail::throw_if(ec, "sync_all");
    }

    error_code sync_all(error_code& ec) { return ec = call(detail::posix_file::sync_all); }

    /// As `sync_all`, without metadata that reading the data does not need (fdatasync(2)).
    void sync_data() {
        error_code ec;
        sync_data(ec);
        detail::throw_if(ec, "sync_data");
    }

    error_code sync_data(error_code& ec) { return ec = call(detail::posix_file::sync_data); }

    /// The engine that reads and writes this file; `thread_pool` for a file that is not open.
    /**
     * The context's (`describe`), or `thread_pool` for a file that this engine does not serve:
     * under libaio each that was opened without `direct`, and under both kernel engines one whose
     * filesystem refused them. That is learnt from the first operation, so the answer can change.
     */
    asio_aio::backend backend() const noexcept {
        return file_ ? service_->scheduler().backend_of(*file_.operator->())
                     : asio_aio::backend::thread_pool;
    }

    /// The alignment that direct I/O on this file asks for.
    /** From statx(2) since Linux 6.1, else a block device's sector, else 4096. */
    direct_alignment direct_io_alignment() const {
        error_code ec;
        const direct_alignment found = direct_io_alignment(ec);
        detail::throw_if(ec, "direct_io_alignment");
        return found;
    }

    direct_alignment direct_io_alignment(error_code& ec) const {
        direct_alignment found;
        ec = call(detail::posix_file::direct_io_alignment, found);
        return found;
    }

protected:
    // Protected, so that a file of one kind is not made of one of another.
    template <typename Executor1, if_converts<Executor1> = 0>
    basic_file_aio(basic_file_aio<Executor1>&& other)
        : executor_(other.executor_), service_(other.service_), file_(std::move(other.file_)) {}

    template <typename Executor1, if_converts<Executor1> = 0>
    basic_file_aio& operator=(basic_file_aio<Executor1>&& other) {
        replace_by(basic_file_aio(std::move(other)));
        return *this;
    }

    /// Cancels and closes as `close` does; what close(2) reports is lost.
    ~basic_file_aio() { cancel_all(); }

    detail::file_service& service() const noexcept { return *service_; }
    const detail::file_ref& file() const noexcept { return file_; }

private:
    template <typename>
    friend class basic_file_aio;

    static boost::asio::execution_context& context_of(const executor_type& executor) {
        if constexpr (boost::asio::execution::is_executor<executor_type>::value)
            return boost::asio::query(executor, boost::asio::execution::context);
        else // an executor of the Networking TS
            return executor.context();
    }

    static detail::file_service& find_service(const executor_type& executor) {
        return boost::asio::use_service<detail::file_service>(context_of(executor));
    }

    void replace_by(basic_file_aio&& other) noexcept {
        cancel_all();
        executor_ = other.executor_;
        service_ = other.service_;
        file_ = std::move(other.file_);
    }

    void cancel_all() noexcept {
        if (file_ && file_.is_shared()) // else nothing is in flight
            service_->scheduler().cancel(*file_.operator->());
    }

    error_code require_open() const noexcept {
        return file_ ? error_code() : error_code(boost::asio::error::bad_descriptor);
    }

    template <typename Call, typename... Args>
    error_code call(Call function, Args&... args) const {
        return file_ ? detail::to_error(function(file_->descriptor(), args...)) : require_open();
    }

    void throw_open_error(const error_code& ec, std::string what) const {
        if (ec.category() == error_category())
            what += ": " + service_->scheduler().describe().error;
        detail::throw_if(ec, what);
    }

    executor_type executor_;
    detail::file_service* service_;
    detail::file_ref file_;
};

} // namespace asio_aio
