// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/file_access.hpp>
#include <asio_aio/detail/transfer.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

// A read needs memory that is not const; with const buffers the call does not compile.
template <typename Buffers>
using if_mutable = std::enable_if_t<net::is_mutable_buffer_sequence<Buffers>::value, int>;
template <typename Buffers>
using if_const = std::enable_if_t<net::is_const_buffer_sequence<Buffers>::value, int>;

/// What the reads and writes of all devices share: files and views, with and without offsets.
/** @tparam Device The class that inherits this one. */
template <typename Device, typename Executor>
class transfer_device {
protected:
    using signature = void(error_code, std::size_t);

    template <typename Offset, typename BufferSequence>
    std::size_t transfer_now(
        op_kind kind, Offset offset, const BufferSequence& buffers, error_code& ec) {
        const auto& file = file_access::file_of(its());
        const transfer_result result = detail::transfer_now(
            file_access::service(file), file_access::handle(file), kind, offset, buffers,
            file_access::flags(its(), kind));
        ec = result.error;
        return result.bytes;
    }

    class initiate_transfer {
    public:
        using executor_type = Executor;

        initiate_transfer(Device& device, op_kind kind) noexcept
            : file_(&file_access::file_of(device)),
              kind_(kind),
              flags_(file_access::flags(device, kind)) {}

        const executor_type& get_executor() const noexcept { return file_->get_executor(); }

        template <typename Handler, typename Offset, typename BufferSequence>
        void operator()(Handler&& handler, Offset offset, const BufferSequence& buffers) const {
            std::decay_t<Handler> owned(std::forward<Handler>(handler));
            start_transfer(
                file_access::service(*file_), file_access::handle(*file_), file_->get_executor(),
                kind_, offset, buffers, flags_, owned);
        }

    private:
        basic_sync_file_aio<Executor>* file_;
        op_kind kind_;
        transfer_flags flags_;
    };

    initiate_transfer initiation(op_kind kind) noexcept { return {its(), kind}; }

private:
    Device& its() noexcept { return static_cast<Device&>(*this); }
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
