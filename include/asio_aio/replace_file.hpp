// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/path_operation.hpp>
#include <asio_aio/path_ref.hpp>

#include <sys/types.h>
#include <sys/uio.h>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Options of `async_replace_file`.
struct replace_options {
    mode_t permissions = 0666; ///< Of a file that did not exist, before the umask.

    /// The new content has reached the device when the handler runs. Without it, a crash of the
    /// machine soon afterwards may leave the old content, or on some filesystems an empty file.
    bool durable = true;

    /// A symbolic link at the path is followed and stays. Without it, such a link is an error
    /// (ELOOP); so nobody who may make links in the directory chooses the file that is replaced.
    /// Links in the directory part of the path are followed in any case.
    bool follow_links = true;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

template <typename BufferSequence>
struct new_content {
    replace_options options;
    BufferSequence buffers;
};

class replace_call final : public path_call {
public:
    int perform(const operation& op) noexcept override {
        return path_calls::replace_file(
            paths.first(),
            {iovecs_, count_, options_.permissions, options_.durable, options_.follow_links}, op);
    }

    template <typename BufferSequence, typename Allocator>
    void assign(const new_content<BufferSequence>& with, const Allocator& allocator) {
        options_ = with.options;
        const auto begin = net::buffer_sequence_begin(with.buffers);
        const auto end = net::buffer_sequence_end(with.buffers);
        std::size_t count = 0;
        for (auto it = begin; it != end; ++it)
            ++count;
        if (count == 0)
            return;
        iovecs_ = rebound<Allocator>(allocator).allocate(count);
        room_ = count;
        for (auto it = begin; it != end; ++it) {
            const net::const_buffer one(*it);
            iovecs_[count_++] = {const_cast<void*>(one.data()), one.size()};
        }
    }

    template <typename Allocator>
    void release(const Allocator& allocator) noexcept {
        if (iovecs_)
            rebound<Allocator>(allocator).deallocate(iovecs_, room_);
        path_call::release(allocator);
    }

private:
    template <typename Allocator>
    using rebound = typename std::allocator_traits<Allocator>::template rebind_alloc<iovec>;

    replace_options options_;
    iovec* iovecs_ = nullptr;
    std::size_t count_ = 0, room_ = 0;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Starts to replace the whole content of a file, so that every reader sees the old content or the
/// new one, and never a mixture.
/**
 * A thread of the pool writes a temporary file in the same directory, syncs it, renames it to
 * `path` and syncs the directory. It syncs only if `options.durable` is set: after a crash at any
 * moment the file is then wholly the old or the new one. If the process is killed, the temporary
 * file (`.NAME.~asio_aio0`) may remain; the next replacement of the same file removes it.
 *
 * Owner, permissions and, where the kernel permits, extended attributes of the old file are kept. A
 * symbolic link is followed and stays, unless `options` refuse it. Other hard links keep the old
 * content. Replacements of one file at the same time are each done wholly, in any order.
 *
 * @param where   An executor, or an execution context, which stands for its executor.
 * @param path    As for `async_open`.
 * @param buffers The new content. The sequence is copied. The memory is the caller's and must stay
 *                valid and unchanged until the handler is called or destroyed.
 * @param options See `replace_options`.
 * @param token   Completion token for `void(error_code)`.
 *
 * @par Errors
 * `operation_aborted` after cancellation. `invalid_argument` if the path contains a null character
 * or names something else than a regular file; EISDIR for a directory. EPERM if the owner of the
 * old file cannot be kept. EACCES if the directory cannot be read or written. Those of `open` if
 * there is no engine. Otherwise what the system call reports that failed: openat(2), writev(2),
 * fsync(2), renameat(2). The file is then the old one, and no temporary file remains. One exception:
 * if the last sync, that of the directory, fails, the file is the new one.
 *
 * @par Cancellation
 * `terminal`, `partial` and `total`, until the rename. The file is then the old one.
 *
 * @par Thread safety
 * Safe.
 */
template <
    typename Where, typename ConstBufferSequence,
    typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>>
auto async_replace_file(
    Where&& where, const path_ref& path, const ConstBufferSequence& buffers,
    const replace_options& options, Token&& token = Token()) {
    return detail::initiate_on_paths<detail::replace_call, Token>(
        where, token, detail::new_content<ConstBufferSequence>{options, buffers}, path);
}

/// As above, with the default options.
template <
    typename Where, typename ConstBufferSequence,
    typename Token = net::default_completion_token_t<detail::executor_of_t<Where>>,
    std::enable_if_t<!std::is_same_v<std::decay_t<Token>, replace_options>, int> = 0>
auto async_replace_file(
    Where&& where, const path_ref& path, const ConstBufferSequence& buffers,
    Token&& token = Token()) {
    return async_replace_file(where, path, buffers, replace_options(), std::forward<Token>(token));
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
