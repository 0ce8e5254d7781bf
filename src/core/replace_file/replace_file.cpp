// SPDX-License-Identifier: BSL-1.0
// The new content goes to a temporary file beside the target, which is then renamed.
#include <asio_aio/detail/core/path_calls.hpp>

#include "core/replace_file/failure.hpp"
#include "core/replace_file/metadata.hpp"
#include "core/replace_file/target_file.hpp"
#include "core/replace_file/temporary_file.hpp"

#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <string>
#include <system_error>
#include <vector>

namespace asio_aio::detail::path_calls {
namespace {

void stop_if_cancelled(const operation& op) {
    if (op.is_cancelled())
        fail(ECANCELED);
}

void write_all(int file, const replacement& with, const operation& op) {
    std::vector<iovec> rest(with.iovecs, with.iovecs + with.iovec_count);
    for (auto next = rest.begin(); next != rest.end();) {
        stop_if_cancelled(op);
        const auto count = std::min<std::ptrdiff_t>(rest.end() - next, IOV_MAX);
        const ssize_t written = ::writev(file, &*next, int(count));
        if (written == -1 && errno != EINTR && errno != EAGAIN)
            fail();
        auto bytes = std::size_t(std::max(written, ssize_t(0)));
        for (; next != rest.end() && bytes >= next->iov_len; ++next)
            bytes -= next->iov_len;
        if (next != rest.end()) {
            next->iov_base = static_cast<char*>(next->iov_base) + bytes;
            next->iov_len -= bytes;
        }
    }
}

void replace(const std::string& path, const replacement& with, const operation& op) {
    const target_file target(path, with.follow_links);
    const old_file old = target.open_old();
    constexpr mode_t nobody_else = 0600; // until the permissions of the old file are known
    temporary_file file(target, old.file ? nobody_else : with.permissions);
    write_all(file.get(), with, op);
    if (old.file)
        copy_metadata(old, file.get());
    if (with.durable)
        check(::fsync(file.get()));
    stop_if_cancelled(op);
    file.rename_to_target();
    if (with.durable)
        check(::fsync(target.directory()));
}

} // namespace

int replace_file(const char* path, const replacement& with, const operation& op) noexcept {
    try {
        replace(path, with, op);
        return 0;
    } catch (const std::system_error& error) {
        return -error.code().value();
    } catch (const std::exception&) { // out of memory
        return -ENOMEM;
    }
}

} // namespace asio_aio::detail::path_calls
