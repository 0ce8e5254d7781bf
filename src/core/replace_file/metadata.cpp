// SPDX-License-Identifier: BSL-1.0
#include "core/replace_file/metadata.hpp"

#include "core/replace_file/failure.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace asio_aio::detail::path_calls {
namespace {

/// Takes the access control list away that the directory gave to a new file (acl(5), default ACL),
/// unless the old file has a list, which replaces it.
void drop_inherited_list(const old_file& from, int to) {
    constexpr const char* list = "system.posix_acl_access";
    const bool has_none = from.attribute(list, nullptr, 0) == -1;
    if (has_none && errno != ENODATA && errno != EOPNOTSUPP)
        fail();
    if (has_none && ::fremovexattr(to, list) == -1 && errno != ENODATA && errno != EOPNOTSUPP)
        fail();
}

/// Copies extended attributes as far as the kernel permits, and the access control list in any
/// case: without it, the bits of the group have another meaning.
void copy_attributes(const old_file& from, int to) {
    const ssize_t bytes = from.attribute_names(nullptr, 0);
    if (bytes <= 0)
        return;
    std::string names(std::size_t(bytes), '\0');
    names.resize(
        std::size_t(std::max(from.attribute_names(names.data(), names.size()), ssize_t(0))));
    for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
        const char* const name = names.data() + at;
        const ssize_t length = from.attribute(name, nullptr, 0);
        std::string value(std::size_t(std::max(length, ssize_t(0))), '\0');
        const ssize_t got = from.attribute(name, value.data(), value.size());
        const bool failed =
            got >= 0 && ::fsetxattr(to, name, value.data(), std::size_t(got), 0) == -1;
        if (failed && std::strcmp(name, "system.posix_acl_access") == 0)
            fail();
    }
}

} // namespace

void copy_metadata(const old_file& from, int to) {
    struct stat old, now;
    check(::fstat(from.file.get(), &old));
    check(::fstat(to, &now));
    if (now.st_uid != old.st_uid || now.st_gid != old.st_gid)
        check(::fchown(
            to, now.st_uid == old.st_uid ? uid_t(-1) : old.st_uid,
            now.st_gid == old.st_gid ? gid_t(-1) : old.st_gid));
    drop_inherited_list(from, to);
    check(::fchmod(to, old.st_mode & 07777)); // after fchown, which clears some bits
    copy_attributes(from, to);
}

} // namespace asio_aio::detail::path_calls
