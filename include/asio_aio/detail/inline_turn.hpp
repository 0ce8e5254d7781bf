// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/posix_file.hpp>
#include <asio_aio/detail/file_service.hpp>

#include <unistd.h>
#include <cstddef>
#include <cstdint>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// The turn of a stream file, for a read inside its initiating function.
/**
 * The read uses an offset, and the position moves afterwards. So an initiating function that throws
 * loses no bytes, and another thread does not read the same ones.
 */
class inline_turn {
public:
    /// Takes the turn, if no operation has it and the file has positions.
    inline_turn(file_service& service, file_handle& file) noexcept : service_(service) {
        if (!file.is_storage() || !file.take_turn())
            return;
        file_.hold(file);
        has_position_ = posix_file::seek(file.descriptor(), 0, SEEK_CUR, position_) == 0;
    }

    inline_turn(const inline_turn&) = delete;
    inline_turn& operator=(const inline_turn&) = delete;

    /// Gives the turn back. The position is the old one, unless the new one is to be kept.
    ~inline_turn() {
        if (moved_ != 0 && !kept_)
            seek(position_);
        if (file_)
            service_.give_turn_back(*file_);
    }

    /// True if a read may use `position`.
    explicit operator bool() const noexcept { return has_position_; }
    std::uint64_t position() const noexcept { return position_; }

    /// Moves the position behind what was read.
    void move_by(std::size_t bytes) noexcept {
        moved_ = bytes;
        if (bytes != 0)
            seek(position_ + bytes);
    }

    /// Decides whether the new position stays.
    void keep(bool kept) noexcept { kept_ = kept; }

private:
    void seek(std::uint64_t to) noexcept {
        std::uint64_t found = 0;
        posix_file::seek((*file_).descriptor(), std::int64_t(to), SEEK_SET, found);
    }

    file_service& service_;
    /// Set if this has the turn. Another thread may call the handler, which may end the file.
    file_pin file_;
    std::uint64_t position_ = 0;
    std::size_t moved_ = 0;
    bool kept_ = false;
    bool has_position_ = false;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
