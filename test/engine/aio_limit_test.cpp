// SPDX-License-Identifier: BSL-1.0
// The system's limit of places for Linux AIO (fs.aio-max-nr). All processes share the limit, so no
// other test may run at the same time.
#include "child.hpp"
#include "seccomp.hpp"

#include <libaio.h>
#include <sys/syscall.h>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

using namespace test;
using asio_aio::engine_report;

namespace {

long number_in(const char* path) {
    std::ifstream file(path);
    long number = -1;
    file >> number;
    return number;
}

long places_in_use() {
    return number_in("/proc/sys/fs/aio-nr");
}

/// Other programs may take places and give them back at any time, so a check that fails is repeated.
template <typename Check>
bool holds(Check check) {
    for (int tries = 20; tries != 0; --tries)
        if (check())
            return true;
    return false;
}

/// Whether the object that `open` returns uses exactly `depth` places and gives them back.
template <typename Open>
bool uses_places(long depth, Open open) {
    const long before = places_in_use();
    auto holder = open();
    const long with = places_in_use();
    holder.reset();
    return with == before + depth && places_in_use() == before;
}

/// Whether libaio works here; if not, prints why the test is skipped.
bool has_libaio() {
    const engine_report found = asio_aio::probe()[std::size_t(backend::libaio)];
    if (!found.available)
        say_skipped(found.reason);
    return found.available;
}

/// Takes all places but `left` until it or the process ends.
class used_up_places {
public:
    explicit used_up_places(long left) {
        const long free_places = number_in("/proc/sys/fs/aio-max-nr") - places_in_use();
        works_ = free_places > left && ::io_setup(int(free_places - left), &context_) == 0;
    }
    used_up_places(const used_up_places&) = delete;
    used_up_places& operator=(const used_up_places&) = delete;
    ~used_up_places() {
        if (works_)
            ::io_destroy(context_);
    }

    bool works() const { return works_; }

private:
    io_context_t context_ = nullptr;
    bool works_ = false;
};

asio_aio::options only_libaio(unsigned depth) {
    asio_aio::options opts;
    opts.choice = {backend::libaio};
    opts.queue_depth = depth;
    return opts;
}

/// A context that has opened a file, and so has its engine.
std::unique_ptr<asio::io_context> open_context(const std::string& path, unsigned depth) {
    auto ctx = std::make_unique<asio::io_context>();
    asio_aio::configure(*ctx, only_libaio(depth));
    file(*ctx, path, file_base::read_write | file_base::create);
    return ctx;
}

} // namespace

BOOST_AUTO_TEST_CASE(without_places_the_engine_is_refused_with_the_reason_until_there_are_some) {
    if (!has_libaio())
        return;
    const int status = in_child([] {
        temporary_directory folder;
        asio::io_context ctx;
        asio_aio::configure(ctx, only_libaio(256));
        // A second child process: the kernel frees its places when it ends.
        const int inner = in_child([&] {
            const used_up_places all(0);
            if (!all.works())
                return could_not;
            const engine_report refused = asio_aio::probe()[std::size_t(backend::libaio)];
            const bool told = refused.error == EAGAIN &&
                refused.reason.find("places are in use") != std::string::npos &&
                refused.remedy.find("fs.aio-max-nr") != std::string::npos;
            error_code ec;
            file f(ctx);
            f.open(folder.file("file"), file_base::read_write | file_base::create, ec);
            asio::io_context free_to_choose;
            asio_aio::options opts;
            opts.choice = {backend::libaio, backend::thread_pool};
            asio_aio::configure(free_to_choose, opts);
            file g(free_to_choose, folder.file("file"), file_base::read_write | file_base::create);
            return told && ec == asio_aio::errc::engine_unavailable &&
                    g.backend() == backend::thread_pool
                ? 0
                : 1;
        });
        if (inner != 0)
            return inner;
        file f(
            ctx, folder.file("file"),
            file_base::read_write | file_base::create | file_base::direct);
        return f.backend() == backend::libaio ? 0 : 2;
    });
    if (status == could_not)
        return say_skipped("the places could not be used up");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(with_few_places_the_queue_is_shallower) {
    if (!has_libaio())
        return;
    const int status = in_child([] {
        temporary_directory folder;
        bool works = true;
        const bool is_shallower = holds([&] {
            const used_up_places most(70);
            works = most.works();
            return works && uses_places(64, [&] { return open_context(folder.file("file"), 256); });
        });
        return is_shallower ? 0 : works ? 1 : could_not;
    });
    if (status == could_not)
        return say_skipped("the places could not be used up");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_context_uses_the_places_that_it_was_asked_for_and_gives_them_back) {
    if (!has_libaio())
        return;
    temporary_directory folder;
    BOOST_TEST(holds(
        [&] { return uses_places(64, [&] { return open_context(folder.file("file"), 64); }); }));
}

BOOST_AUTO_TEST_CASE(statistics_agree_with_the_calls_that_are_made) {
    if (!has_libaio())
        return;
    const int status = in_child([] {
        static long submissions = 0;
        temporary_directory folder;
        constexpr std::size_t blocks = 32, block_bytes = 4096;
        set_content(folder.file("file"), pattern(blocks * block_bytes));
        make_cold(folder.file("file"));
        asio::io_context ctx;
        asio_aio::configure(ctx, only_libaio(64));
        file f(ctx, folder.file("file"), file_base::read_only | file_base::direct);
        if (asio_aio::describe(ctx).chosen != backend::libaio || count_aio_contexts() != 1)
            return 1;
        const bool trapped = trapped_call::set(
            SYS_io_submit, [](const trapped_call::arguments&) -> std::optional<long> {
                ++submissions;
                return std::nullopt;
            });
        if (!trapped)
            return could_not;
        struct alignas(block_bytes) block {
            char bytes[block_bytes];
        };
        std::vector<block> memory(blocks);
        std::vector<outcome> results(blocks);
        for (std::size_t i = 0; i != blocks; ++i)
            f.async_read_some_at(
                i * block_bytes, asio::buffer(memory[i].bytes), results[i].handler());
        ctx.run();
        std::string all;
        for (const block& each : memory)
            all.append(each.bytes, block_bytes);
        const asio_aio::context_statistics counted = asio_aio::statistics(ctx);
        if (all != pattern(blocks * block_bytes) || counted.batches != 1 ||
            counted.largest_batch != blocks)
            return 2;
        return submissions == 1 && counted.kernel_entries == std::uint64_t(submissions) ? 0 : 3;
    });
    if (status == could_not)
        return say_skipped("seccomp does not work here");
    BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(a_hundred_contexts_leave_none_behind) {
    if (!has_libaio())
        return;
    temporary_directory folder;
    for (int i = 0; i != 20; ++i) {
        std::vector<std::unique_ptr<asio::io_context>> contexts;
        for (int j = 0; j != 5; ++j)
            contexts.push_back(open_context(folder.file("file"), 16));
        BOOST_TEST(count_aio_contexts() == 5u);
    }
    BOOST_TEST(count_aio_contexts() == 0u);
}
