// SPDX-License-Identifier: BSL-1.0
// Hosts that refuse engines, by seccomp filters in child processes and by limits of a process.
#include "child.hpp"
#include "seccomp.hpp"

#include "selection/trial_memory.hpp"

#include <sys/syscall.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

using namespace test;
using asio_aio::description;
using asio_aio::engine_report;

namespace {

constexpr uid_t unprivileged = 65533; // no other test counts the tasks of this user
constexpr long register_eventfd = 4;  // IORING_REGISTER_EVENTFD

struct host {
    std::vector<backend> refused;
    int error;

    std::vector<long> calls() const {
        std::vector<long> numbers;
        for (backend each : refused)
            numbers.push_back(each == backend::io_uring ? SYS_io_uring_setup : SYS_io_setup);
        return numbers;
    }
    bool refuses(backend which) const { return std::ranges::count(refused, which) != 0; }
};

/// Whether the engine is available.
bool available(backend which) {
    return asio_aio::probe()[std::size_t(which)].available;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

/// Writes and reads a file on a context with the automatic choice. Returns the description of the
/// context, or an empty one if a byte is wrong.
description use_a_file(const std::string& path) {
    asio::io_context ctx;
    file f(ctx, path, file_base::read_write | file_base::create | file_base::truncate);
    outcome written, read;
    std::string back(5, '\0');
    f.async_write_some_at(0, asio::buffer("hello", 5), written.handler());
    ctx.run();
    ctx.restart();
    f.async_read_some_at(0, asio::buffer(back), read.handler());
    ctx.run();
    return written.bytes == 5 && read.bytes == 5 && back == "hello" ? asio_aio::describe(ctx)
                                                                    : description();
}

/// 0 if the reports and the choice are right for this host.
int check_reports(const host& here, const std::array<bool, 3>& outside) {
    backend best = backend::thread_pool;
    for (const engine_report& each : asio_aio::probe()) {
        const bool expected = outside[std::size_t(each.which)] && !here.refuses(each.which);
        if (each.available != expected)
            return 10 + int(each.which);
        if (expected)
            best = std::min(best, each.which);
        else if (
            here.refuses(each.which) &&
            (each.error != here.error || each.reason.empty() || each.remedy.empty()))
            return 20 + int(each.which);
    }
    temporary_directory folder;
    const description what = use_a_file(folder.file("file"));
    if (what.chosen != best || what.source != asio_aio::choice_source::automatic)
        return 1;
    for (backend each : here.refused)
        if (each < best && !contains(to_string(what), std::string(to_string(each)) + ": "))
            return 2;
    return 0;
}

/// Refuses `calls` with EPERM in a child process, and passes the engine's report to `is_right`.
/// Returns 0 if the report is right and the pool is chosen.
template <typename Check>
int where_calls_are_refused(const std::vector<long>& calls, backend which, Check is_right) {
    return in_child([&] {
        if (!refuse_calls(calls, EPERM))
            return could_not;
        const engine_report found = asio_aio::probe()[std::size_t(which)];
        if (!is_right(found))
            return 1;
        if (asio_on_io_uring)
            return 0;
        temporary_directory folder;
        return use_a_file(folder.file("file")).chosen == backend::thread_pool ? 0 : 2;
    });
}

} // namespace

BOOST_AUTO_TEST_CASE(the_best_engine_that_is_not_refused_is_used_and_refusals_are_reported) {
    const std::array<bool, 3> outside = {
        available(backend::io_uring), available(backend::libaio), true};
    for (int error : {ENOSYS, EPERM, EACCES, EAGAIN, ENOMEM})
        for (const std::vector<backend>& refused :
             {std::vector{backend::io_uring},
              {backend::libaio},
              {backend::io_uring, backend::libaio}}) {
            if (std::ranges::any_of(
                    refused, [&](backend each) { return !outside[std::size_t(each)]; })) {
                say_skipped("an engine that is to be refused is not available anyway");
                continue;
            }
            if (asio_on_io_uring && refused.front() == backend::io_uring) {
                say_skipped(asio_needs_io_uring);
                continue;
            }
            const host here{refused, error};
            const int status = in_child([&] {
                return refuse_calls(here.calls(), error) ? check_reports(here, outside) : could_not;
            });
            if (status == could_not)
                return say_skipped("seccomp does not work here");
            BOOST_TEST(
                status == 0,
                "errno " << error << ", " << refused.size() << " refused: status " << status);
        }
}

BOOST_AUTO_TEST_CASE(a_trial_detects_a_sandbox_that_allows_the_set_up_and_refuses_the_rest) {
    struct forbidden {
        long call;
        backend engine;
        const char* name;
    };
    for (const forbidden& each :
         {forbidden{SYS_io_uring_enter, backend::io_uring, "io_uring_enter"},
          forbidden{SYS_io_uring_register, backend::io_uring, "io_uring_register"},
          forbidden{SYS_io_submit, backend::libaio, "io_submit"},
          forbidden{SYS_io_getevents, backend::libaio, "io_getevents"}}) {
        if (!available(each.engine)) {
            say_skipped(std::string(to_string(each.engine)) + " is not available anyway");
            continue;
        }
        // The other kernel engine is refused, too, so that only the pool is left.
        const std::vector<long> calls = {
            each.call, each.engine == backend::io_uring ? SYS_io_setup : SYS_io_uring_setup};
        const int status =
            where_calls_are_refused(calls, each.engine, [&](const engine_report& found) {
                return !found.available && found.error == EPERM &&
                    contains(found.reason, each.name) && contains(found.reason, "seccomp") &&
                    contains(found.remedy, each.name);
            });
        if (status == could_not)
            return say_skipped("seccomp does not work here");
        BOOST_TEST(status == 0, each.name << ": status " << status);
    }
}

BOOST_AUTO_TEST_CASE(a_sandbox_without_memfd_create_refuses_no_engine) {
    const int status = in_child([] {
        const bool uring = available(backend::io_uring), aio = available(backend::libaio);
        return in_child([&] { // a child process tries the engines again
            if (!refuse_calls({SYS_memfd_create}, EPERM))
                return could_not;
            return available(backend::io_uring) == uring && available(backend::libaio) == aio ? 0
                                                                                              : 1;
        });
    });
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(an_engine_that_was_tried_and_is_refused_later_is_passed_over_with_its_reason) {
    if (asio_on_io_uring)
        return say_skipped(asio_needs_io_uring);
    if (!available(backend::io_uring))
        return say_skipped("io_uring is not available anyway");
    const int status = in_child([] {
        temporary_directory folder;
        if (use_a_file(folder.file("file")).chosen != backend::io_uring)
            return 1;
        // as a program that installs a filter after its start
        if (!refuse_calls({SYS_io_uring_setup}, EPERM))
            return could_not;
        const description what = use_a_file(folder.file("file"));
        const bool told = what.passed_over.size() >= 1 &&
            what.passed_over[0].which == backend::io_uring && what.passed_over[0].error == EPERM;
        return what.chosen && what.chosen != backend::io_uring && told ? 0 : 2;
    });
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(an_engine_is_tried_once_in_a_process) {
    if (asio_on_io_uring)
        return say_skipped(asio_needs_io_uring);
    if (!available(backend::io_uring))
        return say_skipped("io_uring is not available anyway");
    const int status = in_child([] {
        static int set_ups = 0;
        const bool trapped = trapped_call::set(
            SYS_io_uring_setup, [](const trapped_call::arguments&) -> std::optional<long> {
                ++set_ups;
                return -EPERM;
            });
        if (!trapped)
            return could_not;
        for (int i = 0; i != 3; ++i)
            if (available(backend::io_uring))
                return 1;
        temporary_directory folder;
        const bool told = use_a_file(folder.file("file")).passed_over.at(0).error == EPERM;
        return told && set_ups == 1 ? 0 : 2;
    });
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_refusal_for_want_of_descriptors_is_not_kept) {
    for (backend which : {backend::io_uring, backend::libaio}) {
        if (!available(which)) {
            say_skipped(std::string(to_string(which)) + " is not available anyway");
            continue;
        }
        const int status = in_child([&] {
            rlimit limit;
            if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
                return 2;
            const rlimit none{3, limit.rlim_max};
            if (::setrlimit(RLIMIT_NOFILE, &none) != 0)
                return 3;
            const engine_report refused = asio_aio::probe()[std::size_t(which)];
            ::setrlimit(RLIMIT_NOFILE, &limit);
            const bool told = !refused.available && refused.error == EMFILE &&
                contains(refused.remedy, "RLIMIT_NOFILE");
            return told && available(which) ? 0 : 1;
        });
        BOOST_TEST(status == 0, to_string(which));
    }
}

BOOST_AUTO_TEST_CASE(
    a_trial_that_fails_while_no_thread_can_be_made_names_its_call_and_is_not_kept) {
    if (!available(backend::io_uring))
        return say_skipped("io_uring is not available anyway");
    const int status = in_child([] {
        rlimit limit;
        if (::getrlimit(RLIMIT_NPROC, &limit) != 0 ||
            (::geteuid() == 0 && ::setresuid(unprivileged, unprivileged, unprivileged) != 0))
            return could_not;
        const rlimit none{0, limit.rlim_max};
        ::setrlimit(RLIMIT_NPROC, &none);
        // the trial read needs a worker of the kernel
        const engine_report refused = asio_aio::probe()[0];
        ::setrlimit(RLIMIT_NPROC, &limit);
        if (refused.available)
            return could_not;
        if ((refused.error != ECANCELED && refused.error != ETIMEDOUT) || // depends on the kernel
            !contains(refused.reason, "a trial read on a kernel worker: ") ||
            !contains(refused.remedy, "RLIMIT_NPROC"))
            return 1;
        return available(backend::io_uring) ? 0 : 2;
    });
    if (status == could_not)
        return say_skipped("this kernel makes workers where the number of tasks is limited");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_trial_without_a_completion_times_out_and_names_the_operation) {
    struct stalled {
        backend which;
        long call;
        trapped_call::decide_function decide;
    };
    const stalled cases[] = {
        {backend::io_uring, SYS_io_uring_register,
         [](const trapped_call::arguments& a) { // the event is never raised
             return a[1] == register_eventfd ? std::optional<long>(0) : std::nullopt;
         }},
        {backend::libaio, SYS_io_submit,
         [](const trapped_call::arguments&) { return std::optional<long>(1); }}};
    for (const stalled& each : cases) {
        if (!available(each.which)) {
            say_skipped(std::string(to_string(each.which)) + " is not available anyway");
            continue;
        }
        const int status = in_child([&] {
            if (!trapped_call::set(each.call, each.decide))
                return could_not;
            const engine_report found = asio_aio::probe()[std::size_t(each.which)];
            return !found.available && found.error == ETIMEDOUT &&
                    contains(found.reason, "a trial read")
                ? 0
                : 1;
        });
        if (status == could_not)
            return say_skipped("seccomp does not work here");
        BOOST_TEST(status == 0, to_string(each.which) << ": status " << status);
    }
}

BOOST_AUTO_TEST_CASE(only_permanent_results_of_a_trial_are_kept) {
    const auto is_kept = [](int error) {
        asio_aio::detail::trial_memory memory;
        memory.keep({backend::io_uring, error == 0, error, {}, {}}, {});
        return memory.find(backend::io_uring, {}).has_value();
    };
    for (int lasting : {0, EPERM, EACCES, ENOSYS, EINVAL, EOPNOTSUPP})
        BOOST_TEST(is_kept(lasting), lasting);
    for (int passing :
         {ECANCELED, EINTR, ETIMEDOUT, EAGAIN, ENOMEM, EMFILE, ENFILE, EBUSY, EIO, ENOSPC})
        BOOST_TEST(!is_kept(passing), passing);
}
