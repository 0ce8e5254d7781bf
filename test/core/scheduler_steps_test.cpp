// SPDX-License-Identifier: BSL-1.0
// Every order of calls to the scheduler, up to a depth, without threads and without clocks.
#define BOOST_TEST_MODULE scheduler_steps
#include "scripted_engine.hpp"

#include <asio_aio/detail/core/scheduler.hpp>

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <poll.h>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace test;
using asio_aio::backend;
using detail::op_state;
using detail::turn;

namespace {

constexpr unsigned operation_count = 3;

/// A broken invariant. This exception ends the sequence of steps.
struct broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void require(bool holds, const char* invariant) {
    if (!holds)
        throw broken(invariant);
}

/// What the operations of a world are.
enum class scenario : unsigned char {
    reads,    ///< Reads of an open file.
    close,    ///< Reads of an open file, and then its close.
    in_order, ///< Reads of an open file that run one after the other.
    syncs,    ///< Syncs of an open file, which share flushes.
    set_up,   ///< An open and two calls, which are started before there are engines.
};

constexpr detail::op_kind kind_of(scenario what, unsigned index) {
    using detail::op_kind;
    switch (what) {
    case scenario::reads:
    case scenario::in_order: return op_kind::read;
    case scenario::syncs: return index == 1 ? op_kind::sync_all : op_kind::sync_data;
    case scenario::close: return index == operation_count - 1 ? op_kind::close : op_kind::read;
    case scenario::set_up: return index == 0 ? op_kind::open : op_kind::call;
    }
    return op_kind::read;
}

struct tracked_operation final : detail::operation {
    tracked_operation(detail::op_kind what, unsigned n) : operation(what, ends), index(n) {}

    const unsigned index;
    bool started = false;
    bool handed_out = false; ///< Is in a round's `done`, after `settle`.
    int delivered = 0, discarded = 0;

    bool has_ended() const { return delivered + discarded != 0; }

private:
    static void complete_it(operation& op, operation*& owner) {
        ++static_cast<tracked_operation&>(op).delivered;
        owner = nullptr;
    }
    static void discard_it(operation& op) noexcept {
        ++static_cast<tracked_operation&>(op).discarded;
        op.file.reset(); // as the end of the operation does
        static_cast<tracked_operation&>(op).turn.reset();
    }
    static constexpr fates ends{&complete_it, &discard_it};
};

/// Owns a scheduler, as `file_service` does. Performs each action as a step of its own.
class world {
public:
    enum class what : unsigned char {
        start_here,      ///< On a thread that runs the context.
        start_elsewhere, ///< On another thread.
        start_finished,
        begin_posted,
        begin_woken,
        exchange,
        settle,
        deliver, ///< Ends the round.
        deliver_and_throw,
        complete,
        complete_silently, ///< Raises no event, because a round is about to reap.
        pass,
        cancel_one,
        cancel_file,
        close_file,
        fork_parent,
        fork_child,
        set_up,
        set_up_without_engine,
        stop
    };

    struct step {
        what kind;
        unsigned which = 0; ///< Of an operation or a round.
    };

    world(scenario which, bool posts) : scenario_(which) {
        scheduler_.use_engines([this](const asio_aio::options&, detail::event& finished) {
            if (fails_)
                throw std::bad_alloc();
            // The first two operations are for the chosen engine, the third is for the pool.
            const auto is_for_ring = [](const detail::operation& op) {
                return static_cast<const tracked_operation&>(op).index < 2;
            };
            detail::engine_list engines;
            auto ring = std::make_unique<scripted_engine>(backend::io_uring, finished, is_for_ring);
            auto pool = std::make_unique<scripted_engine>(
                backend::thread_pool, finished, [](const detail::operation&) { return true; });
            engines_ = {ring.get(), pool.get()};
            for (scripted_engine* each : engines_)
                each->set_clock(started_); // operations have the numbers 1, 2, 3
            engines.push_back(std::move(ring));
            engines.push_back(std::move(pool));
            return engines;
        });
        if (posts)
            scheduler_.begin_to_post();
        require(scheduler_.open_event() == 0, "the event is made");
        if (which == scenario::set_up) {
            file_ = scheduler_.make_opening("/dev/null", O_RDWR, 0);
        } else {
            require(scheduler_.make_engines() == 0, "the engines are made");
            scheduler_.assign(::open("/dev/null", O_RDWR | O_CLOEXEC), file_);
        }
        for (unsigned n = 0; n != operation_count; ++n)
            operations_.push_back(std::make_unique<tracked_operation>(kind_of(which, n), n));
    }

    world(const world&) = delete;
    world& operator=(const world&) = delete;

    ~world() {
        for (auto& each : rounds_)
            while (each.now.done.pop()) {
            }
        if (!stopped_) {
            detail::op_queue abandoned;
            for (; !rounds_.empty(); rounds_.pop_front())
                scheduler_.end();
            scheduler_.stop(abandoned);
        }
    }

    /// The steps that are possible now.
    std::vector<step> allowed() const {
        std::vector<step> steps;
        if (started_ != operation_count) {
            steps.push_back({what::start_here});
            steps.push_back({what::start_elsewhere});
            if (started_ == 1 && scenario_ == scenario::reads)
                steps.push_back({what::start_finished});
        }
        if (posted_ != 0 && rounds_.size() < 2)
            steps.push_back({what::begin_posted});
        if (armed_ && rounds_.size() < 2 && event_is_readable())
            steps.push_back({what::begin_woken});
        unsigned index = 0;
        for (const active& each : rounds_) {
            if (each.at == phase::begun)
                steps.push_back({what::exchange, index});
            if (each.at == phase::exchanged)
                steps.push_back({what::settle, index});
            if (each.at == phase::settled)
                steps.push_back({what::deliver, index});
            if (each.at == phase::settled && !each.now.done.empty())
                steps.push_back({what::deliver_and_throw, index});
            ++index;
        }
        for (const auto& op : operations_) {
            if (engine_holds(0, *op))
                steps.push_back({what::pass, op->index});
            if (engine_holds(0, *op) || engine_holds(1, *op))
                steps.push_back({what::complete, op->index});
            if (engine_holds(0, *op) && is_about_to_reap())
                steps.push_back({what::complete_silently, op->index});
            if (op->started && !op->has_ended() && !op->cancel_asked && !stopped_ &&
                op->kind != detail::op_kind::close) // has no cancellation slot
                steps.push_back({what::cancel_one, op->index});
        }
        if (started_ != 0 && file_ && !stopped_) {
            steps.push_back({what::cancel_file});
            steps.push_back({what::close_file});
        }
        if (sets_up_) {
            steps.push_back({what::set_up});
            steps.push_back({what::set_up_without_engine});
        }
        if (rounds_.empty() && !stopped_ && !sets_up_) { // otherwise they wait for the set-up
            steps.push_back({what::stop});
            if (started_ != 0) {
                steps.push_back({what::fork_parent});
                steps.push_back({what::fork_child});
            }
        }
        return steps;
    }

    void take(const step& next) {
        switch (next.kind) {
        case what::start_here:
        case what::start_elsewhere: start(next.kind == what::start_here); break;
        case what::start_finished: start_finished(); break;
        case what::begin_posted:
            --posted_;
            begin(turn::posted);
            break;
        case what::begin_woken:
            armed_ = false;
            begin(turn::woken);
            break;
        case what::exchange: exchange(round_at(next.which)); break;
        case what::settle: settle(round_at(next.which)); break;
        case what::deliver: end(next.which, false); break;
        case what::deliver_and_throw: end(next.which, true); break;
        case what::complete: complete(*operations_[next.which]); break;
        case what::complete_silently: engines_[0]->complete(*operations_[next.which], false); break;
        case what::pass: engines_[0]->pass(*operations_[next.which]); break;
        case what::cancel_one: scheduler_.cancel(*operations_[next.which]); break;
        case what::cancel_file: scheduler_.cancel(*file_.operator->()); break;
        case what::close_file: file_.reset(); break;
        case what::fork_parent: perform(scheduler_.prepare_fork(), false); break;
        case what::fork_child:
            perform(scheduler_.prepare_fork(), false);
            require(scheduler_.become_child() == 0, "the child gets its event");
            break;
        case what::set_up:
        case what::set_up_without_engine:
            fails_ = next.kind == what::set_up_without_engine;
            sets_up_ = false;
            scheduler_.set_up();
            break;
        case what::stop: stop(); break;
        }
        check();
    }

    /// Runs until no work is left, as a loop does, and checks that no operation was lost.
    void run_to_the_end() {
        for (int turns = 0; turns != 100; ++turns) {
            bool moved = false;
            if (sets_up_) {
                take({what::set_up});
                moved = true;
            }
            for (const auto& op : operations_)
                if (engine_holds(0, *op) || engine_holds(1, *op)) {
                    complete(*op);
                    moved = true;
                }
            while (!rounds_.empty()) {
                finish_round();
                moved = true;
            }
            if (posted_ != 0) {
                take({what::begin_posted});
                moved = true;
            } else if (armed_ && event_is_readable()) {
                take({what::begin_woken});
                moved = true;
            }
            if (!moved)
                break;
        }
        for (const auto& op : operations_)
            if (op->started)
                require(
                    op->delivered + op->discarded == 1,
                    "each operation that was started ends exactly once");
        require(!armed_ || stopped_, "no wait is left, which would keep run() from returning");
        require(posted_ == 0 || stopped_, "no round is left");
        require(rounds_.empty(), "every round ends");
    }

private:
    enum class phase { begun, exchanged, settled };

    struct active {
        detail::round now;
        phase at = phase::begun;
    };

    active& round_at(unsigned index) { return *std::next(rounds_.begin(), index); }

    bool engine_holds(unsigned which, const tracked_operation& op) const {
        return engines_[which] && engines_[which]->holds(op);
    }

    bool event_is_readable() const {
        pollfd waited{scheduler_.event_descriptor(), POLLIN, 0};
        return ::poll(&waited, 1, 0) == 1;
    }

    bool is_about_to_reap() const {
        for (const active& each : rounds_)
            if (each.at == phase::begun)
                return true;
        return false;
    }

    void start(bool here) {
        tracked_operation& op = *operations_[started_++];
        const bool closes = op.kind == detail::op_kind::close;
        if ((closes || scenario_ == scenario::syncs) && !file_)
            return void(op.discarded = 1); // there is nothing to close or to flush
        if (!closes && op.kind != detail::op_kind::call)
            op.file = file_;
        if (scenario_ == scenario::in_order && file_)
            op.turn.hold(*file_.operator->());
        detail::actions todo;
        if (!(closes ? scheduler_.start_close(op, file_, todo) : scheduler_.start(op, todo))) {
            require(stopped_, "only a stopped scheduler refuses an operation");
            return discard(op);
        }
        op.started = true;
        perform(todo, here);
    }

    void start_finished() {
        tracked_operation& op = *operations_[started_++];
        op.take_result(1);
        detail::actions todo;
        if (!scheduler_.start_finished(op, todo))
            return discard(op);
        op.started = true;
        perform(todo, true);
    }

    static void discard(tracked_operation& op) {
        op.started = true;
        op.discard();
    }

    void perform(const detail::actions& todo, bool here) {
        require(
            int(todo.post_round) + todo.defer_round + todo.run_round_here <= 1,
            "at most one round is requested");
        if (todo.arm_wait) {
            require(!armed_, "the wait is armed once");
            armed_ = true;
        }
        require(!todo.set_up || !sets_up_, "the engines are set up once at a time");
        sets_up_ = sets_up_ || todo.set_up;
        if (todo.run_round_here && here)
            return begin(turn::lone_operation);
        posted_ += todo.post_round || todo.defer_round || todo.run_round_here;
        require(posted_ <= 1, "at most one round is posted");
    }

    void begin(turn why) {
        rounds_.emplace_back();
        rounds_.back().now.why = why;
        if (!scheduler_.begin(rounds_.back().now)) {
            require(stopped_, "only a stopped scheduler refuses a round");
            rounds_.pop_back();
            return;
        }
        unsigned submitting = 0;
        for (const active& each : rounds_)
            submitting += each.now.submits && each.at != phase::settled;
        require(submitting <= 1, "one round submits at a time");
    }

    void exchange(active& one) {
        scheduler_.exchange(one.now);
        require(one.now.batch.empty(), "the engines take the whole batch");
        one.at = phase::exchanged;
    }

    void settle(active& one) {
        const bool lone = one.now.why == turn::lone_operation;
        scheduler_.settle(one.now);
        one.at = phase::settled;
        require(
            !lone || one.now.done.empty(),
            "no handler is delivered inside its initiating function");
        one.now.done.for_each([](detail::operation& op) {
            require(op.state() == op_state::finished, "a delivered operation is finished");
            static_cast<tracked_operation&>(op).handed_out = true;
        });
        perform(std::exchange(one.now.todo, {}), false);
    }

    void end(unsigned index, bool throws) {
        const auto at = std::next(rounds_.begin(), index);
        const bool delivers = !at->now.done.empty();
        while (!throws && !at->now.done.empty()) {
            detail::operation* op = at->now.done.pop();
            op->complete(op);
        }
        if (!throws && delivers && at->now.why == turn::woken)
            perform(scheduler_.follow_handlers(), false);
        at->now.done.for_each(
            [](detail::operation& op) { static_cast<tracked_operation&>(op).handed_out = false; });
        if (!at->now.done.empty())
            perform(scheduler_.take_back(at->now), false);
        scheduler_.end();
        rounds_.erase(at);
    }

    void finish_round() {
        active& one = rounds_.front();
        if (one.at == phase::begun)
            exchange(one);
        if (one.at == phase::exchanged)
            settle(one);
        end(0, false);
    }

    void complete(detail::operation& op) {
        (engine_holds(0, static_cast<tracked_operation&>(op)) ? engines_[0] : engines_[1])
            ->complete(op);
    }

    void stop() {
        detail::op_queue abandoned;
        scheduler_.stop(abandoned);
        stopped_ = true;
        armed_ = false; // the owner removes the event from its reactor
        std::uint64_t left = 0;
        for (const auto& op : operations_)
            left += op->started && !op->has_ended();
        const bool in_handle = scenario_ == scenario::close && left == abandoned.size() + 1;
        require(
            abandoned.size() == left || in_handle,
            "stop hands out every operation that has not ended, or its file owns it");
    }

    /// Checks the invariants that hold after every step.
    void check() const {
        std::uint64_t in_flight = 0;
        bool waits = false;
        for (const auto& op : operations_) {
            require(op->delivered + op->discarded <= 1, "no operation ends twice");
            const bool open = op->started && !op->has_ended();
            in_flight += open && !op->handed_out;
            waits = waits || open;
            if (scenario_ == scenario::in_order)
                check_turn(*op);
            if (scenario_ == scenario::syncs)
                check_flush(*op);
        }
        if (stopped_)
            return;
        require(scheduler_.count().in_flight == in_flight, "statistics count operations in flight");
        require(
            !waits || posted_ != 0 || armed_ || !rounds_.empty(),
            "a wait or a round will follow while operations are in flight");
        require(
            !engines_[0] ||
                engines_[0]->submissions() + engines_[1]->submissions() <= 2 * operation_count,
            "no operation is submitted twice to one engine");
    }

    /// An operation begins after those before it have ended.
    void check_turn(const tracked_operation& op) const {
        if (!op.turn || op.state() != op_state::with_engine || op.is_cancelled())
            return;
        for (unsigned before = 0; before != op.index; ++before) {
            const tracked_operation& other = *operations_[before];
            require(
                !other.started || other.has_ended() || other.state() != op_state::with_engine ||
                    other.is_cancelled() || !other.file,
                "operations of one file run in the order of their start");
        }
    }

    /// A sync that succeeded had a flush that was submitted after its start.
    void check_flush(const tracked_operation& op) const {
        if (!op.started || op.state() != op_state::finished || op.result < 0)
            return;
        bool was_served = false;
        for (const scripted_engine* each : engines_)
            for (const unsigned time : each->flushes_performed())
                was_served |= time >= op.number;
        require(was_served, "no sync succeeds without a flush that began after its start");
    }

    std::vector<std::unique_ptr<tracked_operation>> operations_;
    std::array<scripted_engine*, 2> engines_{};
    detail::scheduler scheduler_;
    detail::file_ref file_;
    std::list<active> rounds_;
    const scenario scenario_;
    unsigned started_ = 0;
    unsigned posted_ = 0;
    bool sets_up_ = false;
    bool fails_ = false; ///< There is no engine.
    bool armed_ = false;
    bool stopped_ = false;
};

const char* name_of(world::what kind) {
    constexpr const char* names[] = {
        "start here",
        "start elsewhere",
        "start finished",
        "begin posted",
        "begin woken",
        "exchange",
        "settle",
        "deliver",
        "deliver and throw",
        "complete",
        "complete silently",
        "pass",
        "cancel one",
        "cancel file",
        "close file",
        "fork, parent",
        "fork, child",
        "set up",
        "set up without engine",
        "stop"};
    return names[std::size_t(kind)];
}

std::string to_string(const std::vector<world::step>& steps) {
    std::ostringstream text;
    for (const world::step& each : steps)
        text << name_of(each.kind) << ' ' << each.which << "; ";
    return text.str();
}

/// Walks through all sequences of steps up to a depth.
class enumeration {
public:
    enumeration(scenario which, bool posts, unsigned depth)
        : scenario_(which), posts_(posts), depth_(depth) {}

    void run() {
        steps_.clear();
        walk();
    }

    std::uint64_t sequences() const { return sequences_; }

private:
    /// A world cannot be copied, so each branch replays its steps in a new world.
    void walk() {
        std::vector<world::step> next;
        try {
            world here(scenario_, posts_);
            for (const world::step& each : steps_)
                here.take(each);
            if (steps_.size() < depth_)
                next = here.allowed();
            if (next.empty()) {
                ++sequences_;
                here.run_to_the_end();
            }
        } catch (const broken& invariant) {
            BOOST_FAIL("after " << to_string(steps_) << "broken: " << invariant.what());
        }
        for (const world::step& each : next) {
            steps_.push_back(each);
            walk();
            steps_.pop_back();
        }
    }

    const scenario scenario_;
    const bool posts_;
    const unsigned depth_;
    std::vector<world::step> steps_;
    std::uint64_t sequences_ = 0;
};

unsigned depth(unsigned usual) {
    const char* wanted = std::getenv("ASIO_AIO_STEP_DEPTH");
    return wanted ? unsigned(std::atoi(wanted)) : usual;
}

void check_every_order(scenario which, bool posts) {
    // Each step more takes six times as long.
    enumeration all(which, posts, depth(which == scenario::reads ? 8 : 7));
    all.run();
    BOOST_TEST_MESSAGE(all.sequences() << " sequences");
    BOOST_TEST(all.sequences() > 1000u);
}

} // namespace

BOOST_AUTO_TEST_CASE(every_order_of_steps_loses_nothing_where_rounds_are_posted) {
    check_every_order(scenario::reads, true);
}

BOOST_AUTO_TEST_CASE(every_order_of_steps_loses_nothing_where_rounds_come_by_event) {
    check_every_order(scenario::reads, false);
}

BOOST_AUTO_TEST_CASE(every_order_with_a_close_loses_nothing_where_rounds_are_posted) {
    check_every_order(scenario::close, true);
}

BOOST_AUTO_TEST_CASE(every_order_with_a_close_loses_nothing_where_rounds_come_by_event) {
    check_every_order(scenario::close, false);
}

BOOST_AUTO_TEST_CASE(every_order_in_turn_loses_nothing_where_rounds_are_posted) {
    check_every_order(scenario::in_order, true);
}

BOOST_AUTO_TEST_CASE(every_order_in_turn_loses_nothing_where_rounds_come_by_event) {
    check_every_order(scenario::in_order, false);
}

BOOST_AUTO_TEST_CASE(every_order_of_syncs_loses_nothing_where_rounds_are_posted) {
    check_every_order(scenario::syncs, true);
}

BOOST_AUTO_TEST_CASE(every_order_of_syncs_loses_nothing_where_rounds_come_by_event) {
    check_every_order(scenario::syncs, false);
}

BOOST_AUTO_TEST_CASE(every_order_with_a_set_up_loses_nothing_where_rounds_are_posted) {
    check_every_order(scenario::set_up, true);
}

BOOST_AUTO_TEST_CASE(every_order_with_a_set_up_loses_nothing_where_rounds_come_by_event) {
    check_every_order(scenario::set_up, false);
}
