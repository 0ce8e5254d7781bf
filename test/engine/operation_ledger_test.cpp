// SPDX-License-Identifier: BSL-1.0
// The ledger of the kernel engines, without an engine.
#define BOOST_TEST_MODULE operation_ledger
#include "engine/operation_ledger.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <cerrno>
#include <deque>
#include <vector>

namespace detail = asio_aio::detail;
using detail::op_queue;
using detail::op_state;

namespace {

struct plain_operation final : detail::operation {
    plain_operation() : operation(detail::op_kind::read, ends) { become(op_state::with_engine); }

    bool discarded = false;

private:
    static void complete_it(operation&, operation*& owner) { owner = nullptr; }
    static void discard_it(operation& op) noexcept {
        static_cast<plain_operation&>(op).discarded = true;
    }
    static constexpr fates ends{&complete_it, &discard_it};
};

struct slot {
    detail::operation* op = nullptr;
};

using ledger_type = detail::operation_ledger<slot>;

detail::file_ref open_file() {
    return detail::file_ref::adopt(::open("/dev/null", O_RDWR | O_CLOEXEC));
}

std::vector<detail::operation*> taken_from(ledger_type& ledger) {
    op_queue done;
    ledger.take_done(done);
    std::vector<detail::operation*> all;
    while (detail::operation* op = done.pop())
        all.push_back(op);
    return all;
}

} // namespace

BOOST_AUTO_TEST_CASE(each_operation_has_a_slot_of_its_own_until_the_slot_is_released) {
    ledger_type ledger;
    ledger.make_slots(2);
    BOOST_TEST(ledger.all_free());
    plain_operation a, b;
    const std::size_t first = ledger.next_slot();
    BOOST_TEST(ledger.occupy(a) == first);
    const std::size_t second = ledger.occupy(b);
    BOOST_TEST(second != first);
    BOOST_TEST(a.slot == first);
    BOOST_TEST(!ledger.has_room());
    BOOST_TEST(&ledger.vacate(first) == &a);
    BOOST_TEST(!ledger.has_room()); // the slot stays reserved until it is released
    ledger.release(first);
    BOOST_TEST(ledger.has_room());
    BOOST_TEST(!ledger.all_free());
    BOOST_TEST(ledger.next_slot() == first);
}

BOOST_AUTO_TEST_CASE(what_is_done_comes_out_in_order_and_once) {
    ledger_type ledger;
    plain_operation a, b;
    ledger.finish(a, 5);
    ledger.pass(b, detail::pass_reason::would_wait);
    const auto done = taken_from(ledger);
    BOOST_REQUIRE(done.size() == 2u);
    BOOST_TEST(done[0] == &a);
    BOOST_TEST(a.result == 5);
    BOOST_TEST((a.state() == op_state::finished));
    BOOST_TEST(done[1] == &b);
    BOOST_TEST((b.state() == op_state::pending));
    BOOST_TEST((b.passed == detail::pass_reason::would_wait));
    BOOST_TEST(taken_from(ledger).empty());
}

BOOST_AUTO_TEST_CASE(the_last_user_of_a_file_is_not_finished_before_the_file_is_closed) {
    ledger_type ledger;
    plain_operation first, last;
    first.file = open_file();
    last.file = first.file;
    ledger.finish(first, 1);
    BOOST_TEST((first.state() == op_state::finished));
    ledger.finish(last, 1);
    BOOST_TEST((last.state() == op_state::to_close));
    BOOST_TEST(bool(last.file));
    taken_from(ledger);
}

BOOST_AUTO_TEST_CASE(cancelling_a_file_finishes_what_waits_for_it_and_nothing_else) {
    ledger_type ledger;
    const detail::file_ref mine = open_file(), other = open_file();
    std::deque<plain_operation> ops(4);
    for (std::size_t i = 0; i != ops.size(); ++i) {
        ops[i].file = i == 1 ? other : mine;
        ops[i].number = i;
        ledger.waiting().push(&ops[i]);
    }
    mine->cancel_before(3); // the last was started after the cancellation
    BOOST_TEST(ledger.cancel_waiting(*mine.operator->()));
    const auto done = taken_from(ledger);
    BOOST_REQUIRE(done.size() == 2u);
    BOOST_TEST(done[0] == &ops[0]);
    BOOST_TEST(done[1] == &ops[2]);
    BOOST_TEST(ops[0].result == -ECANCELED);
    BOOST_TEST(!ledger.cancel_waiting(*mine.operator->()));
    BOOST_TEST(ledger.waiting().pop() == &ops[1]);
    BOOST_TEST(ledger.waiting().pop() == &ops[3]);
}

BOOST_AUTO_TEST_CASE(cancelling_one_operation_reports_where_it_is) {
    ledger_type ledger;
    ledger.make_slots(1);
    plain_operation in_slot, waiting, elsewhere;
    ledger.occupy(in_slot);
    ledger.waiting().push(&waiting);
    BOOST_TEST((ledger.cancel(in_slot) == ledger_type::place::in_slot));
    // although its slot number is in use, by another operation
    BOOST_TEST((ledger.cancel(elsewhere) == ledger_type::place::elsewhere));
    BOOST_TEST((ledger.cancel(waiting) == ledger_type::place::waiting));
    BOOST_TEST((ledger.cancel(waiting) == ledger_type::place::elsewhere));
    BOOST_TEST(waiting.result == -ECANCELED);
    BOOST_TEST(in_slot.result == -EINPROGRESS);
    taken_from(ledger);
    ledger.vacate(0);
}

BOOST_AUTO_TEST_CASE(at_the_end_every_operation_comes_out_once) {
    ledger_type ledger;
    ledger.make_slots(2);
    plain_operation waiting, in_slot, done;
    ledger.waiting().push(&waiting);
    ledger.occupy(in_slot);
    ledger.finish(done, 3);
    {
        op_queue abandoned;
        ledger.abandon(abandoned);
        BOOST_TEST(abandoned.size() == 3u);
    }
    BOOST_TEST(waiting.discarded);
    BOOST_TEST(in_slot.discarded);
    BOOST_TEST(in_slot.result == -ECANCELED);
    BOOST_TEST(done.discarded);
    BOOST_TEST(done.result == 3);
    BOOST_TEST(ledger.all_free());
}

BOOST_AUTO_TEST_CASE(a_child_process_passes_on_what_waits_and_ends_what_the_parent_has) {
    ledger_type ledger;
    ledger.make_slots(2);
    plain_operation waiting, in_slot;
    ledger.waiting().push(&waiting);
    ledger.occupy(in_slot);
    ledger.pass_waiting(detail::pass_reason::unsupported);
    ledger.end_slots(-ECANCELED);
    const auto done = taken_from(ledger);
    BOOST_REQUIRE(done.size() == 2u);
    BOOST_TEST((waiting.state() == op_state::pending));
    BOOST_TEST(in_slot.result == -ECANCELED);
    BOOST_TEST(ledger.all_free());
    BOOST_TEST(ledger.waiting().empty());
}
