// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/backend.hpp>
#include <asio_aio/call_modes.hpp>
#include <asio_aio/detail/call_flags.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/file_access.hpp>
#include <asio_aio/detail/file_service.hpp>
#include <asio_aio/detail/find_service.hpp>
#include <asio_aio/detail/core/posix_file.hpp>
#include <asio_aio/direct_alignment.hpp>
#include <asio_aio/file_base.hpp>
#include <asio_aio/path_ref.hpp>
#include <asio_aio/transfer_options.hpp>

#include <sys/types.h>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// The members of a file that block or only concern the object; programs use
/// `random_access_file_aio`.
/**
 * Has every member of `boost::asio::basic_file`, with the same meaning. To port a program, replace
 * the type's name.
 *
 * @tparam Executor The file's executor. Handlers without an associated executor run on it.
 *
 * @par Errors
 * Each function that can fail has two overloads. One throws `boost::system::system_error`; the
 * other sets and returns an `error_code`. On a closed file a function fails with
 * `asio::error::bad_descriptor`, unless its description says otherwise. Functions that open a file
 * may also throw `std::bad_alloc`.
 *
 * @par Thread safety
 * Distinct files: safe. Shared file: `open`, `async_open`, `assign`, `close`, `async_close`,
 * `release`, `with`, moves and destruction must not run at the same time as any other call. All
 * other functions may.
 */
template <typename Executor = net::any_io_executor>
class basic_sync_file_aio : public file_base {
    template <typename Context>
    using if_context =
        std::enable_if_t<std::is_convertible_v<Context&, net::execution_context&>, int>;

    template <typename Executor1>
    using if_converts = std::enable_if_t<std::is_convertible_v<Executor1, Executor>, int>;

public:
    using executor_type = Executor;
    using native_handle_type = int;
    using error_code = asio_aio::error_code;

    /// The file class with another executor.
    template <typename Executor1>
    struct rebind_executor {
        using other = basic_sync_file_aio<Executor1>;
    };

    /// Permissions of a new file, before the umask.
    static constexpr mode_t default_permissions = 0666;

    /// Constructs a closed file. Does not set up an engine.
    explicit basic_sync_file_aio(const executor_type& executor)
        : executor_(executor), service_(&detail::find_service(executor_)) {}

    /// As above, on the executor of `context`.
    template <typename ExecutionContext, if_context<ExecutionContext> = 0>
    explicit basic_sync_file_aio(ExecutionContext& context)
        : basic_sync_file_aio(executor_type(context.get_executor())) {}

    /// Constructs a file and opens it as `open` does.
    basic_sync_file_aio(
        const executor_type& executor, const path_ref& path, flags open_flags,
        mode_t permissions = default_permissions)
        : basic_sync_file_aio(executor) {
        open(path, open_flags, permissions);
    }

    /// As above, on the executor of `context`.
    template <typename ExecutionContext, if_context<ExecutionContext> = 0>
    basic_sync_file_aio(
        ExecutionContext& context, const path_ref& path, flags open_flags,
        mode_t permissions = default_permissions)
        : basic_sync_file_aio(
              executor_type(context.get_executor()), path, open_flags, permissions) {}

    /// Constructs a file and takes over a descriptor as `assign` does.
    basic_sync_file_aio(const executor_type& executor, const native_handle_type& native_file)
        : basic_sync_file_aio(executor) {
        assign(native_file);
    }

    /// As above, on the executor of `context`.
    template <typename ExecutionContext, if_context<ExecutionContext> = 0>
    basic_sync_file_aio(ExecutionContext& context, const native_handle_type& native_file)
        : basic_sync_file_aio(executor_type(context.get_executor()), native_file) {}

    /// Moves the file and its operations in flight. `other` is closed afterwards and can be opened
    /// again. Asio's composed operations, such as `asio::async_read_at`, keep a reference to `other`:
    /// they must have ended.
    basic_sync_file_aio(basic_sync_file_aio&& other) noexcept
        : executor_(other.executor_), service_(other.service_), file_(std::move(other.file_)) {}

    /// Closes this file as the destructor does, and then moves `other` into it.
    basic_sync_file_aio& operator=(basic_sync_file_aio&& other) noexcept {
        if (this != &other)
            replace_by(std::move(other));
        return *this;
    }

    /// Returns the file's executor.
    const executor_type& get_executor() noexcept { return executor_; }

    /// Opens the file at `path`. The first open on a context chooses and sets up the engines.
    /**
     * @param path        A `const char*`, `std::string` or `std::filesystem::path`, in the encoding
     *                    of the filesystem. It is not used after the call.
     * @param open_flags  Flags of `file_base`; close-on-exec is always added.
     * @param permissions Permissions of a new file, before the umask.
     *
     * @par Errors
     * `asio::error::already_open` if this file is open or an `async_open` is in flight.
     * `invalid_argument` if the path contains a null character. `errc::engine_unavailable` if no
     * engine of the choice works, `errc::invalid_choice` if the choice is not valid. Otherwise what
     * open(2) or eventfd(2) reports. The exception's text contains the path.
     *
     * The call blocks. open(2) may wait long on a network filesystem, or for the other end of a
     * FIFO. The first open on a context also waits for the trials; see `probe`.
     */
    void open(const path_ref& path, flags open_flags, mode_t permissions = default_permissions) {
        error_code ec;
        if (open(path, open_flags, permissions, ec))
            throw_open_error(ec, std::string("open \"") + path.c_str() + '"');
    }

    /// As above, with the default permissions; sets and returns `ec`.
    error_code open(const path_ref& path, flags open_flags, error_code& ec) {
        return open(path, open_flags, default_permissions, ec);
    }

    /// As above, with `permissions`; sets and returns `ec`.
    error_code open(const path_ref& path, flags open_flags, mode_t permissions, error_code& ec) {
        if (file_.is_open_or_opening())
            return ec = net::error::already_open;
        if (path.has_null())
            return ec = net::error::invalid_argument;
        return ec = service_->open(path.c_str(), open_flags, permissions, file_);
    }

    /// Takes over an open descriptor; the file closes it.
    /**
     * @param native_file The descriptor. Access mode and `O_DIRECT` are those with which it was
     *                    opened. If the call fails, the descriptor stays the caller's. With a
     *                    negative value the file stays closed and the call succeeds, as in Asio.
     *
     * @par Errors
     * Those of `open`, without those of open(2).
     */
    void assign(const native_handle_type& native_file) {
        error_code ec;
        if (assign(native_file, ec))
            throw_open_error(ec, "assign");
    }

    /// As above, but sets and returns `ec`.
    error_code assign(const native_handle_type& native_file, error_code& ec) {
        if (file_.is_open_or_opening())
            return ec = net::error::already_open;
        if (native_file < 0)
            return ec = {}; // Asio does not report a descriptor that failed to open either
        return ec = service_->assign(native_file, file_);
    }

    /// Returns whether the file is open. An `async_open` opens it shortly before its handler runs.
    bool is_open() const { return file_.is_open(); }

    /// Cancels the operations in flight and closes the file, without waiting for these operations.
    /**
     * If operations still use the descriptor, a thread of the pool closes it after the last of
     * them. Until then the kernel cannot give its number to another file. Otherwise close(2) runs
     * in this call, and may wait on a network filesystem.
     *
     * @par Errors
     * What close(2) reports, if close(2) runs in this call. Success if the file is closed already.
     *
     * @par Cancellation
     * Operations in flight are cancelled as by `cancel`.
     */
    void close() {
        error_code ec;
        close(ec);
        detail::throw_if(ec, "close");
    }

    /// As above, but sets and returns `ec`.
    error_code close(error_code& ec) {
        cancel_all();
        return ec = detail::to_error(file_.reset());
    }

    /// Cancels the operations in flight and returns the descriptor to the caller. The file is
    /// closed then.
    /**
     * If operations still use the descriptor, the caller gets a duplicate of it (fcntl(2),
     * `F_DUPFD_CLOEXEC`). The caller may close the duplicate at any time, because those operations
     * do not use it. Returns -1 without an error if the file is closed.
     *
     * @par Errors
     * `EMFILE` if the process has no number left for the duplicate. The file stays open then, but
     * its operations are cancelled.
     *
     * @par Cancellation
     * Operations in flight are cancelled as by `cancel`.
     */
    native_handle_type release() {
        error_code ec;
        const native_handle_type descriptor = release(ec);
        detail::throw_if(ec, "release");
        return descriptor;
    }

    /// As above, but sets `ec`; returns -1 after an error.
    native_handle_type release(error_code& ec) {
        ec = {};
        if (!is_open())
            return -1; // without an error, as in Asio
        cancel_all();
        const int result = file_.release();
        ec = detail::to_error(result);
        return ec ? -1 : result;
    }

    /// Returns the descriptor, or -1 if the file is closed. The file still owns the descriptor.
    native_handle_type native_handle() { return is_open() ? file_->descriptor() : -1; }

    /// Cancels the operations in flight on this file, or its `async_open`.
    /**
     * Covers the operations that were started before the call. Operations that wait in a queue
     * complete with `operation_aborted`. The library asks the kernel to cancel those that io_uring
     * has. An operation that can no longer be stopped completes with its result: a system call of
     * the pool, libaio's operations, or what a device has begun.
     */
    void cancel() {
        error_code ec;
        cancel(ec);
        detail::throw_if(ec, "cancel");
    }

    /// As above, but sets and returns `ec`.
    error_code cancel(error_code& ec) {
        ec = file_.is_open_or_opening() ? error_code() : require_open();
        cancel_all(); // may end an open
        return ec;
    }

    /// Returns the size of a regular file or a block device, in bytes. Blocks.
    /** Source: fstat(2), and the ioctl `BLKGETSIZE64`. */
    std::uint64_t size() const {
        error_code ec;
        const std::uint64_t bytes = size(ec);
        detail::throw_if(ec, "size");
        return bytes;
    }

    /// As above, but sets `ec`; returns 0 after an error.
    std::uint64_t size(error_code& ec) const {
        std::uint64_t bytes = 0;
        ec = call(detail::posix_file::size, bytes);
        return ec ? 0 : bytes;
    }

    /// Cuts or extends the file to `n` bytes. Blocks.
    /**
     * @param n The new size in bytes; at most 2^63 - 1. New bytes read as zeros.
     *
     * @par Errors
     * `invalid_argument` if `n` is too large; otherwise what ftruncate(2) reports.
     */
    void resize(std::uint64_t n) {
        error_code ec;
        resize(n, ec);
        detail::throw_if(ec, "resize");
    }

    /// As above, but sets and returns `ec`.
    error_code resize(std::uint64_t n, error_code& ec) {
        return ec = call(detail::posix_file::resize, n);
    }

    /// Waits until the file's data and metadata are on the device. Blocks.
    /**
     * Covers all writes that completed before the call.
     *
     * @par Errors
     * What fsync(2) reports. The kernel reports a device's error only once for each open file. The
     * library therefore calls fsync(2) only when the program requests it.
     */
    void sync_all() {
        error_code ec;
        sync_all(ec);
        detail::throw_if(ec, "sync_all");
    }

    /// As above, but sets and returns `ec`.
    error_code sync_all(error_code& ec) { return ec = call(detail::posix_file::sync_all); }

    /// Does what `sync_all` does, but skips metadata that a read does not need (fdatasync(2)).
    void sync_data() {
        error_code ec;
        sync_data(ec);
        detail::throw_if(ec, "sync_data");
    }

    /// As above, but sets and returns `ec`.
    error_code sync_data(error_code& ec) { return ec = call(detail::posix_file::sync_data); }

    /// Tells the kernel how the program will use a range of the file (posix_fadvise(2)).
    /**
     * The library itself never advises the kernel. Does not wait for the device, except where the
     * filesystem must read its own data to find the range.
     *
     * @param offset Start of the range in bytes.
     * @param length Length of the range in bytes; 0: up to the end of the file.
     *
     * @par Errors
     * `bad_descriptor` if the file is closed; `invalid_argument` if the range ends beyond 2^63 - 1;
     * otherwise what posix_fadvise(2) reports, such as ESPIPE for a pipe.
     */
    void advise(file_advice advice, std::uint64_t offset = 0, std::uint64_t length = 0) {
        error_code ec;
        advise(advice, offset, length, ec);
        detail::throw_if(ec, "advise");
    }

    /// As above, but sets and returns `ec`.
    error_code advise(
        file_advice advice, std::uint64_t offset, std::uint64_t length, error_code& ec) {
        const int raw = detail::to_flags(advice);
        return ec = call(detail::posix_file::advise, offset, length, raw);
    }

    /// Returns the engine that reads and writes this file; `thread_pool` if the file is closed.
    /**
     * Returns the context's chosen engine (see `describe`), or `thread_pool` if that engine does
     * not serve this file. libaio serves only files that were opened with `direct`. io_uring and
     * libaio do not serve pipes, terminals and other devices without positions. Neither do they
     * serve files whose filesystem refused their operations. The library learns this from an
     * operation, so the result can change.
     */
    asio_aio::backend backend() const noexcept {
        return is_open() ? service_->scheduler().backend_of(*file_.operator->())
                         : asio_aio::backend::thread_pool;
    }

    /// Returns the alignment that direct I/O on this file needs.
    /** Source: statx(2) since Linux 6.1; otherwise the sector of a block device; otherwise 4096. */
    direct_alignment direct_io_alignment() const {
        error_code ec;
        const direct_alignment found = direct_io_alignment(ec);
        detail::throw_if(ec, "direct_io_alignment");
        return found;
    }

    /// As above, but sets `ec`; returns zeros after an error.
    direct_alignment direct_io_alignment(error_code& ec) const {
        direct_alignment found;
        ec = is_open() ? detail::to_error(file_.operator->()->direct_io_alignment(found))
                       : require_open();
        return found;
    }

    /// Returns what the file's device can write atomically; see `transfer_options::atomic`.
    atomic_write_range atomic_write_limits() const {
        error_code ec;
        const atomic_write_range found = atomic_write_limits(ec);
        detail::throw_if(ec, "atomic_write_limits");
        return found;
    }

    /// As above, but sets `ec`; returns zeros after an error.
    atomic_write_range atomic_write_limits(error_code& ec) const {
        atomic_write_range found;
        ec = call(detail::posix_file::find_atomic_write_limits, found);
        return found;
    }

protected:
    // Protected, so that a file of one kind cannot be converted to a file of another kind.
    template <typename Executor1, if_converts<Executor1> = 0>
    basic_sync_file_aio(basic_sync_file_aio<Executor1>&& other)
        : executor_(other.executor_), service_(other.service_), file_(std::move(other.file_)) {}

    template <typename Executor1, if_converts<Executor1> = 0>
    basic_sync_file_aio& operator=(basic_sync_file_aio<Executor1>&& other) {
        replace_by(basic_sync_file_aio(std::move(other)));
        return *this;
    }

    /// Cancels and closes as `close` does. Errors of close(2) are lost.
    ~basic_sync_file_aio() { cancel_all(); }

    detail::file_service& service() const noexcept { return *service_; }
    const detail::file_ref& file() const noexcept { return file_; }
    detail::file_ref& file() noexcept { return file_; }

    /// Calls a function of the kernel with the descriptor, if the file is open.
    template <typename Call, typename... Args>
    error_code call(Call function, Args&... args) const {
        return is_open() ? detail::to_error(function(file_->descriptor(), args...))
                         : require_open();
    }

    /// Cancels the operations in flight, and the open of this file.
    void cancel_all() noexcept {
        if (file_ && file_.is_shared()) // otherwise nothing is in flight
            service_->scheduler().cancel(*file_.operator->());
    }

private:
    template <typename>
    friend class basic_sync_file_aio;
    friend struct detail::file_access;

    void replace_by(basic_sync_file_aio&& other) noexcept {
        cancel_all();
        executor_ = other.executor_;
        service_ = other.service_;
        file_ = std::move(other.file_);
    }

    error_code require_open() const noexcept {
        return is_open() ? error_code() : error_code(net::error::bad_descriptor);
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

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
