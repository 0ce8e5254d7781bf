// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/core/cancel_gate.hpp>

#include <memory>
#include <utility>

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// The content of a cancellation slot: the name of an operation, never a pointer to it.
class cancel_by_name {
public:
    cancel_by_name(std::shared_ptr<cancel_gate> gate, const cancel_gate::name& which) noexcept
        : gate_(std::move(gate)), which_(which) {}

    void operator()(net::cancellation_type_t type) const noexcept {
        using net::cancellation_type;
        constexpr auto wanted =
            cancellation_type::terminal | cancellation_type::partial | cancellation_type::total;
        if ((type & wanted) != cancellation_type::none)
            gate_->cancel(which_);
    }

private:
    std::shared_ptr<cancel_gate> gate_;
    cancel_gate::name which_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
