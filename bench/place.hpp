// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "measure.hpp"
#include "request.hpp"
#include "workload.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace bench {

/// A place in flight: a buffer, and operations that use the buffer one after another.
class place {
public:
    place(measurement& measured, const workload& wanted, std::uint64_t number, char* buffer)
        : measured_(&measured),
          requests_(wanted, number),
          buffer_(buffer),
          block_(wanted.block),
          appends_(wanted.appends) {}

    /// Begins the next operation; false if there is none.
    bool next() noexcept {
        if (left_ == 0 && (left_ = measured_->take(ticket_)) == 0)
            return false;
        --left_;
        now_ = appends_ ? requests_.append(ticket_) : requests_();
        timed_ = measured_->wants_latency(ticket_++);
        if (timed_)
            begin_ = std::chrono::steady_clock::now();
        return true;
    }

    /// Ends the operation. `result` is a number of bytes or a negative errno.
    void finish(std::int64_t result) noexcept {
        if (timed_)
            measured_->add_latency(std::chrono::steady_clock::now() - begin_);
        if (result != std::int64_t(block_))
            report(result);
        ++completed_;
    }

    std::uint64_t completed() const noexcept { return completed_; }
    const request& now() const noexcept { return now_; }
    char* data() const noexcept { return buffer_; }
    std::size_t size() const noexcept { return block_; }
    const char* call() const noexcept { return now_.is_read ? "read" : "write"; }

private:
    [[noreturn]] void report(std::int64_t result) const noexcept;

    measurement* measured_;
    request_source requests_;
    char* buffer_;
    std::size_t block_;
    bool appends_;
    request now_;
    std::uint64_t ticket_ = 0;
    std::uint64_t completed_ = 0;
    std::chrono::steady_clock::time_point begin_{};
    unsigned left_ = 0;
    bool timed_ = false;
};

/// The places of one thread, or of one loop that threads run together.
class place_group {
public:
    place_group(
        measurement& measured, const workload& wanted, unsigned count, std::uint64_t first_number);

    std::vector<place>& places() noexcept { return places_; }
    std::uint64_t completed() const noexcept;

private:
    struct free_memory {
        void operator()(char* memory) const noexcept { std::free(memory); }
    };
    std::unique_ptr<char, free_memory> memory_;
    std::vector<place> places_;
};

/// The buffers of the places of one group, as one block.
struct memory_block {
    char* data;
    std::size_t size;
};

memory_block memory_of(const std::vector<place>& group) noexcept;

/// A first-in-first-out queue of places that wait for room in a queue of the kernel.
/** It never holds more places than it began with. */
class place_queue {
public:
    explicit place_queue(std::vector<place>& all) : count_(all.size()) {
        for (place& each : all)
            slots_.push_back(&each);
    }

    void push(place* last) noexcept { slots_[(first_ + count_++) % slots_.size()] = last; }

    /// The first place that has another operation, which is begun. Null if none has.
    place* pop() noexcept {
        while (count_ != 0) {
            place* const next = slots_[first_];
            first_ = (first_ + 1) % slots_.size();
            --count_;
            if (next->next())
                return next;
        }
        return nullptr;
    }

private:
    std::vector<place*> slots_;
    std::size_t first_ = 0;
    std::size_t count_;
};

} // namespace bench
