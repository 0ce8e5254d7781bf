// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/operation.hpp>

#include <boost/asio/cancellation_type.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace asio_aio::detail {

/// Who can be asked to cancel operations.
class canceller {
public:
    virtual void cancel(const cancellation& which) noexcept = 0;

protected:
    ~canceller() = default;
};

/// The way from a cancellation slot to the service; it outlives both, so that a late emission finds it closed.
class cancel_gate {
public:
    explicit cancel_gate(canceller& target) noexcept : target_(&target) {}

    void cancel(const cancellation& which) noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        if (target_)
            target_->cancel(which);
    }

    void close() noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        target_ = nullptr;
    }

private:
    /// Guards `target_`, also while it cancels, so that it is not destroyed meanwhile. No handler runs under it.
    std::mutex mutex_;
    canceller* target_;
};

/// What stands in a cancellation slot: names the operation and never points at it.
class cancel_by_key {
public:
    cancel_by_key(std::shared_ptr<cancel_gate> gate, std::uint64_t key) noexcept : gate_(std::move(gate)), key_(key) {}

    void operator()(boost::asio::cancellation_type_t type) const noexcept {
        using boost::asio::cancellation_type;
        constexpr auto wanted = cancellation_type::terminal | cancellation_type::partial | cancellation_type::total;
        if ((type & wanted) != cancellation_type::none)
            gate_->cancel({cancellation::scope::operation, key_});
    }

private:
    std::shared_ptr<cancel_gate> gate_;
    std::uint64_t key_;
};

} // namespace asio_aio::detail
