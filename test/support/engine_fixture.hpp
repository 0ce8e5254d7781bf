// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine_support.hpp"

#include "core/router.hpp"

#include <fcntl.h>
#include <poll.h>
#include <initializer_list>
#include <utility>

namespace test {

/// An operation without a handler: its result is looked at where it lies.
struct plain_operation : detail::operation {
    explicit plain_operation(detail::op_kind what) : operation(what, ends) {}

    using operation::renew;

    static constexpr detail::operation::fates ends{
        [](operation&, operation*& owner) { owner = nullptr; }, [](operation&) noexcept {}};
};

inline asio_aio::options with_depth(unsigned depth) {
    asio_aio::options opts;
    opts.queue_depth = depth;
    return opts;
}

/// Engines with their event, and a file to work on: no Asio, only poll(2).
struct engine_fixture {
    explicit engine_fixture(
        const detail::engine_factory& make, asio_aio::options opts = {}, int file_flags = 0) {
        BOOST_REQUIRE_EQUAL(engines.open_event(), 0);
        engines.add_engines(make(opts, engines.finished()));
        const int fd =
            ::open(folder.file("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | file_flags, 0600);
        BOOST_REQUIRE(fd != -1);
        file = detail::file_ref::adopt(fd);
    }

    explicit engine_fixture(backend which, asio_aio::options opts = {}, int file_flags = 0)
        : engine_fixture(
              detail::select_engine({{which}, asio_aio::choice_source::code, "this test", {}}, opts)
                  .factory,
              opts, file_flags) {}

    ~engine_fixture() {
        detail::op_queue abandoned;
        engines.stop(abandoned);
    }

    void prepare(detail::operation& op) { op.file = file; }

    /// Cancels one operation, as its cancellation slot would.
    void cancel(detail::operation& op) {
        op.cancel_asked = true;
        engines.cancel(op);
    }

    /// Cancels all operations of a file.
    void cancel(const detail::file_ref& which) {
        which->cancel_before(1); // a plain operation has the number 0
        engines.cancel(*which.operator->());
    }

    void submit(std::initializer_list<detail::operation*> ops) {
        detail::op_queue batch;
        for (detail::operation* op : ops)
            batch.push(op);
        engines.submit(batch);
        BOOST_REQUIRE(batch.empty());
    }

    /// Completes everything, `pending` too. `reap` then finds it in both processes.
    void prepare_fork(detail::op_queue& pending) {
        engines.prepare_fork(pending, finished_before_fork);
    }

    bool wait_for_event() {
        pollfd waited{engines.finished().descriptor(), POLLIN, 0};
        return ::poll(&waited, 1, int(deadline_seconds) * 1000) == 1;
    }

    /// Waits until at least `count` operations are in `done`.
    void reap(detail::op_queue& done, std::size_t count) {
        done.splice(finished_before_fork);
        engines.reap(done);
        while (done.size() < count) {
            BOOST_REQUIRE(wait_for_event());
            engines.clear_wake_up();
            engines.reap(done);
        }
    }

    /// Waits until `count` more operations are finished.
    void reap(std::size_t count) {
        detail::op_queue done;
        reap(done, count);
        BOOST_TEST(done.size() == count);
        while (done.pop()) {
        }
    }

    int perform(detail::operation& op) {
        submit({&op});
        reap(1);
        return op.result;
    }

    temporary_directory folder;
    detail::router engines;
    detail::op_queue finished_before_fork;
    detail::file_ref file;
};

} // namespace test
