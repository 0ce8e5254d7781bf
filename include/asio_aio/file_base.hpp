// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>

#include <fcntl.h>
#include <cstdio>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// The type of `file_base::flags`.
/** It is not nested, because the constants in `file_base` need its complete definition. */
class open_flags {
public:
    constexpr open_flags() noexcept = default;

    /// From flags of open(2).
    constexpr explicit open_flags(int raw) noexcept : raw_(raw) {}

#if defined(ASIO_AIO_ASIO_HAS_FILE)
    /// From Asio's flags, which have the same values on POSIX systems.
    constexpr open_flags(net::file_base::flags other) noexcept : raw_(int(other)) {}

    // For operands of both types: without these the conversion to int would make the call
    // ambiguous.
    friend constexpr open_flags operator|(open_flags x, net::file_base::flags y) noexcept {
        return x | open_flags(y);
    }
    friend constexpr open_flags operator|(net::file_base::flags x, open_flags y) noexcept {
        return open_flags(x) | y;
    }
    friend constexpr open_flags operator&(open_flags x, net::file_base::flags y) noexcept {
        return x & open_flags(y);
    }
    friend constexpr open_flags operator&(net::file_base::flags x, open_flags y) noexcept {
        return open_flags(x) & y;
    }
#endif

    constexpr operator int() const noexcept {
        return raw_;
    }

    friend constexpr open_flags operator&(open_flags x, open_flags y) noexcept {
        return open_flags(x.raw_ & y.raw_);
    }
    friend constexpr open_flags operator|(open_flags x, open_flags y) noexcept {
        return open_flags(x.raw_ | y.raw_);
    }
    friend constexpr open_flags operator^(open_flags x, open_flags y) noexcept {
        return open_flags(x.raw_ ^ y.raw_);
    }
    friend constexpr open_flags operator~(open_flags x) noexcept {
        return open_flags(~x.raw_);
    }
    friend constexpr open_flags& operator&=(open_flags& x, open_flags y) noexcept {
        return x = x & y;
    }
    friend constexpr open_flags& operator|=(open_flags& x, open_flags y) noexcept {
        return x = x | y;
    }
    friend constexpr open_flags& operator^=(open_flags& x, open_flags y) noexcept {
        return x = x ^ y;
    }

private:
    int raw_ = 0;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// The flags of `open`, and the bases of `seek`; all file classes derive from it.
/**
 * The values are those of open(2). Other flags of open(2) can be added: `file_base::read_only |
 * file_base::flags(O_NOATIME)`. The library always adds `O_CLOEXEC`.
 * `boost::asio::file_base::flags` converts to these flags if Asio has files.
 */
class file_base {
public:
    /// A bitmask type ([bitmask.types]) that converts to int.
    using flags = detail::open_flags;

    static constexpr flags read_only{O_RDONLY};
    static constexpr flags write_only{O_WRONLY};
    static constexpr flags read_write{O_RDWR};
    /// The kernel writes at the end of the file and ignores the offset (open(2), pwrite(2)).
    static constexpr flags append{O_APPEND};
    static constexpr flags create{O_CREAT};
    /// With `create`: the open fails with `EEXIST` if the file exists.
    static constexpr flags exclusive{O_EXCL};
    static constexpr flags truncate{O_TRUNC};
    /// A write completes when its data and metadata are on the device.
    static constexpr flags sync_all_on_write{O_SYNC};
    /// A write completes when its data, and the metadata that a read needs, are on the device.
    static constexpr flags sync_data_on_write{O_DSYNC};
    /// I/O bypasses the page cache. Memory, offset and length must be aligned; see
    /// `direct_io_alignment()`.
    static constexpr flags direct{O_DIRECT};

    /// The position from which `seek` counts.
    enum seek_basis : int { seek_set = SEEK_SET, seek_cur = SEEK_CUR, seek_end = SEEK_END };

protected:
    /// Protected, so that nobody deletes a file through this type.
    ~file_base() = default;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
