// SPDX-License-Identifier: BSL-1.0
// Every order of up to four syncs and four writes of one file.
#define BOOST_TEST_MODULE group_commit
#include "core/group_commit.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace detail = asio_aio::detail;
using detail::op_kind;
using detail::op_queue;
using detail::operation;

namespace {

constexpr unsigned sync_count = 4;
constexpr unsigned write_count = 4;

/// A broken invariant. This exception ends the sequence of steps.
struct broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void require(bool holds, const char* invariant) {
    if (!holds)
        throw broken(invariant);
}

struct tracked_sync final : operation {
    explicit tracked_sync(op_kind what) : operation(what, ends) {}

    enum class phase : char { idle = '-', pending = 'p', begun = 'b', waiting = 'w', ended = 'e' };
    phase at = phase::idle;
    unsigned writes_before = 0; ///< Writes that had completed when it was started.

private:
    static constexpr fates ends{
        [](operation&, operation*& owner) { owner = nullptr; }, [](operation&) noexcept {}};
};

using phase = tracked_sync::phase;

/// The syncs of one file, and the part of the scheduler that submits them.
class world {
public:
    enum class what : char {
        start = 's',
        write = 'w', ///< A write completes.
        begin = 'b',
        succeed = 'o',
        fail = 'f',
        end_cancelled = 'c', ///< The leader was cancelled before the engine performed it.
        cancel_waiting = 'x'
    };
    struct step {
        what kind;
        unsigned which = 0;
    };

    /// Bit n of `alls`: sync n is a `sync_all`.
    explicit world(unsigned alls)
        : file_(detail::file_ref::adopt(::open("/dev/null", O_RDWR | O_CLOEXEC))) {
        for (unsigned n = 0; n != sync_count; ++n)
            syncs_.push_back(std::make_unique<tracked_sync>(
                (alls >> n & 1) != 0 ? op_kind::sync_all : op_kind::sync_data));
    }

    world(const world&) = delete;
    world& operator=(const world&) = delete;
    ~world() {
        op_queue rest;
        group_.move_to(rest);
        while (rest.pop()) {
        }
        while (pending_.pop()) {
        }
    }

    std::vector<step> allowed() const {
        std::vector<step> steps;
        if (started_ != sync_count)
            steps.push_back({what::start});
        if (writes_ != write_count)
            steps.push_back({what::write});
        if (!pending_.empty())
            steps.push_back({what::begin});
        if (leader_)
            for (const what end : {what::succeed, what::fail, what::end_cancelled})
                steps.push_back({end});
        for (unsigned n = 0; n != sync_count; ++n)
            if (syncs_[n]->at == phase::waiting)
                steps.push_back({what::cancel_waiting, n});
        return steps;
    }

    void take(const step& next) {
        switch (next.kind) {
        case what::start: start(); break;
        case what::write: ++writes_; break;
        case what::begin: begin(); break;
        case what::succeed: end(0); break;
        case what::fail: end(-EIO); break;
        case what::end_cancelled: end(-ECANCELED); break;
        case what::cancel_waiting: cancel(*syncs_[next.which]); break;
        }
        unsigned leaders = 0;
        for (const auto& each : syncs_) {
            leaders += each->at == phase::pending || each->at == phase::begun;
            require(
                group_.holds(*each) == (each->at == phase::waiting),
                "the group holds the syncs that wait");
        }
        require(leaders <= 1, "one flush of a file runs at a time");
        require(
            leaders == 1 || phases().find(char(phase::waiting)) == std::string::npos,
            "no sync waits without a flush");
    }

    /// Ends every flush. At most two are left: the running one, and one for all syncs that wait.
    void run_to_the_end() {
        int flushes = 0;
        for (; !pending_.empty() || leader_; ++flushes) {
            if (!leader_)
                take({what::begin});
            take({what::succeed});
        }
        require(flushes <= 2, "one flush serves all syncs that wait");
        require(
            phases() ==
                std::string(started_, char(phase::ended)) +
                    std::string(sync_count - started_, char(phase::idle)),
            "each sync ends");
    }

    /// Equal for worlds that behave in the same way from now on.
    std::string state() const {
        std::string text = phases() + std::to_string(writes_);
        for (const auto& each : syncs_) {
            text += ' ' + std::to_string(each->writes_before);
            text += each->covers_all ? 'a' : 'd';
        }
        return text + (leader_ ? std::to_string(writes_at_begin_) + std::to_string(begun_at_) : "");
    }

private:
    std::string phases() const {
        std::string text;
        for (const auto& each : syncs_)
            text += char(each->at);
        return text;
    }

    void start() {
        tracked_sync& sync = *syncs_[started_++];
        sync.number = started_;
        sync.file = file_;
        sync.writes_before = writes_;
        if (group_.start(sync))
            submit(sync);
        else
            sync.at = phase::waiting;
    }

    void submit(tracked_sync& sync) {
        sync.at = phase::pending;
        pending_.push(&sync);
    }

    void begin() {
        group_.begin(pending_, started_);
        leader_ = static_cast<tracked_sync*>(pending_.pop());
        leader_->at = phase::begun;
        writes_at_begin_ = writes_;
        begun_at_ = started_;
    }

    void end(int result) {
        tracked_sync& leader = *std::exchange(leader_, nullptr);
        const op_kind flush = leader.flush_kind();
        leader.take_result(result);
        leader.at = phase::ended;
        std::vector<tracked_sync*> expected;
        const unsigned served_up_to = result == 0 ? begun_at_ : sync_count;
        for (unsigned n = 0; n != served_up_to; ++n)
            if (syncs_[n]->at == phase::waiting)
                expected.push_back(syncs_[n].get());
        if (result == -ECANCELED)
            expected.clear();
        else
            check_cover(leader, flush);
        op_queue served;
        operation* const next = group_.end(leader, served);
        for (tracked_sync* each : expected) {
            require(
                served.pop() == each,
                "a flush serves the syncs that were started before it; a failed one, all that "
                "wait");
            require(each->result == result, "everyone whom a flush serves gets its result");
            if (result == 0)
                check_cover(*each, flush);
            each->at = phase::ended;
        }
        require(served.empty(), "a flush serves nobody else");
        leader.turn.reset();
        if (next)
            submit(static_cast<tracked_sync&>(*next));
    }

    void check_cover(const tracked_sync& sync, op_kind flush) const {
        require(
            sync.writes_before <= writes_at_begin_ && sync.number <= begun_at_,
            "a flush begins after the start of each sync that it serves");
        require(
            sync.kind == op_kind::sync_data || flush == op_kind::sync_all,
            "only a flush of everything serves a sync_all");
    }

    void cancel(tracked_sync& sync) {
        group_.remove(sync);
        sync.take_result(-ECANCELED);
        sync.at = phase::ended;
    }

    detail::group_commit group_;
    detail::file_ref file_;
    std::vector<std::unique_ptr<tracked_sync>> syncs_;
    op_queue pending_;
    tracked_sync* leader_ = nullptr; ///< Its flush has begun.
    unsigned started_ = 0, writes_ = 0;
    unsigned writes_at_begin_ = 0, begun_at_ = 0;
};

/// Walks through all states that some order of steps reaches.
class enumeration {
public:
    explicit enumeration(unsigned alls) : alls_(alls) {}

    void walk() {
        std::vector<world::step> next;
        try {
            world here(alls_);
            for (const world::step& each : steps_)
                here.take(each);
            if (!seen_.insert(here.state()).second)
                return;
            next = here.allowed();
            here.run_to_the_end();
        } catch (const broken& invariant) {
            std::string text;
            for (const world::step& each : steps_)
                text += char(each.kind) + std::to_string(each.which) + ' ';
            BOOST_FAIL("after " << text << "broken: " << invariant.what());
        }
        for (const world::step& each : next) {
            steps_.push_back(each);
            walk();
            steps_.pop_back();
        }
    }

    std::size_t states() const { return seen_.size(); }

private:
    const unsigned alls_;
    std::vector<world::step> steps_;
    std::set<std::string> seen_;
};

} // namespace

BOOST_AUTO_TEST_CASE(no_sync_ends_before_a_flush_that_covers_it) {
    // A sanitizer makes the walk ten times slower, so that it sees one choice of kinds.
    const bool is_short = std::getenv("ASIO_AIO_STEP_DEPTH") != nullptr;
    const unsigned first = is_short ? 0b0101 : 0, last = is_short ? first : (1u << sync_count) - 1;
    for (unsigned alls = first; alls <= last; ++alls) {
        enumeration all(alls);
        all.walk();
        BOOST_TEST(all.states() > 1000u);
    }
}
