// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>
#include <asio_aio/detail/core/file_handle.hpp>

#include <atomic>
#include <utility>

namespace asio_aio::detail {

/// Keeps a file_handle as an object, also after its descriptor was closed.
class file_pin {
public:
    file_pin() = default;
    file_pin(const file_pin&) = delete;
    file_pin& operator=(const file_pin&) = delete;
    ~file_pin() { reset(); }

    /// Pins a file that is open.
    void hold(file_handle& file) noexcept {
        reset();
        handle_ = &file;
        file.pins_.fetch_add(1, std::memory_order_relaxed);
    }

    void reset() noexcept {
        if (file_handle* handle = std::exchange(handle_, nullptr))
            release(handle);
    }

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    file_handle& operator*() const noexcept { return *handle_; }

private:
    friend class file_ref;
    ASIO_AIO_API static void release(file_handle* handle) noexcept;

    file_handle* handle_ = nullptr;
};

/// A share in a file_handle: it keeps the descriptor open.
class file_ref {
public:
    file_ref() = default;

    /// Takes over `descriptor` as its first user. Throws std::bad_alloc and then leaves the
    /// descriptor alone.
    /** If `finds_memory` is false, inline reads use only RWF_NOWAIT. */
    static file_ref adopt(int descriptor, bool finds_memory = true);

    /// Makes the first user of a file that is to be opened. Throws std::bad_alloc.
    static file_ref make_opening(open_request&& wanted) {
        return file_ref(new file_handle(std::move(wanted)));
    }

    file_ref(const file_ref& other) noexcept : handle_(other.handle_) {
        if (handle_)
            handle_->users_.fetch_add(1, std::memory_order_relaxed);
    }

    file_ref(file_ref&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)),
          writes_(std::exchange(other.writes_, false)) {}

    file_ref& operator=(file_ref other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(writes_, other.writes_);
        return *this;
    }

    ~file_ref() { reset(); }

    /// True if there is a handle; the file may be open, opening or closed.
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    file_handle* operator->() const noexcept { return handle_; }

    bool is_open() const noexcept { return handle_ && handle_->is_open(); }
    bool is_opening() const noexcept { return handle_ && handle_->is_opening(); }
    bool is_open_or_opening() const noexcept { return handle_ && handle_->is_open_or_opening(); }

    /// Marks this user as a writer until it ends; its copies are not marked.
    void mark_as_writer() noexcept {
        writes_ = true;
        handle_->writers_.fetch_add(1, std::memory_order_relaxed);
    }

    /// True if the file has users other than this one.
    bool is_shared() const noexcept { return handle_->users_.load(std::memory_order_acquire) != 1; }

    /// Ends this use. Returns 0, or -errno of close(2) if this was the last use. An operation that
    /// waits for the close is discarded.
    ASIO_AIO_API int reset() noexcept;

    /// As above, but gives the operation that waits for the close to the caller, as `closer`.
    int reset(operation*& closer) noexcept { return handle_ ? drop(closer) : 0; }

    /// Ends this use, unless it is the last one. Then it returns false and changes nothing.
    ASIO_AIO_API bool reset_if_shared() noexcept;

    /// Ends this use. The file then owns `closer`, and the last user takes it, with `reset`. If
    /// this is the last use, the call returns false and changes nothing.
    bool reset_with_closer(operation& closer) noexcept;

    /// Ends this use and returns a descriptor that the caller may close at any time, or -errno. On
    /// failure the use goes on.
    /**
     * If operations still use the descriptor, the caller gets a duplicate, because the original
     * must stay open for them.
     */
    ASIO_AIO_API int release() noexcept;

private:
    explicit file_ref(file_handle* handle) noexcept : handle_(handle) {}
    int drop(operation*& closer) noexcept;

    void end_writing() noexcept {
        if (std::exchange(writes_, false))
            handle_->writers_.fetch_sub(1, std::memory_order_relaxed);
    }

    file_handle* handle_ = nullptr;
    bool writes_ = false;
};

} // namespace asio_aio::detail
