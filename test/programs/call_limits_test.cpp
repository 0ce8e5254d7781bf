// SPDX-License-Identifier: BSL-1.0
// The limits of the file server for calls in flight.
#include "call_limits.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using file_server::call_limits;
using file_server::parts_of;
namespace asio = boost::asio;

namespace {

constexpr auto for_ever = call_limits::time_point::max();

/// Takes permits until there is none left.
std::vector<call_limits::permit> take_all(call_limits& limits, const call_limits::parts& names) {
    std::vector<call_limits::permit> taken;
    while (auto permit = limits.try_take(names))
        taken.push_back(std::move(permit));
    return taken;
}

/// A caller that waits for a permit, and keeps it.
struct caller {
    caller(asio::io_context& context, call_limits& limits, const std::string& path)
        : place(std::make_shared<call_limits::place>(context.get_executor())) {
        asio::co_spawn(context, wait(limits, path), asio::detached);
    }

    asio::awaitable<void> wait(call_limits& limits, std::string path) {
        permit = co_await limits.take(place, parts_of(path), deadline);
        is_over = true;
    }

    std::shared_ptr<call_limits::place> place;
    call_limits::permit permit;
    call_limits::time_point deadline = for_ever;
    bool is_over = false;
};

struct fixture {
    caller& start(const std::string& path) {
        caller& started = callers.emplace_back(context, limits, path);
        run();
        return started;
    }

    /// Runs what is ready.
    void run() {
        context.restart();
        context.poll();
    }

    call_limits limits{32};
    asio::io_context context; // its end destroys the coroutines that wait
    std::deque<caller> callers;
};

} // namespace

BOOST_AUTO_TEST_CASE(the_parts_of_a_path_are_its_first_folders) {
    BOOST_TEST(parts_of("").empty());
    BOOST_TEST(parts_of("file") == call_limits::parts{"file"}, boost::test_tools::per_element());
    const call_limits::parts three{"a", "a/b", "a/b/c"};
    BOOST_TEST(parts_of("a/b/c") == three, boost::test_tools::per_element());
    BOOST_TEST(parts_of("a/b/c/d/e") == three, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_part_gets_a_quarter_and_a_part_of_it_an_eighth) {
    call_limits limits{32};
    const auto deep = take_all(limits, {"a", "a/b"});
    BOOST_TEST(deep.size() == 4u);
    const auto beside = take_all(limits, {"a", "a/c"});
    BOOST_TEST(beside.size() == 4u);
    BOOST_TEST(take_all(limits, {"a", "a/d"}).empty());
    BOOST_TEST(take_all(limits, {"b"}).size() == 8u);
    BOOST_TEST(take_all(limits, {}).size() == 24u);
}

BOOST_AUTO_TEST_CASE(one_permit_is_enough_for_every_part) {
    call_limits limits{1};
    const auto permit = limits.try_take({"a", "a/b", "a/b/c"});
    BOOST_TEST(bool(permit));
    BOOST_TEST(!limits.try_take({"b"}));
    BOOST_TEST(call_limits{0}.most(0) == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_part_that_hangs_leaves_permits_for_the_others, fixture) {
    constexpr std::size_t clients = 1000;
    for (std::size_t i = 0; i != clients; ++i)
        start("hung/" + std::to_string(i));
    std::size_t in_flight = 0;
    for (const auto& each : callers)
        in_flight += bool(each.permit);
    BOOST_TEST(in_flight == 8u);
    BOOST_TEST(bool(start("healthy/file").permit));
    BOOST_TEST(bool(start("file").permit));
}

BOOST_FIXTURE_TEST_CASE(a_folder_that_hangs_leaves_permits_for_the_folders_beside_it, fixture) {
    for (int i = 0; i != 100; ++i)
        start("data/hung/" + std::to_string(i));
    BOOST_TEST(bool(start("data/healthy/file").permit));
}

BOOST_FIXTURE_TEST_CASE(callers_get_permits_in_their_order, fixture) {
    auto held = take_all(limits, parts_of("a"));
    for (int i = 0; i != 3; ++i)
        start("a");
    for (std::size_t i = 0; i != 3; ++i) {
        BOOST_TEST(!callers[i].is_over);
        held.pop_back();
        run();
        BOOST_TEST(bool(callers[i].permit));
    }
    BOOST_TEST(!limits.try_take(parts_of("a")));
}

BOOST_FIXTURE_TEST_CASE(a_caller_waits_for_one_part_after_the_other, fixture) {
    auto whole = take_all(limits, {});
    for (int i = 0; i != 10; ++i)
        start("a/b");
    BOOST_TEST(!callers.front().permit);
    whole.clear();
    run();
    std::size_t in_flight = 0;
    for (const auto& each : callers)
        in_flight += bool(each.permit);
    BOOST_TEST(in_flight == 4u);
    callers.pop_front();
    run();
    BOOST_TEST(bool(callers[3].permit));
    BOOST_TEST(!callers[4].permit);
}

BOOST_FIXTURE_TEST_CASE(a_caller_that_gives_up_leaves_nothing_behind, fixture) {
    auto held = take_all(limits, {});
    caller& cancelled = start("a/b/c");
    caller& other = start("a/b/c");
    cancelled.place->cancel();
    run();
    BOOST_TEST(cancelled.is_over);
    BOOST_TEST(!cancelled.permit);
    held.clear();
    run();
    BOOST_TEST(bool(other.permit));
    BOOST_TEST(limits.part_count() == 3u);
    other.permit.reset();
    BOOST_TEST(limits.part_count() == 0u);
    BOOST_TEST(take_all(limits, {}).size() == 32u);
}

BOOST_FIXTURE_TEST_CASE(a_wait_ends_at_its_deadline, fixture) {
    const auto held = take_all(limits, {});
    caller& late = callers.emplace_back(context, limits, "a");
    late.deadline = call_limits::time_point{}; // the coroutine has not started
    run();
    context.restart();
    context.run();
    BOOST_TEST(late.is_over);
    BOOST_TEST(!late.permit);
    BOOST_TEST(limits.part_count() == 0u);
}

BOOST_FIXTURE_TEST_CASE(no_permit_is_lost_or_made_in_random_sequences, fixture) {
    std::mt19937 random{1};
    const auto below = [&](std::size_t end) { return random() % end; };
    for (int step = 0; step != 20'000; ++step) {
        const auto what = below(8);
        if (what < 4) {
            std::string path{char('a' + below(3))};
            for (auto depth = below(4); depth != 0; --depth)
                path += std::string{'/', char('a' + below(2))};
            start(path);
        } else if (!callers.empty()) {
            caller& one = callers[below(callers.size())];
            if (what == 4)
                one.place->cancel();
            else
                one.permit.reset();
            run();
        }
        std::size_t in_flight = 0;
        for (const auto& each : callers)
            in_flight += bool(each.permit);
        BOOST_REQUIRE(in_flight <= 32u);
        while (callers.size() > 200 ||
               (!callers.empty() && callers.front().is_over && !callers.front().permit)) {
            callers.front().place->cancel();
            run();
            callers.pop_front();
        }
    }
    for (bool waits = true; waits;) { // each end lets others begin
        waits = false;
        for (auto& each : callers) {
            waits |= !each.is_over;
            each.permit.reset();
        }
        run();
    }
    for (auto& each : callers)
        each.permit.reset();
    BOOST_TEST(limits.part_count() == 0u);
    BOOST_TEST(take_all(limits, {}).size() == 32u);
}

BOOST_FIXTURE_TEST_CASE(callers_on_several_threads_all_get_permits, fixture) {
    constexpr int clients = 64;
    constexpr int calls = 200;
    std::atomic<int> taken = 0; // Boost.Test's checks are for one thread
    const auto work = [&](std::string path) -> asio::awaitable<void> {
        const auto place = std::make_shared<call_limits::place>(co_await asio::this_coro::executor);
        for (int i = 0; i != calls; ++i) {
            const auto permit = co_await limits.take(place, parts_of(path), for_ever);
            taken += bool(permit);
            co_await asio::post(asio::use_awaitable);
        }
    };
    for (int i = 0; i != clients; ++i)
        asio::co_spawn(
            asio::make_strand(context),
            work(std::string{char('a' + i % 2)} + "/" + std::to_string(i % 5)), asio::detached);
    std::thread other{[this] { context.run(); }};
    context.run();
    other.join();
    BOOST_TEST(taken == clients * calls);
    BOOST_TEST(limits.part_count() == 0u);
    BOOST_TEST(take_all(limits, {}).size() == 32u);
}
