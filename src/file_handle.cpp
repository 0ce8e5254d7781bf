// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/detail/file_handle.hpp>

#include <asio_aio/detail/posix_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <cerrno>

namespace asio_aio::detail {

namespace {

/// What reads and writes of a direct file are held to.
direct_alignment required_alignment(int descriptor) noexcept {
    const auto reported = posix_file::reported_alignment(descriptor);
    // Zeros: reported as unable of direct I/O, but it was opened for it; the kernel decides.
    return reported && reported->memory != 0 && reported->offset != 0 ? *reported : direct_alignment{1, 1};
}

} // namespace

file_ref file_ref::adopt(int descriptor, std::uint64_t key) {
    const int flags = ::fcntl(descriptor, F_GETFL);
    const bool direct = flags != -1 && (flags & O_DIRECT) != 0;
    struct stat status;
    const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    const auto required = direct ? required_alignment(descriptor) : direct_alignment{1, 1};
    return file_ref(new file_handle(descriptor, key, direct, regular, required));
}

int file_ref::drop() noexcept {
    file_handle* handle = std::exchange(handle_, nullptr);
    // acq_rel: what other users did with the descriptor happens before its close.
    if (handle->users_.fetch_sub(1, std::memory_order_acq_rel) != 1)
        return 0;
    const int result = handle->descriptor_ == -1 ? 0 : posix_file::close(handle->descriptor_);
    delete handle;
    return result;
}

int file_ref::release() noexcept {
    if (!is_shared()) {
        const int descriptor = std::exchange(handle_->descriptor_, -1);
        reset();
        return descriptor;
    }
    const int duplicate = ::fcntl(handle_->descriptor_, F_DUPFD_CLOEXEC, 0);
    if (duplicate == -1)
        return -errno;
    reset();
    return duplicate;
}

} // namespace asio_aio::detail
