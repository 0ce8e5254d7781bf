// SPDX-License-Identifier: BSL-1.0
// Each engine with the thread pool behind it: no Asio, only poll(2).
#include "engine_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <deque>
#include <string>

using namespace test;
using detail::op_kind;
using detail::op_queue;
using detail::pass_reason;

namespace {

/// Passes every operation to the pool, as if the filesystem did not support it.
class refusing_engine final : public detail::engine {
public:
    explicit refusing_engine(detail::event& finished) : finished_(finished) {}

    backend kind() const noexcept override { return backend::io_uring; }
    bool serves(const detail::file_handle& what) const noexcept override { return !what.refused(); }
    pass_reason why_not(detail::operation&) const noexcept override { return pass_reason::none; }
    void submit(op_queue& batch) noexcept override {
        batch.for_each([](detail::operation& op) {
            op.become(detail::op_state::with_engine);
            op.pass(pass_reason::refused);
        });
        refused_.splice(batch);
        finished_.raise();
    }
    void reap(op_queue& done) noexcept override { done.splice(refused_); }
    void cancel(detail::file_handle&) noexcept override {}
    void cancel(detail::operation&) noexcept override {}
    void stop(op_queue& abandoned) noexcept override { abandoned.splice(refused_); }
    void prepare_fork() noexcept override {}
    void become_child() noexcept override {}
    detail::engine_counters counters() const noexcept override { return {}; }

private:
    detail::event& finished_;
    op_queue refused_;
};

detail::engine_list make_refusing(const asio_aio::options&, detail::event& finished) {
    detail::engine_list engines;
    engines.push_back(std::make_unique<refusing_engine>(finished));
    engines.push_back(
        std::make_unique<detail::thread_pool_engine>(detail::thread_pool_settings(), finished));
    return engines;
}

} // namespace

// --- Operations that the chosen engine refuses ---

BOOST_AUTO_TEST_CASE(the_pool_performs_what_an_engine_refuses_and_the_file_remembers_it) {
    engine_fixture fixture{detail::engine_factory(make_refusing)};
    plain_operation sync(op_kind::sync_data);
    fixture.prepare(sync);
    BOOST_TEST(!fixture.file->refused());
    BOOST_TEST(fixture.perform(sync) == 0);
    BOOST_TEST(fixture.file->refused());
    BOOST_TEST(fixture.engines.passed(pass_reason::refused) == 1u);
}

BOOST_AUTO_TEST_CASE(an_operation_that_also_fails_in_the_pool_does_not_mark_the_file_as_refused) {
    engine_fixture fixture{detail::engine_factory(make_refusing)};
    plain_operation wrong(op_kind::allocate);
    fixture.prepare(wrong);
    wrong.length = 0;
    BOOST_TEST(fixture.perform(wrong) == -EINVAL);
    BOOST_TEST(!fixture.file->refused());
}

// --- Each engine ---

ENGINE_TEST(serves_every_kind_of_operation) {
    engine_fixture fixture(env.engine);
    const std::string path = fixture.folder.file("other");

    plain_operation open(op_kind::open);
    auto other = detail::file_ref::make_opening({path, O_RDWR | O_CREAT | O_EXCL, 0640});
    open.file = other;
    BOOST_REQUIRE_EQUAL(fixture.perform(open), 0);
    BOOST_REQUIRE(other.is_open());
    const int fd = other->descriptor();
    BOOST_TEST((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);

    char text[] = "0123456789";
    iovec iov{text, 10};
    plain_operation write(op_kind::write);
    write.file = other;
    write.offset = 5;
    write.iovecs = &iov;
    write.iovec_count = 1;
    BOOST_TEST(fixture.perform(write) == 10);

    for (op_kind kind : {op_kind::sync_all, op_kind::sync_data, op_kind::sync_range}) {
        plain_operation sync(kind);
        sync.file = other;
        sync.flags = kind == op_kind::sync_range ? SYNC_FILE_RANGE_WRITE : 0;
        BOOST_TEST(fixture.perform(sync) == 0);
    }

    plain_operation allocate(op_kind::allocate);
    allocate.file = other;
    allocate.offset = 0;
    allocate.length = 8192;
    BOOST_TEST(fixture.perform(allocate) == 0);

    plain_operation size(op_kind::size);
    size.file = other;
    BOOST_TEST(fixture.perform(size) == 0);
    BOOST_TEST(size.length == 8192u);

    plain_operation resize(op_kind::resize);
    resize.file = other;
    resize.length = 8;
    BOOST_TEST(fixture.perform(resize) == 0);

    char back[16] = {};
    iovec into{back, sizeof(back)};
    plain_operation read(op_kind::read);
    read.file = other;
    read.offset = 5;
    read.iovecs = &into;
    read.iovec_count = 1;
    BOOST_TEST(fixture.perform(read) == 3);
    BOOST_TEST(std::string(back) == "012");

    plain_operation close(op_kind::close);
    close.file = std::move(other);
    BOOST_TEST(fixture.perform(close) == 0);
    BOOST_TEST(::fcntl(fd, F_GETFD) == -1);
}

ENGINE_TEST(a_failed_call_is_its_errno) {
    engine_fixture fixture(env.engine);
    plain_operation open(op_kind::open);
    open.file = detail::file_ref::make_opening({"/no/such/folder/file", O_RDONLY});
    BOOST_TEST(fixture.perform(open) == -ENOENT);
    plain_operation resize(op_kind::resize);
    resize.file = detail::file_ref::adopt(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    BOOST_TEST(fixture.perform(resize) == -EINVAL);
}

ENGINE_TEST(four_thousand_syncs_at_once_all_complete) {
    engine_fixture fixture(env.engine);
    std::deque<plain_operation> syncs;
    op_queue batch;
    for (int i = 0; i != 4000; ++i) {
        fixture.prepare(syncs.emplace_back(i % 2 == 0 ? op_kind::sync_data : op_kind::sync_all));
        batch.push(&syncs.back());
    }
    fixture.engines.submit(batch);
    fixture.reap(4000);
    for (const plain_operation& each : syncs)
        BOOST_REQUIRE_EQUAL(each.result, 0);
}

ENGINE_TEST(goes_on_after_a_fork_in_parent_and_child) {
    engine_fixture fixture(env.engine);
    plain_operation before(op_kind::size);
    fixture.prepare(before);
    BOOST_TEST(fixture.perform(before) == 0);
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    const pid_t child = ::fork();
    if (child == 0) {
        bool good = fixture.engines.become_child() == 0;
        plain_operation op(op_kind::sync_data);
        fixture.prepare(op);
        op_queue batch, done;
        batch.push(&op);
        fixture.engines.submit(batch);
        while (done.empty() && fixture.wait_for_event()) {
            fixture.engines.clear_wake_up();
            fixture.engines.reap(done);
        }
        good = good && done.pop() == &op && op.result == 0;
        ::_exit(good ? 0 : 1);
    }
    plain_operation after(op_kind::sync_data);
    fixture.prepare(after);
    BOOST_TEST(fixture.perform(after) == 0);
    int status = -1;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    BOOST_TEST(status == 0);
}

ENGINE_TEST(what_is_in_flight_at_a_fork_is_done_once_and_delivered_in_both_processes) {
    engine_fixture fixture(env.engine);
    char text[] = "once";
    iovec iov{text, 4};
    plain_operation write(op_kind::write), unsupported(op_kind::sync_data);
    for (plain_operation* op : {&write, &unsupported})
        fixture.prepare(*op);
    write.iovecs = &iov;
    write.iovec_count = 1;
    fixture.submit({&write, &unsupported});
    op_queue nothing_pending;
    fixture.prepare_fork(nothing_pending);
    BOOST_TEST(content(fixture.folder.file("file")) == "once");
    set_content(fixture.folder.file("file"), ""); // a second write would fill the file again
    const pid_t child = ::fork();
    const auto both_arrive = [&] {
        op_queue done;
        done.splice(fixture.finished_before_fork);
        while (done.size() < 2 && fixture.wait_for_event()) {
            fixture.engines.clear_wake_up();
            fixture.engines.reap(done);
        }
        while (done.pop()) {
        }
        return write.result == 4 && unsupported.result == 0;
    };
    if (child == 0)
        ::_exit(fixture.engines.become_child() == 0 && both_arrive() ? 0 : 1);
    BOOST_TEST(both_arrive());
    int status = -1;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    BOOST_TEST(status == 0);
    BOOST_TEST(content(fixture.folder.file("file")).empty());
}

ENGINE_TEST(the_last_user_of_a_file_closes_it_and_no_loop_waits_for_that) {
    engine_fixture fixture(env.engine, {}, O_DIRECT); // libaio serves only such files
    const int number = fixture.file->descriptor();
    plain_operation sync(op_kind::sync_data);
    fixture.prepare(sync);
    fixture.file.reset(); // the operation is the last user
    fixture.submit({&sync});
    fixture.reap(1);
    BOOST_TEST(sync.result == 0);
    BOOST_TEST(!sync.file);
    BOOST_TEST(::fcntl(number, F_GETFD) == -1);
    if (env.engine != backend::thread_pool)
        BOOST_TEST(fixture.engines.counters().threads == 1u); // the pool closed it
}
