// SPDX-License-Identifier: BSL-1.0
// Concurrent syncs of one file share flushes.
#include "engine_support.hpp"
#include "holding_engine.hpp"
#include "results.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace test;
using detail::op_kind;

namespace {

std::uint64_t flushes(environment& env) {
    return asio_aio::statistics(env.ctx).flushes;
}

/// Notes the flushes that reach the engine, and fails some of them.
class flush_script {
public:
    explicit flush_script(environment& env) {
        use_faulty_engine(env, [this](detail::operation& op) -> std::optional<int> {
            if (!detail::is_flush(op.kind) || op.is_cancelled())
                return std::nullopt;
            std::size_t number;
            {
                const std::lock_guard<std::mutex> held(mutex_);
                kinds_.push_back(op.flush_kind());
                number = kinds_.size();
            }
            if (number != failing_)
                return std::nullopt;
            at_failure_();
            return -EIO;
        });
    }

    /// The flush with this number, from 1, will fail. The function is called while it runs.
    void fail(
        std::size_t number, std::function<void()> at_failure = [] {}) {
        at_failure_ = std::move(at_failure);
        failing_ = number;
    }

    std::vector<op_kind> kinds() {
        const std::lock_guard<std::mutex> held(mutex_);
        return kinds_;
    }

private:
    std::mutex mutex_;
    std::vector<op_kind> kinds_;
    std::atomic<std::size_t> failing_{0};
    std::function<void()> at_failure_;
};

/// Opens a file whose syncs the engine itself performs.
file open_for(environment& env, const char* name = "file") {
    auto flags = file_base::read_write | file_base::create;
    if (env.engine == backend::libaio)
        flags = flags | file_base::direct; // the pool performs those of other files
    return env.open(name, flags);
}

} // namespace

ENGINE_TEST(a_hundred_syncs_after_a_hundred_writes_need_two_flushes) {
    file f = env.open();
    constexpr std::size_t count = 100;
    const std::string bytes = pattern(512);
    std::deque<status> syncs(count);
    std::size_t written = 0;
    for (std::size_t i = 0; i != count; ++i)
        f.async_write_some_at(i * 512, asio::buffer(bytes), [&, i](error_code, std::size_t n) {
            written += n;
            f.async_sync_data(syncs[i].handler());
        });
    env.run();
    BOOST_TEST(written == count * 512);
    for (const status& each : syncs) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(!each.ec);
    }
    BOOST_TEST(asio_aio::statistics(env.ctx).syncs == count);
    BOOST_TEST(flushes(env) < count); // some of the syncs arrived in one turn of the loop

    const std::uint64_t before = flushes(env);
    for (status& each : syncs)
        f.async_sync_all(each.handler());
    env.run();
    BOOST_TEST(flushes(env) <= before + 2);
    for (const status& each : syncs)
        BOOST_TEST(each.calls == 2);
}

ENGINE_TEST(a_sync_that_is_started_later_waits_for_a_flush_of_its_own) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    status first, second, third;
    f.async_sync_data(first.handler());
    held.run_until_held(env.ctx, 1);
    f.async_sync_data(second.handler());
    f.async_sync_data(third.handler());
    held.release();
    env.run();
    BOOST_TEST(first.calls + second.calls + third.calls == 3);
    BOOST_TEST(flushes(env) == 2u);
}

ENGINE_TEST(a_flush_that_fails_fails_everyone_who_waited_for_it_and_nobody_else) {
    flush_script script(env);
    script.fail(1);
    file f = open_for(env), other = open_for(env, "other");
    std::deque<status> syncs(10);
    for (status& each : syncs)
        f.async_sync_data(each.handler());
    status next, elsewhere;
    env.run();
    for (const status& each : syncs)
        BOOST_TEST(each.ec == errno_code(EIO));
    f.async_sync_data(next.handler());
    other.async_sync_data(elsewhere.handler());
    env.run();
    BOOST_TEST(!next.ec);
    BOOST_TEST(!elsewhere.ec);
    BOOST_TEST(script.kinds().size() == 3u);
}

ENGINE_TEST(a_flush_that_fails_also_fails_the_syncs_that_wait_for_the_next_one) {
    flush_script script(env);
    file f = open_for(env);
    status leader, waiting, later;
    // What this sync covers may be part of the flush that fails.
    script.fail(1, [&] { f.async_sync_data(waiting.handler()); });
    f.async_sync_data(leader.handler());
    env.run();
    BOOST_TEST(leader.ec == errno_code(EIO));
    BOOST_TEST(waiting.ec == errno_code(EIO));
    f.async_sync_data(later.handler());
    env.run();
    BOOST_TEST(!later.ec);
}

ENGINE_TEST(a_sync_of_all_covers_a_sync_of_data_and_not_the_other_way_round) {
    flush_script script(env);
    file f = open_for(env);
    status data, all, more;
    f.async_sync_data(data.handler());
    f.async_sync_all(all.handler());
    f.async_sync_data(more.handler());
    env.run();
    BOOST_TEST(data.calls + all.calls + more.calls == 3);
    BOOST_TEST((script.kinds() == std::vector{op_kind::sync_all}));
    f.async_sync_data(data.handler());
    env.run();
    BOOST_TEST((script.kinds().back() == op_kind::sync_data));
}

ENGINE_TEST(a_sync_that_waits_is_cancelled_at_once_and_alone) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    asio::cancellation_signal signal;
    status leader, cancelled, other;
    f.async_sync_data(leader.handler());
    held.run_until_held(env.ctx, 1);
    f.async_sync_data(asio::bind_cancellation_slot(signal.slot(), cancelled.handler()));
    f.async_sync_data(other.handler());
    signal.emit(asio::cancellation_type::total);
    while (cancelled.calls == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
    BOOST_TEST(cancelled.ec == asio::error::operation_aborted);
    BOOST_TEST(leader.calls + other.calls == 0);
    held.release();
    env.run();
    BOOST_TEST(!leader.ec);
    BOOST_TEST(other.calls == 1);
    BOOST_TEST(!other.ec);
}

ENGINE_TEST(a_leader_that_is_cancelled_takes_no_other_sync_with_it) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    asio::cancellation_signal signal;
    status leader, other;
    f.async_sync_data(asio::bind_cancellation_slot(signal.slot(), leader.handler()));
    f.async_sync_all(other.handler());
    held.run_until_held(env.ctx, 1);
    signal.emit(asio::cancellation_type::terminal);
    while (leader.calls == 0)
        BOOST_REQUIRE(run_one_with_deadline(env.ctx) == 1u);
    BOOST_TEST(leader.ec == asio::error::operation_aborted);
    BOOST_TEST(other.calls == 0);
    held.release();
    env.run();
    BOOST_TEST(other.calls == 1);
    BOOST_TEST(!other.ec);
}

ENGINE_TEST(cancel_and_close_end_the_syncs_that_wait) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    status leader;
    std::deque<status> waiting(100);
    f.async_sync_data(leader.handler());
    held.run_until_held(env.ctx, 1);
    for (status& each : waiting)
        f.async_sync_data(each.handler());
    f.close();
    held.release();
    env.run();
    BOOST_TEST(leader.calls == 1);
    for (const status& each : waiting) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(each.ec == asio::error::operation_aborted);
    }
}

ENGINE_TEST(async_close_waits_for_the_syncs_that_wait) {
    const std::size_t before = count_descriptors();
    {
        environment own(env.engine, env.folder.path());
        hold held(own.ctx, own.engine, hold_at::completion);
        file f = own.open();
        status leader, closed;
        std::deque<status> waiting(100);
        f.async_sync_data(leader.handler());
        held.run_until_held(own.ctx, 1);
        for (status& each : waiting)
            f.async_sync_data(each.handler());
        f.async_close(closed.handler());
        held.release();
        own.run();
        BOOST_TEST(closed.calls == 1);
        BOOST_TEST(!closed.ec);
        for (const status& each : waiting)
            BOOST_TEST(each.calls == 1);
    }
    BOOST_TEST(count_descriptors() == before);
}

ENGINE_TEST(two_files_of_one_inode_have_flushes_of_their_own) {
    file f = env.open(), again = env.open();
    status one, other;
    f.async_sync_data(one.handler());
    again.async_sync_data(other.handler());
    env.run();
    BOOST_TEST(one.calls + other.calls == 2);
    BOOST_TEST(flushes(env) == 2u);
}

ENGINE_TEST(a_context_is_destroyed_while_syncs_wait) {
    auto own = std::make_unique<environment>(env.engine, env.folder.path());
    auto held = std::make_unique<hold>(own->ctx, own->engine, hold_at::completion);
    auto f = std::make_unique<file>(own->open());
    std::deque<status> all(100);
    f->async_sync_data(all.front().handler());
    held->run_until_held(own->ctx, 1);
    for (std::size_t i = 1; i != all.size(); ++i)
        f->async_sync_data(all[i].handler());
    f.reset();
    own.reset();
    for (const status& each : all)
        BOOST_TEST(each.calls == 0);
}
