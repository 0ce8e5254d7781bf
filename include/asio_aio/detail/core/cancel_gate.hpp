// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/operation.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace asio_aio::detail {

/// Cancels operations on behalf of the gate.
class canceller {
public:
    /// `op` stays alive during the call.
    virtual void cancel(operation& op) noexcept = 0;

protected:
    ~canceller() = default;
};

/// Connects cancellation slots to operations. The gate outlives both: a signal that is emitted late
/// finds it closed.
/**
 * A slot holds the operation's name. The gate finds the operation by this name in constant time, if
 * the operation is still in flight. Thread-safe.
 */
class cancel_gate {
public:
    /// The name of an operation; never used for a second one.
    struct name {
        std::uint32_t index;
        std::uint64_t number;
    };

    explicit cancel_gate(canceller& target) noexcept : target_(&target) {}
    cancel_gate(const cancel_gate&) = delete;
    cancel_gate& operator=(const cancel_gate&) = delete;

    /// Gives `op` a name, which is valid until `remove`. Throws std::bad_alloc.
    name add(operation& op) {
        const std::lock_guard<std::mutex> held(mutex_);
        if (first_free_ == operation::not_registered) {
            entries_.emplace_back();
            first_free_ = std::uint32_t(entries_.size() - 1);
        }
        op.cancel_index = first_free_;
        entry& mine = entries_[first_free_];
        first_free_ = mine.next_free;
        mine.op = &op;
        mine.number = ++last_number_;
        return {op.cancel_index, mine.number};
    }

    /// Removes `op`, which is about to end. When it returns, no call of the canceller for `op` is
    /// running.
    void remove(operation& op) noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        const std::uint32_t index = std::exchange(op.cancel_index, operation::not_registered);
        entries_[index] = {nullptr, 0, first_free_};
        first_free_ = index;
    }

    void cancel(const name& which) noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        const entry& found = entries_[which.index];
        if (target_ && found.op && found.number == which.number)
            target_->cancel(*found.op);
    }

    void close() noexcept {
        const std::lock_guard<std::mutex> held(mutex_);
        target_ = nullptr;
    }

private:
    struct entry {
        operation* op = nullptr;
        std::uint64_t number = 0;
        std::uint32_t next_free = operation::not_registered;
    };

    /// Guards everything below. It is held while an operation is cancelled, so that the operation
    /// does not end meanwhile. No handler runs under it, and no descriptor is closed.
    std::mutex mutex_;
    canceller* target_;
    std::vector<entry> entries_; ///< Grows to the largest number of registered operations.
    std::uint32_t first_free_ = operation::not_registered;
    std::uint64_t last_number_ = 0;
};

/// The registration of an operation that is being started. The destructor removes it, unless `keep`
/// was called.
class cancel_registration {
public:
    cancel_registration(cancel_gate& gate, operation& op)
        : gate_(gate), op_(&op), name_(gate.add(op)) {}
    cancel_registration(const cancel_registration&) = delete;
    cancel_registration& operator=(const cancel_registration&) = delete;
    ~cancel_registration() {
        if (op_)
            gate_.remove(*op_);
    }

    const cancel_gate::name& name() const noexcept { return name_; }
    void keep() noexcept { op_ = nullptr; }

private:
    cancel_gate& gate_;
    operation* op_;
    const cancel_gate::name name_;
};

} // namespace asio_aio::detail
