// SPDX-License-Identifier: BSL-1.0
// A random mix of operations on one file, against a model in memory.
#include "results.hpp"

#include <fcntl.h>
#include <algorithm>
#include <array>
#include <limits>
#include <list>
#include <random>

using namespace test;

namespace {

constexpr std::size_t seeds = 10;
#ifdef __SANITIZE_THREAD__
// ThreadSanitizer makes a step fifteen times slower.
constexpr std::size_t steps_per_seed = 4'000;
#else
constexpr std::size_t steps_per_seed = 10'000;
#endif

constexpr std::size_t max_in_flight = 64;
// large enough for many operations that do not overlap
constexpr std::size_t max_file_bytes = 4 << 20;

/// The bytes of the file that an operation reads or changes. Has no end if the operation depends on
/// the size of the file.
struct range {
    std::size_t begin, end;

    bool overlaps(const range& other) const { return begin < other.end && other.begin < end; }
};

constexpr std::size_t infinity = std::numeric_limits<std::size_t>::max();

class random_mix {
public:
    random_mix(environment& env, unsigned seed)
        : env_(env),
          random_(seed),
          file_(env.open("file", file_base::read_write | file_base::create | file_base::truncate)) {
    }

    void run(std::size_t steps) {
        resize(max_file_bytes / 2);
        for (std::size_t i = 0; i < steps; ++i) {
            step_ = i;
            step();
        }
        while (!in_flight_.empty())
            wait();
        BOOST_TEST(peak_ <= max_in_flight);
        BOOST_TEST(peak_ > max_in_flight / 2);
        BOOST_TEST((content(env_.path()) == model_));
    }

private:
    enum class access { shared, exclusive };

    struct flight {
        range where;
        access how;
        std::string bytes;
        std::size_t expected; // bytes that the operation will move
        std::size_t offset;
        bool reading;
        outcome result;
    };

    std::size_t up_to(std::size_t most) {
        return std::uniform_int_distribution<std::size_t>(0, most)(random_);
    }

    std::size_t random_size() {
        switch (up_to(9)) {
        case 0: return 1 + up_to(100 << 10); // above the limit of inline reads
        case 1:
        case 2: return 4096 * (1 + up_to(7));
        default: return 1 + up_to(5000);
        }
    }

    void step() {
        const std::size_t kind = up_to(999);
        if (kind < 2)
            sync();
        else if (kind < 6)
            resize(max_file_bytes / 4 + up_to(max_file_bytes / 2));
        else if (kind < 500)
            read(kind < 50);
        else
            write(kind < 550);
    }

    /// A position in the file; one in 50 is near its end.
    std::size_t random_offset() {
        constexpr std::size_t around = 6000;
        return up_to(49) == 0 ? model_.size() - around + up_to(2 * around) : up_to(model_.size());
    }

    void read(bool now) {
        const std::size_t offset = random_offset();
        const std::size_t size = random_size();
        const bool crosses_end = offset + size > model_.size();
        make_room({offset, crosses_end ? infinity : offset + size}, access::shared);
        flight& one = in_flight_.emplace_back();
        one.where = {offset, crosses_end ? infinity : offset + size};
        one.how = access::shared;
        one.bytes.assign(size, '#');
        one.offset = offset;
        one.expected = crosses_end ? model_.size() - std::min(offset, model_.size()) : size;
        one.reading = true;
        start(one, now);
    }

    void write(bool now) {
        const std::size_t offset = random_offset();
        const std::size_t size = random_size();
        const bool grows = offset + size > model_.size();
        // The bytes between the old end and the new bytes change, too.
        const range where = {
            grows ? std::min(offset, model_.size()) : offset, grows ? infinity : offset + size};
        make_room(where, access::exclusive);
        flight& one = in_flight_.emplace_back();
        one.where = where;
        one.how = access::exclusive;
        one.bytes = pattern(size, unsigned(random_()));
        one.offset = offset;
        one.expected = size;
        one.reading = false;
        if (grows)
            model_.resize(offset + size);
        std::copy(one.bytes.begin(), one.bytes.end(), model_.begin() + std::ptrdiff_t(offset));
        start(one, now);
    }

    void start(flight& one, bool now) {
        peak_ = std::max(peak_, in_flight_.size());
        const auto handler = one.result.handler();
        // One buffer or three buffers, with equal probability.
        const std::size_t third = up_to(1) == 0 ? 0 : one.bytes.size() / 3;
        const auto whole = asio::buffer(one.bytes);
        const std::array parts = {
            asio::buffer(whole, third), asio::buffer(whole + third, third), whole + 2 * third};
        error_code ec;
        if (now && one.reading)
            handler(ec, file_.read_some_at(one.offset, parts, ec));
        else if (now)
            handler(ec, file_.write_some_at(one.offset, parts, ec));
        else if (one.reading)
            file_.async_read_some_at(one.offset, parts, handler);
        else
            file_.async_write_some_at(one.offset, parts, handler);
    }

    void resize(std::size_t size) {
        make_room({std::min(size, model_.size()), infinity}, access::exclusive);
        file_.resize(size);
        model_.resize(size);
        BOOST_TEST(file_.size() == size);
    }

    /// Syncs the file and drops its clean pages, so that later reads find it partly cold.
    void sync() {
        file_.sync_data();
        ::posix_fadvise(file_.native_handle(), 0, 0, POSIX_FADV_DONTNEED);
    }

    /// Waits until no operation in flight conflicts with this range.
    void make_room(range where, access how) {
        const auto disturbs = [&](const flight& other) {
            const bool only_reads = how == access::shared && other.how == access::shared;
            return !only_reads && where.overlaps(other.where);
        };
        while (in_flight_.size() >= max_in_flight ||
               std::any_of(in_flight_.begin(), in_flight_.end(), disturbs))
            wait();
    }

    /// Waits until at least one operation has ended, and checks the results.
    void wait() {
        env_.ctx.restart();
        const auto has_ended = [](const flight& each) { return each.result.calls != 0; };
        while (std::none_of(in_flight_.begin(), in_flight_.end(), has_ended))
            BOOST_REQUIRE(run_one_with_deadline(env_.ctx) == 1u);
        for (const flight& each : in_flight_)
            if (has_ended(each))
                check(each);
        std::erase_if(in_flight_, has_ended);
    }

    void check(const flight& one) {
        BOOST_TEST_CONTEXT(
            "before step " << step_ << ": " << (one.reading ? "read" : "write") << " of "
                           << one.bytes.size() << " at " << one.offset) {
            BOOST_REQUIRE(one.result.calls == 1);
            BOOST_REQUIRE_EQUAL(one.result.bytes, one.expected);
            BOOST_REQUIRE(
                (one.result.ec ==
                 (one.expected == 0 ? error_code(asio::error::eof) : error_code())));
            // No other operation has changed these bytes of the model since the start.
            if (one.reading) {
                BOOST_REQUIRE(
                    (one.bytes.compare(
                         0, one.expected, model_, std::min(one.offset, model_.size()),
                         one.expected) == 0));
                BOOST_REQUIRE(
                    (one.bytes.find_first_not_of('#', one.expected) == std::string::npos));
            }
        }
    }

    environment& env_;
    std::mt19937 random_;
    file file_;
    std::string model_;
    std::list<flight> in_flight_; // operations write into them: they must not move
    std::size_t peak_ = 0;
    std::size_t step_ = 0;
};

} // namespace

ENGINE_TEST(a_random_mix_of_operations_does_what_the_model_says) {
    for (unsigned seed = 1; seed <= seeds; ++seed)
        BOOST_TEST_CONTEXT("seed " << seed) {
            BOOST_TEST_MESSAGE("seed " << seed << ": " << steps_per_seed << " steps");
            random_mix(env, seed).run(steps_per_seed);
        }
}

ENGINE_TEST(a_random_mix_of_operations_without_inline_reads_does_what_the_model_says) {
    asio_aio::options opts = env.options();
    opts.inline_read_limit = 0;
    opts.queue_depth = 16; // less than `max_in_flight`
    asio_aio::configure(env.ctx, opts);
    constexpr unsigned seed = 11;
    BOOST_TEST_CONTEXT("seed " << seed) {
        random_mix(env, seed).run(steps_per_seed);
    }
}
