// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <fcntl.h>
#include <cstdio>

namespace asio_aio {

/// The flags of open and the bases of seek, shared by all file classes.
/**
 * The values are the raw ones of open(2), so that a flag that has no name here can be cast in:
 * `file_base::read_only | file_base::flags(O_NOATIME)`. `O_CLOEXEC` is always added.
 */
class file_base {
public:
    /// A bitmask type ([bitmask.types]).
    enum flags : int {
        read_only = O_RDONLY,
        write_only = O_WRONLY,
        read_write = O_RDWR,
        /// Every write goes to the end of the file; the kernel ignores the offset that was given (open(2), pwrite(2)).
        append = O_APPEND,
        create = O_CREAT,
        /// With `create`: fail with `EEXIST` where the file exists.
        exclusive = O_EXCL,
        truncate = O_TRUNC,
        /// A write completes when data and metadata are on the device.
        sync_all_on_write = O_SYNC,
        /// A write completes when its data, and the metadata needed to read it back, are on the device.
        sync_data_on_write = O_DSYNC,
        /// Bypasses the page cache; memory, offset and length must be aligned, see `direct_io_alignment()`.
        direct = O_DIRECT
    };

    friend constexpr flags operator&(flags x, flags y) { return flags(int(x) & int(y)); }
    friend constexpr flags operator|(flags x, flags y) { return flags(int(x) | int(y)); }
    friend constexpr flags operator^(flags x, flags y) { return flags(int(x) ^ int(y)); }
    friend constexpr flags operator~(flags x) { return flags(~int(x)); }
    friend constexpr flags& operator&=(flags& x, flags y) { return x = x & y; }
    friend constexpr flags& operator|=(flags& x, flags y) { return x = x | y; }
    friend constexpr flags& operator^=(flags& x, flags y) { return x = x ^ y; }

    /// What an offset given to seek counts from.
    enum seek_basis : int { seek_set = SEEK_SET, seek_cur = SEEK_CUR, seek_end = SEEK_END };

protected:
    /// Protected, so that nobody deletes a file through this type.
    ~file_base() = default;
};

} // namespace asio_aio
