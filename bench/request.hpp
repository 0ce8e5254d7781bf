// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "workload.hpp"

#include <cstdint>

namespace bench {

/// The random number generator splitmix64: a few instructions for 64 bits.
class random_bits {
public:
    explicit random_bits(std::uint64_t seed) : state_(seed) {}

    std::uint64_t operator()() {
        std::uint64_t bits = state_ += 0x9e3779b97f4a7c15u;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
        return bits ^ (bits >> 31);
    }

private:
    std::uint64_t state_;
};

/// One operation of a workload.
struct request {
    std::uint64_t offset = 0;
    std::uint32_t file = 0;
    bool is_read = true;
};

/// The sequence of operations of one place in flight: the same for every contestant.
class request_source {
public:
    request_source(const workload& wanted, std::uint64_t place)
        : random_(wanted.seed * 1'000'003 + place),
          block_(wanted.block),
          blocks_(std::uint32_t(wanted.file_bytes() / wanted.block)),
          files_(wanted.files),
          read_share_(share(wanted)) {}

    /// The next random operation.
    request operator()() {
        const std::uint64_t bits = random_();
        request next;
        next.offset = scale(std::uint32_t(bits), blocks_) * block_;
        next.file = std::uint32_t(scale(std::uint32_t(bits >> 32), files_));
        if (read_share_ != always)
            next.is_read = std::uint32_t(random_()) < read_share_;
        return next;
    }

    /// The write number `number` of a run that appends. After the end of the file comes its start.
    request append(std::uint64_t number) const {
        request next;
        next.offset = number % blocks_ * block_;
        next.is_read = false;
        return next;
    }

private:
    static constexpr std::uint64_t always = std::uint64_t(1) << 32;

    static std::uint64_t share(const workload& wanted) {
        if (wanted.operation == "mixed")
            return always * wanted.read_percent / 100;
        return wanted.writes() ? 0 : always;
    }

    /// Scales random bits to 0 … `below` - 1 without a division.
    static std::uint64_t scale(std::uint32_t bits, std::uint32_t below) {
        return std::uint64_t(bits) * below >> 32;
    }

    random_bits random_;
    std::uint64_t block_;
    std::uint32_t blocks_;
    std::uint32_t files_;
    std::uint64_t read_share_;
};

} // namespace bench
