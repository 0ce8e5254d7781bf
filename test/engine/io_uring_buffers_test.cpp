// SPDX-License-Identifier: BSL-1.0
// The registered buffers of the io_uring engine: finding them by address, and the kernel's table.
#include "child.hpp"
#include "engine_fixture.hpp"
#include "seccomp.hpp"
#include "threads.hpp"

#include "engine/io_uring/address_map.hpp"
#include "engine/io_uring/trial.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

using namespace test;
using detail::op_kind;
using detail::op_queue;

namespace {

constexpr std::size_t page = 4096;

/// Whether io_uring works here with `opts`; if not, prints why the test is skipped.
bool has_io_uring(const asio_aio::options& opts = {}) {
    const asio_aio::engine_report found = detail::try_io_uring(opts).report;
    if (!found.available)
        say_skipped(found.reason);
    return found.available;
}

/// Anonymous memory in whole pages, filled with one character.
class pages {
public:
    explicit pages(std::size_t count, char fill = '.') : bytes_(count * page) {
        void* const made =
            ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        BOOST_REQUIRE(made != MAP_FAILED);
        data_ = static_cast<char*>(made);
        std::memset(data_, fill, bytes_);
    }
    pages(const pages&) = delete;
    pages& operator=(const pages&) = delete;
    ~pages() { ::munmap(data_, bytes_); }

    char* data() const { return data_; }
    iovec all() const { return {data_, bytes_}; }
    std::string text(std::size_t bytes = page) const { return {data_, bytes}; }

private:
    std::size_t bytes_;
    char* data_ = nullptr;
};

/// A read of the fixture's file.
struct buffer_read : plain_operation {
    buffer_read(engine_fixture& fixture, const iovec& to, std::uint64_t from = 0)
        : plain_operation(op_kind::read), iov(to) {
        fixture.prepare(*this);
        offset = from;
        iovecs = &iov;
        iovec_count = 1;
    }
    buffer_read(const buffer_read&) = delete;
    buffer_read& operator=(const buffer_read&) = delete;

    iovec iov;
};

struct buffers_fixture : engine_fixture {
    explicit buffers_fixture(const asio_aio::options& opts = {}, int file_flags = 0)
        : engine_fixture(backend::io_uring, opts, file_flags) {
        set_content(folder.file("file"), pattern(content_bytes));
    }

    std::uint64_t add(const iovec& memory) { return engines.register_memory(&memory, 1); }
    std::uint64_t fixed() const { return engines.counters().with_fixed_buffers; }

    /// Reads a part of the file to `memory`. Returns true if the bytes are right.
    bool reads_to(const iovec& memory, std::uint64_t from = 0) {
        buffer_read read(*this, memory, from);
        const auto bytes = std::size_t(perform(read));
        return bytes == memory.iov_len &&
            std::memcmp(memory.iov_base, pattern(content_bytes).data() + from, bytes) == 0;
    }

    /// As `reads_to`, and true only if the kernel was given a fixed buffer.
    bool reads_fixed(const iovec& memory, std::uint64_t from = 0) {
        const std::uint64_t before = fixed();
        return reads_to(memory, from) && fixed() == before + 1;
    }

    bool reads_plain(const iovec& memory, std::uint64_t from = 0) {
        const std::uint64_t before = fixed();
        return reads_to(memory, from) && fixed() == before;
    }

    static constexpr std::size_t content_bytes = 64 * page;
};

} // namespace

// --- The map of addresses ---

BOOST_AUTO_TEST_CASE(the_map_finds_a_range_that_contains_the_memory_if_there_is_one) {
    struct range {
        std::size_t begin, end;
        bool contains(std::size_t from, std::size_t to) const { return begin <= from && to <= end; }
    };
    const auto memory = [](std::size_t begin, std::size_t end) {
        return iovec{reinterpret_cast<void*>(begin), end - begin};
    };
    constexpr std::size_t most = 40; // few addresses, so that many ranges overlap
    std::mt19937 random(1);
    const auto below = [&](std::size_t end) { return std::size_t(random() % end); };
    detail::address_map map;
    constexpr unsigned per_owner = 3;
    std::vector<std::optional<range>> ranges(4 * per_owner); // by index
    map.make_room(ranges.size());
    std::size_t found_count = 0, wrong = 0;
    for (int step = 0; step != 5000; ++step) {
        const auto owner = unsigned(below(ranges.size() / per_owner));
        const auto first = ranges.begin() + owner * per_owner;
        if (*first) {
            map.remove(owner);
            std::fill_n(first, per_owner, std::nullopt);
        } else {
            for (std::size_t count = 1 + below(per_owner), i = 0; i != count; ++i) {
                const std::size_t begin = below(most);
                first[long(i)] = {begin, begin + 1 + below(most - begin)};
                map.add(
                    memory(first[long(i)]->begin, first[long(i)]->end),
                    owner * per_owner + unsigned(i), owner);
            }
            map.sort();
        }
        const std::size_t from = below(most), to = from + 1 + below(most - from);
        const int found = map.find(memory(from, to));
        const bool exists = std::any_of(ranges.begin(), ranges.end(), [&](const auto& one) {
            return one && one->contains(from, to);
        });
        if (found < 0)
            wrong += exists;
        else
            wrong += !ranges[std::size_t(found)] || !ranges[std::size_t(found)]->contains(from, to);
        found_count += found >= 0;
    }
    BOOST_TEST(wrong == 0u);
    BOOST_TEST(found_count > 500u);
    BOOST_TEST(found_count < 4500u);
}

BOOST_AUTO_TEST_CASE(the_map_is_not_deceived_by_the_ends_of_the_address_space) {
    detail::address_map map;
    const auto memory = [](std::uintptr_t begin, std::size_t bytes) {
        return iovec{reinterpret_cast<void*>(begin), bytes};
    };
    BOOST_TEST(map.empty());
    BOOST_TEST(map.find(memory(1, 1)) == -1);
    map.make_room(2);
    map.add(memory(UINTPTR_MAX - page, page), 9, 2);
    map.add(memory(page, page), 7, 1);
    map.sort();
    BOOST_TEST(map.find(memory(page, page)) == 7);
    BOOST_TEST(map.find(memory(page - 1, 1)) == -1);
    BOOST_TEST(map.find(memory(2 * page - 1, 2)) == -1);
    BOOST_TEST(map.find(memory(2 * page, 1)) == -1);
    BOOST_TEST(map.find(memory(page, SIZE_MAX)) == -1); // the end of the memory overflows
    BOOST_TEST(map.find(memory(UINTPTR_MAX - page, page)) == 9);
    BOOST_TEST(map.find(memory(UINTPTR_MAX - 1, page)) == -1);
    map.remove(3); // no such owner
    map.remove(2);
    BOOST_TEST(map.find(memory(UINTPTR_MAX - page, page)) == -1);
    map.clear();
    BOOST_TEST(map.empty());
}

// --- The kernel's table ---

BOOST_AUTO_TEST_CASE(a_part_of_registered_memory_is_a_fixed_buffer_until_it_is_unregistered) {
    if (!has_io_uring())
        return;
    buffers_fixture fixture;
    const pages first(2), second(3);
    BOOST_TEST(fixture.reads_plain(first.all()));
    const std::uint64_t one = fixture.add(first.all()), two = fixture.add(second.all());
    BOOST_TEST(fixture.engines.why_plain(one) == 0);
    BOOST_TEST(fixture.engines.why_plain(two) == 0);
    BOOST_TEST(fixture.reads_fixed(first.all()));
    BOOST_TEST(fixture.reads_fixed({second.data() + 96, 4000}, 7));
    fixture.engines.unregister_memory(one);
    BOOST_TEST(fixture.reads_plain(first.all()));
    BOOST_TEST(fixture.reads_fixed(second.all()));
    fixture.engines.unregister_memory(one); // again
    fixture.engines.unregister_memory(two);
    BOOST_TEST(fixture.reads_plain(second.all()));
    BOOST_TEST(fixture.engines.why_plain(fixture.add(first.all())) == 0); // in a place used before
    BOOST_TEST(fixture.reads_fixed(first.all(), 5));
}

BOOST_AUTO_TEST_CASE(a_child_process_registers_the_memory_again) {
    if (!has_io_uring())
        return;
    buffers_fixture fixture;
    const pages gone(1), kept(2);
    const std::uint64_t removed = fixture.add(gone.all());
    fixture.add(kept.all());
    fixture.engines.unregister_memory(removed);
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    const int status = in_child([&] {
        if (fixture.engines.become_child() != 0)
            return 1;
        if (!fixture.reads_fixed(kept.all(), 100))
            return 2;
        if (!fixture.reads_plain(gone.all(), 200))
            return 3;
        fixture.add(gone.all());
        return fixture.reads_fixed(gone.all(), 300) ? 0 : 4;
    });
    BOOST_TEST(status == 0);
    BOOST_TEST(fixture.reads_fixed(kept.all(), 400));
}

BOOST_AUTO_TEST_CASE(a_child_process_without_notify_fork_changes_nothing_in_the_parents_table) {
    if (!has_io_uring())
        return;
    buffers_fixture fixture;
    const pages memory(1);
    const std::uint64_t name = fixture.add(memory.all());
    const int status = in_child([&] {
        fixture.engines.unregister_memory(name);
        op_queue abandoned;
        fixture.engines.stop(abandoned);
        return 0;
    });
    BOOST_TEST(status == 0);
    const std::uint64_t again = fixture.engines.counters().resubmitted;
    BOOST_TEST(fixture.reads_fixed(memory.all()));
    BOOST_TEST(fixture.engines.counters().resubmitted == again); // the kernel took the buffer
}

BOOST_AUTO_TEST_CASE(memory_that_the_kernel_refuses_is_plain_and_the_rest_is_fixed) {
    if (!has_io_uring())
        return;
    buffers_fixture fixture;
    const pages good(2), bad(3);
    BOOST_REQUIRE_EQUAL(::mprotect(bad.data(), 3 * page, PROT_NONE), 0);
    const iovec both[] = {bad.all(), good.all()};
    const std::uint64_t name = fixture.engines.register_memory(both, 2);
    BOOST_TEST(fixture.engines.why_plain(name) == -EFAULT);
    BOOST_TEST(fixture.engines.refused_buffers().bytes == 3 * page);
    BOOST_TEST(fixture.engines.refused_buffers().error == EFAULT);
    BOOST_TEST(fixture.reads_fixed(good.all()));
    BOOST_REQUIRE_EQUAL(::mprotect(bad.data(), 3 * page, PROT_READ | PROT_WRITE), 0);
    BOOST_TEST(fixture.reads_plain(bad.all()));
    fixture.engines.unregister_memory(name);
    BOOST_TEST(fixture.engines.refused_buffers().bytes == 0u);
}

BOOST_AUTO_TEST_CASE(a_full_table_leaves_further_memory_plain) {
    if (!has_io_uring())
        return;
    constexpr std::size_t places = 16384;
    buffers_fixture fixture;
    const pages memory(1), further(1);
    const std::vector<iovec> many(places, memory.all()); // overlapping, too
    const std::uint64_t name = fixture.engines.register_memory(many.data(), many.size());
    BOOST_TEST(fixture.engines.why_plain(name) == 0);
    BOOST_TEST(fixture.reads_fixed(memory.all()));
    const std::uint64_t refused = fixture.add(further.all());
    BOOST_TEST(fixture.engines.why_plain(refused) == -ENOBUFS);
    BOOST_TEST(fixture.engines.refused_buffers().bytes == page);
    BOOST_TEST(fixture.reads_plain(further.all()));
    fixture.engines.unregister_memory(name);
    BOOST_TEST(fixture.reads_plain(memory.all()));
    BOOST_TEST(fixture.engines.why_plain(fixture.add(further.all())) == 0);
    BOOST_TEST(fixture.reads_fixed(further.all()));
}

BOOST_AUTO_TEST_CASE(memory_above_a_gibibyte_is_fixed_except_on_the_border_of_its_parts) {
    if (!has_io_uring())
        return;
    constexpr std::size_t part = std::size_t(1) << 30, whole = part + (2u << 20), chunk = 2u << 20;
    // One small file in memory, mapped many times: little memory at many addresses.
    const int small = ::memfd_create("test", MFD_CLOEXEC);
    BOOST_REQUIRE(small != -1);
    BOOST_REQUIRE_EQUAL(::ftruncate(small, chunk), 0);
    void* const area = ::mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BOOST_REQUIRE(area != MAP_FAILED);
    const auto at = [&](std::size_t offset) { return static_cast<char*>(area) + offset; };
    for (std::size_t offset = 0; offset != whole; offset += chunk)
        BOOST_REQUIRE(
            ::mmap(at(offset), chunk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, small, 0) !=
            MAP_FAILED);
    {
        buffers_fixture fixture;
        const std::uint64_t name = fixture.add({area, whole});
        BOOST_TEST(fixture.engines.why_plain(name) == 0);
        BOOST_TEST(fixture.reads_fixed({at(part - page), page}));
        BOOST_TEST(fixture.reads_fixed({at(part), page}, 1));
        BOOST_TEST(fixture.reads_fixed({at(whole - page), page}, 2));
        BOOST_TEST(fixture.reads_plain({at(part - 1), page}, 3));
        fixture.engines.unregister_memory(name);
        BOOST_TEST(fixture.reads_plain({at(0), page}, 4));
    }
    ::munmap(area, whole);
    ::close(small);
}

// --- Operations that the kernel refuses with a fixed buffer ---

namespace {

int enters_to_refuse = 0;

/// From now on io_uring_enter(2) fails with EAGAIN while `enters_to_refuse` is not 0. False without
/// seccomp.
bool refuse_some_enters() {
    return trapped_call::set(
        SYS_io_uring_enter, [](const trapped_call::arguments&) -> std::optional<long> {
            if (enters_to_refuse == 0)
                return std::nullopt;
            --enters_to_refuse;
            return -EAGAIN;
        });
}

} // namespace

BOOST_AUTO_TEST_CASE(
    an_operation_whose_place_is_empty_or_another_buffers_by_now_uses_plain_memory) {
    if (!has_io_uring())
        return;
    for (const bool reuses : {false, true})
        check_in_child(
            [reuses] {
                buffers_fixture fixture;
                const pages first(1), second(1);
                if (!refuse_some_enters())
                    return could_not;
                const std::uint64_t name = fixture.add(first.all());
                buffer_read read(fixture, first.all(), 11);
                enters_to_refuse = 1; // the submission stays in the queue
                fixture.submit({&read});
                fixture.engines.unregister_memory(name);
                if (reuses && fixture.engines.why_plain(fixture.add(second.all())) != 0)
                    return 1;
                fixture.reap(1);
                if (read.result != int(page) ||
                    first.text() != pattern(fixture.content_bytes).substr(11, page))
                    return 2;
                if (second.text() != std::string(page, '.'))
                    return 3;
                const detail::engine_counters counted = fixture.engines.counters();
                return counted.with_fixed_buffers == 1 && counted.resubmitted == 1 ? 0 : 4;
            },
            reuses ? "a reused place" : "an empty place");
}

BOOST_AUTO_TEST_CASE(an_error_with_a_fixed_buffer_is_tried_with_plain_memory_before_the_pool) {
    if (!has_io_uring())
        return;
    buffers_fixture fixture({}, O_DIRECT);
    const pages memory(1);
    fixture.add(memory.all());
    buffer_read misaligned(fixture, {memory.data(), 100});
    BOOST_TEST(fixture.perform(misaligned) == -EINVAL);
    BOOST_TEST(fixture.fixed() == 1u);
    BOOST_TEST(fixture.engines.counters().resubmitted == 1u);
    BOOST_TEST(fixture.engines.passed(detail::pass_reason::refused) == 1u);
    BOOST_TEST(fixture.reads_fixed(memory.all())); // the next operation
}

// --- One thread ---

namespace {

asio_aio::options for_one_thread() {
    asio_aio::options opts;
    opts.single_issuer = true;
    return opts;
}

} // namespace

BOOST_AUTO_TEST_CASE(with_single_issuer_the_owner_registers_what_other_threads_requested) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    buffers_fixture fixture(opts);
    const pages early(1), late(1);
    const std::uint64_t before = fixture.add(early.all()); // the ring has no owner yet
    BOOST_TEST(fixture.engines.why_plain(before) == 0);
    meeting owned(1), requested(1), used(1), removed(1);
    bool early_fixed = false, late_fixed = false, early_plain = false, owner_met = false;
    std::thread owner([&] {
        early_fixed = fixture.reads_fixed(early.all());
        owned.arrive();
        owner_met = requested.wait();
        late_fixed = fixture.reads_fixed(late.all(), 1);
        used.arrive();
        owner_met = removed.wait() && owner_met;
        early_plain = fixture.reads_plain(early.all(), 2);
    });
    // Boost.Test's macros are not for two threads at a time.
    bool met = owned.wait();
    const std::uint64_t name = fixture.add(late.all());
    const int requested_state = fixture.engines.why_plain(name);
    const std::uint64_t refused = fixture.engines.refused_buffers().bytes;
    requested.arrive();
    met = used.wait() && met;
    const int used_state = fixture.engines.why_plain(name);
    fixture.engines.unregister_memory(before);
    removed.arrive();
    owner.join();
    BOOST_TEST(met);
    BOOST_TEST(owner_met);
    BOOST_TEST(requested_state == -EINPROGRESS);
    BOOST_TEST(refused == 0u);
    BOOST_TEST(used_state == 0);
    BOOST_TEST(early_fixed);
    BOOST_TEST(late_fixed);
    BOOST_TEST(early_plain);
    // Another thread takes the place of the owner, and gets a new ring.
    BOOST_TEST(fixture.reads_fixed(late.all(), 3));
    BOOST_TEST(fixture.reads_plain(early.all(), 4));
}

BOOST_AUTO_TEST_CASE(a_registration_that_ends_before_the_owners_next_turn_leaves_nothing) {
    const asio_aio::options opts = for_one_thread();
    if (!has_io_uring(opts))
        return;
    buffers_fixture fixture(opts);
    const pages memory(1), other(1);
    BOOST_TEST(fixture.reads_plain(memory.all())); // this thread owns the ring
    std::thread([&] {
        const std::uint64_t name = fixture.add(memory.all());
        fixture.add(other.all());
        fixture.engines.unregister_memory(name);
    }).join();
    BOOST_TEST(fixture.reads_plain(memory.all(), 1));
    BOOST_TEST(fixture.reads_fixed(other.all(), 2));
}
