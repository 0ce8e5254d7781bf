// SPDX-License-Identifier: BSL-1.0
// register_buffers on all engines: fixed buffers on io_uring, plain memory elsewhere.
#include "child.hpp"
#include "threads.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/buffer_registration.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace test;
using asio_aio::buffer_registration;

namespace {

constexpr std::size_t block = 4096;
constexpr std::size_t blocks = 64;

std::uint64_t count_fixed(asio::execution_context& context) {
    return asio_aio::statistics(context).fixed_buffers;
}

/// Anonymous memory in whole blocks.
class area {
public:
    explicit area(std::size_t count = 1) : bytes_(count * block) {
        void* const made =
            ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        BOOST_REQUIRE(made != MAP_FAILED);
        data_ = static_cast<char*>(made);
    }
    area(const area&) = delete;
    area& operator=(const area&) = delete;
    ~area() { ::munmap(data_, bytes_); }

    char* data() const { return data_; }
    asio::mutable_buffer all() const { return {data_, bytes_}; }
    asio::mutable_buffer part(std::size_t offset, std::size_t bytes = block) const {
        return {data_ + offset, bytes};
    }

private:
    std::size_t bytes_;
    char* data_ = nullptr;
};

/// A context without inline reads, and a file with content.
struct site {
    explicit site(environment& on) : env(on), content(pattern(blocks * block)) {
        configure(env.ctx, env);
        set_content(env.path(), content);
        f.emplace(env.ctx, env.path(), file_base::read_write);
    }

    /// Sets the options of the environment's engine, without inline reads.
    static void configure(asio::execution_context& context, const environment& env) {
        asio_aio::options options = env.options();
        options.inline_read_limit = 0;
        asio_aio::configure(context, options);
    }

    /// 1 where a buffer of registered memory is a fixed buffer, 0 elsewhere.
    std::uint64_t once() const { return env.engine == backend::io_uring ? 1 : 0; }

    /// Reads, checks the bytes, and returns how many fixed buffers the kernel was given.
    std::uint64_t read(const std::vector<asio::mutable_buffer>& buffers, std::uint64_t offset = 0) {
        const std::uint64_t before = count_fixed(env.ctx);
        const outcome result = read_at(env, *f, offset, buffers);
        BOOST_TEST(!result.ec);
        BOOST_TEST(result.bytes == asio::buffer_size(buffers));
        std::string bytes(result.bytes, '\0');
        asio::buffer_copy(asio::buffer(bytes), buffers);
        BOOST_TEST((bytes == content.substr(offset, bytes.size())));
        return count_fixed(env.ctx) - before;
    }

    std::uint64_t read(const asio::mutable_buffer& one, std::uint64_t offset = 0) {
        return read(std::vector{one}, offset);
    }

    environment& env;
    std::string content;
    std::optional<file> f;
};

} // namespace

// --- Finding the buffer of an operation ---

ENGINE_TEST(memory_inside_a_registered_buffer_is_fixed_on_io_uring_and_plain_elsewhere) {
    site here(env);
    const area memory(4);
    BOOST_TEST(here.read(memory.all()) == 0u);
    const buffer_registration registered = asio_aio::register_buffers(env.ctx, memory.all());
    BOOST_TEST(registered.is_fixed() == (env.engine == backend::io_uring));
    BOOST_TEST(
        (registered.error() ==
         (registered.is_fixed() ? error_code() : asio::error::operation_not_supported)));
    BOOST_TEST(here.read(memory.all()) == here.once());
    BOOST_TEST(here.read(memory.part(100, 5000), 7) == here.once());
    BOOST_TEST(here.read(memory.part(4 * block - 1, 1), 8) == here.once());
    const std::string bytes = pattern(block, 2);
    asio::buffer_copy(memory.part(block), asio::buffer(bytes));
    const std::uint64_t before = count_fixed(env.ctx);
    const outcome written = write_at(env, *here.f, block, {memory.part(block)});
    BOOST_TEST(!written.ec);
    BOOST_TEST(written.bytes == block);
    BOOST_TEST(count_fixed(env.ctx) == before); // the pool performs buffered writes
    BOOST_TEST((content(env.path()).substr(block, block) == bytes));
    BOOST_TEST(asio_aio::describe(env.ctx).plain_buffer_bytes == 0u);
}

ENGINE_TEST(direct_operations_use_registered_memory) {
    site::configure(env.ctx, env);
    const std::string bytes = pattern(blocks * block);
    set_content(env.path(), bytes);
    error_code ec;
    file f(env.ctx);
    if (f.open(env.path(), file_base::read_write | file_base::direct, ec))
        return say_skipped("no direct I/O here");
    asio_aio::aligned_buffer memory(blocks * block, f.direct_io_alignment());
    const buffer_registration registered =
        asio_aio::register_buffers(env.ctx, asio::buffer(memory));
    std::deque<outcome> results(blocks);
    for (std::size_t i = 0; i != blocks; ++i)
        f.async_read_some_at(
            i * block, asio::buffer(asio::buffer(memory) + i * block, block), results[i].handler());
    env.run();
    for (const outcome& each : results)
        BOOST_TEST((each.calls == 1 && !each.ec && each.bytes == block));
    BOOST_TEST((std::string(static_cast<char*>(memory.data()), bytes.size()) == bytes));
    BOOST_TEST(count_fixed(env.ctx) == (registered.is_fixed() ? blocks : 0));
}

ENGINE_TEST(the_type_of_a_buffer_does_not_matter) {
    site here(env);
    std::vector<char> bytes(block);
    std::array<char, 100> small;
    std::string text(block, '\0');
    const std::array<asio::mutable_buffer, 3> all{
        asio::buffer(bytes), asio::buffer(small), asio::buffer(text)};
    const buffer_registration registered = asio_aio::register_buffers(env.ctx.get_executor(), all);
    auto asios = asio::register_buffers(env.ctx, std::vector{asio::buffer(bytes)});
    const std::uint64_t before = count_fixed(env.ctx);
    std::uint64_t reads = 0;
    const auto read_to = [&](const auto& buffers) { // one after another: they share memory
        outcome result;
        here.f->async_read_some_at(0, buffers, result.handler());
        env.run();
        BOOST_TEST((result.calls == 1 && !result.ec && result.bytes != 0));
        ++reads;
    };
    read_to(asio::mutable_buffer(bytes.data() + 1, 99));
    read_to(std::vector{asio::buffer(bytes, 17)});
    read_to(std::array{asio::mutable_buffer(), asio::buffer(text), asio::mutable_buffer()});
    read_to(asio::buffer(small));
    read_to(asios[0].buffer());
    BOOST_TEST(count_fixed(env.ctx) - before == here.once() * reads);
}

ENGINE_TEST(an_operation_on_two_registrations_or_half_outside_or_on_several_buffers_is_plain) {
    site here(env);
    const area memory(8);
    const buffer_registration first = asio_aio::register_buffers(env.ctx, memory.part(block));
    const buffer_registration next = asio_aio::register_buffers(env.ctx, memory.part(2 * block));
    const buffer_registration far =
        asio_aio::register_buffers(env.ctx, memory.part(5 * block, 2 * block));
    BOOST_TEST(here.read(memory.part(block)) == here.once());
    BOOST_TEST(here.read(memory.part(2 * block)) == here.once());
    BOOST_TEST(here.read(memory.part(block, 2 * block)) == 0u);                // two neighbours
    BOOST_TEST(here.read(memory.part(2 * block, 4 * block)) == 0u);            // with a gap
    BOOST_TEST(here.read(memory.part(block - 1)) == 0u);                       // begins outside
    BOOST_TEST(here.read(memory.part(2 * block + 1)) == 0u);                   // ends outside
    BOOST_TEST(here.read(memory.part(0, 8 * block)) == 0u);                    // around everything
    BOOST_TEST(here.read(memory.part(3 * block)) == 0u);                       // between them
    BOOST_TEST(here.read({memory.part(block), memory.part(5 * block)}) == 0u); // several buffers
    BOOST_TEST(here.read(memory.part(5 * block, 2 * block)) == here.once());
}

ENGINE_TEST(registrations_may_overlap_and_end_in_any_order) {
    site here(env);
    const area memory(8);
    buffer_registration whole = asio_aio::register_buffers(env.ctx, memory.all());
    buffer_registration inner =
        asio_aio::register_buffers(env.ctx, memory.part(2 * block, 2 * block));
    buffer_registration same = asio_aio::register_buffers(env.ctx, memory.all());
    BOOST_TEST(here.read(memory.part(3 * block, 3 * block)) == here.once());
    whole.unregister();
    BOOST_TEST(here.read(memory.part(3 * block, 3 * block)) == here.once());
    same = buffer_registration();
    BOOST_TEST(here.read(memory.part(3 * block, 3 * block)) == 0u);
    BOOST_TEST(here.read(memory.part(2 * block, 2 * block)) == here.once());
    inner.unregister();
    BOOST_TEST(here.read(memory.part(2 * block, 2 * block)) == 0u);
}

ENGINE_TEST(a_context_has_twenty_registrations) {
    constexpr std::size_t count = 20;
    site here(env);
    const area memory(2 * count);
    std::vector<buffer_registration> all;
    for (std::size_t i = 0; i != count; ++i)
        all.push_back(asio_aio::register_buffers(env.ctx, memory.part(2 * i * block)));
    for (std::size_t i = 0; i != count; ++i)
        BOOST_TEST(here.read(memory.part(2 * i * block), i * block) == here.once());
    for (std::size_t i = 0; i < count; i += 2)
        all[i].unregister();
    for (std::size_t i = 0; i != count; ++i)
        BOOST_TEST(here.read(memory.part(2 * i * block), i) == (i % 2) * here.once());
    for (std::size_t i = 0; i < count; i += 2)
        all[i] = asio_aio::register_buffers(env.ctx, memory.part(2 * i * block));
    for (std::size_t i = 0; i != count; ++i)
        BOOST_TEST(here.read(memory.part(2 * i * block), 2 * i) == here.once());
}

ENGINE_TEST(memory_that_another_context_registered_is_plain) {
    site here(env);
    environment other(env.engine);
    const area memory;
    const buffer_registration there = asio_aio::register_buffers(other.ctx, memory.all());
    BOOST_TEST(here.read(memory.all()) == 0u);
    const buffer_registration both = asio_aio::register_buffers(env.ctx, memory.all());
    BOOST_TEST(here.read(memory.all()) == here.once());
    BOOST_TEST(count_fixed(other.ctx) == 0u);
}

ENGINE_TEST(operations_of_a_stream_file_use_registered_memory) {
    site here(env);
    const area memory(2);
    const buffer_registration registered = asio_aio::register_buffers(env.ctx, memory.all());
    asio_aio::stream_file_aio stream(env.ctx, env.path(), file_base::read_only);
    const std::uint64_t before = count_fixed(env.ctx);
    outcome first, second;
    stream.async_read_some(memory.part(0), first.handler());
    stream.async_read_some(memory.part(block), second.handler());
    env.run();
    BOOST_TEST((!first.ec && first.bytes == block && !second.ec && second.bytes == block));
    BOOST_TEST((std::string(memory.data(), 2 * block) == here.content.substr(0, 2 * block)));
    BOOST_TEST(count_fixed(env.ctx) - before == 2 * here.once());
}

// --- The call ---

ENGINE_TEST(any_executor_and_any_context_can_be_named) {
    const area memory;
    const auto is_known = [&](const buffer_registration& made) {
        return made.is_fixed() == (env.engine == backend::io_uring);
    };
    site::configure(env.ctx, env);
    asio::execution_context& base = env.ctx;
    BOOST_TEST(is_known(asio_aio::register_buffers(base, memory.all())));
    BOOST_TEST(is_known(asio_aio::register_buffers(env.ctx.get_executor(), memory.all())));
    BOOST_TEST(is_known(asio_aio::register_buffers(asio::make_strand(env.ctx), memory.all())));
    BOOST_TEST(is_known(
        asio_aio::register_buffers(asio::any_io_executor(env.ctx.get_executor()), memory.all())));
    asio::thread_pool pool(1);
    site::configure(pool, env);
    BOOST_TEST(is_known(asio_aio::register_buffers(pool, memory.all())));
    pool.join();
}

ENGINE_TEST(the_call_chooses_the_engine_as_open_does) {
    const area memory;
    BOOST_TEST(!asio_aio::describe(env.ctx).chosen);
    const buffer_registration registered = asio_aio::register_buffers(env.ctx, memory.all());
    BOOST_TEST((asio_aio::describe(env.ctx).chosen == env.engine));
    error_code ec;
    asio_aio::configure(env.ctx, env.options(), ec);
    BOOST_TEST((ec == asio::error::already_open));
}

BOOST_AUTO_TEST_CASE(without_an_engine_the_call_fails_as_open_does) {
    const area memory;
    const std::optional<std::string> before = std::getenv("ASIO_AIO_BACKEND")
        ? std::optional(std::getenv("ASIO_AIO_BACKEND"))
        : std::nullopt;
    ::setenv("ASIO_AIO_BACKEND", "nonsense", 1);
    asio::io_context ctx;
    error_code ec;
    const buffer_registration none = asio_aio::register_buffers(ctx, memory.all(), ec);
    if (before)
        ::setenv("ASIO_AIO_BACKEND", before->c_str(), 1);
    else
        ::unsetenv("ASIO_AIO_BACKEND");
    BOOST_TEST((ec == asio_aio::errc::invalid_choice));
    BOOST_TEST(!none.is_fixed());
    BOOST_TEST((none.error() == asio::error::bad_descriptor));
}

ENGINE_TEST(bad_memory_is_an_error_that_names_the_fault) {
    const area memory;
    const auto fails = [&](const auto& buffers, const std::string& text) {
        error_code ec;
        buffer_registration made = asio_aio::register_buffers(env.ctx, buffers, ec);
        BOOST_TEST((ec == asio::error::invalid_argument));
        BOOST_TEST((made.error() == asio::error::bad_descriptor));
        BOOST_CHECK_EXCEPTION(
            made = asio_aio::register_buffers(env.ctx, buffers), boost::system::system_error,
            [&](const boost::system::system_error& error) {
                return error.code() == asio::error::invalid_argument &&
                    std::string(error.what()).find("register_buffers: " + text) !=
                    std::string::npos;
            });
    };
    fails(asio::mutable_buffer(), "the buffers are empty");
    fails(std::vector<asio::mutable_buffer>(), "the buffers are empty");
    fails(
        std::array{memory.all(), asio::mutable_buffer(nullptr, 10)},
        "a buffer of 10 bytes has a null address");
    fails(
        asio::mutable_buffer(memory.data(), SIZE_MAX),
        "a buffer of " + std::to_string(SIZE_MAX) + " bytes exceeds");
    error_code ec = asio::error::eof;
    const std::array with_empty{asio::mutable_buffer(), memory.all()};
    const buffer_registration good = asio_aio::register_buffers(env.ctx, with_empty, ec);
    BOOST_TEST(!ec);
    BOOST_TEST(good.is_fixed() == (env.engine == backend::io_uring));
}

// --- Memory that the kernel refuses ---

ENGINE_TEST(memory_beyond_the_limit_of_locked_memory_is_plain_and_describe_reports_it) {
    if (env.engine != backend::io_uring)
        return;
    if (asio_on_io_uring)
        return say_skipped("Asio's own ring exceeds the limit of this test");
    if (::geteuid() != 0)
        return say_skipped("only root can become a user who has locked no memory yet");
    set_content(env.path(), pattern(blocks * block));
    const int status = in_child([&] {
        constexpr uid_t nobody_else = 65529;
        constexpr std::size_t limit = 512 * 1024, large = 4 * limit;
        // opened before: the other user may not enter the folder
        const int fd = ::open(env.path().c_str(), O_RDONLY | O_CLOEXEC);
        if (!limit_locked_memory(limit, nobody_else))
            return could_not;
        asio::io_context ctx;
        site::configure(ctx, env);
        file f(ctx, fd);
        const area small(4), big(large / block);
        const buffer_registration fits = asio_aio::register_buffers(ctx, small.all());
        const buffer_registration plain = asio_aio::register_buffers(ctx, big.all());
        if (!fits.is_fixed() || plain.is_fixed() || plain.error() != asio::error::no_memory)
            return 1;
        outcome results[2];
        f.async_read_some_at(0, small.all(), results[0].handler());
        f.async_read_some_at(0, big.part(0, 4 * block), results[1].handler());
        run_with_deadline(ctx);
        const std::string expected = pattern(blocks * block).substr(0, 4 * block);
        if (std::string(small.data(), expected.size()) != expected ||
            std::string(big.data(), expected.size()) != expected || count_fixed(ctx) != 1)
            return 2;
        const asio_aio::description what = asio_aio::describe(ctx);
        const std::string line = to_string(what);
        return what.plain_buffer_bytes == large &&
                what.plain_buffer_reason.find("RLIMIT_MEMLOCK") != std::string::npos &&
                what.plain_buffer_reason.find(std::to_string(limit)) != std::string::npos &&
                line.find(std::to_string(large) + " bytes") != std::string::npos &&
                line.find(what.plain_buffer_reason) != std::string::npos
            ? 0
            : 3;
    });
    if (status == could_not)
        return say_skipped("the limit cannot be set");
    BOOST_TEST(status == 0);
}

namespace {

/// A child process of a user who may lock too little memory for two large areas at a time. `body`
/// gets one.
template <typename Body>
void check_with_one_area(const environment& env, uid_t user, Body body) {
    if (env.engine != backend::io_uring)
        return;
    if (asio_on_io_uring)
        return say_skipped("Asio's own ring exceeds the limit of this test");
    if (::geteuid() != 0)
        return say_skipped("only root can become a user who has locked no memory yet");
    const int status = in_child([&] {
        constexpr std::size_t limit = 1024 * 1024;
        if (!limit_locked_memory(limit, user))
            return could_not;
        const area memory(limit / block / 2 + 1);
        return body(memory.all());
    });
    if (status == could_not)
        return say_skipped("the limit cannot be set");
    BOOST_TEST(status == 0);
}

} // namespace

ENGINE_TEST(a_context_gives_locked_memory_back_when_it_ends) {
    check_with_one_area(env, 65528, [&](const asio::mutable_buffer& memory) {
        std::vector<buffer_registration> kept;
        // few contexts, because the kernel gives the locked memory of their rings back late
        for (int i = 0; i != 6; ++i) {
            asio::io_context ctx;
            site::configure(ctx, env);
            kept.push_back(asio_aio::register_buffers(ctx, memory));
            if (!kept.back().is_fixed())
                return 1;
        }
        return 0;
    });
}

ENGINE_TEST(a_registration_gives_locked_memory_back_when_it_ends) {
    check_with_one_area(env, 65527, [&](const asio::mutable_buffer& memory) {
        asio::io_context ctx;
        site::configure(ctx, env);
        buffer_registration first = asio_aio::register_buffers(ctx, memory);
        if (!first.is_fixed())
            return 1;
        if (asio_aio::register_buffers(ctx, memory).error() != asio::error::no_memory)
            return 2;
        first.unregister();
        // Linux 5.15 to 6.1 give it back up to a second later. The child's alarm ends the loop.
        while (!asio_aio::register_buffers(ctx, memory).is_fixed())
            std::this_thread::yield();
        return 0;
    });
}

// --- Life ---

ENGINE_TEST(memory_can_be_unregistered_and_replaced_while_operations_are_in_flight) {
    constexpr int rounds = 20;
    site::configure(env.ctx, env);
    const std::string bytes = pattern(blocks * block);
    set_content(env.path(), bytes);
    error_code ec;
    file f(env.ctx);
    if (f.open(env.path(), file_base::read_only | file_base::direct, ec))
        f.open(env.path(), file_base::read_only);
    for (int round = 0; round != rounds; ++round) {
        const area memory(blocks), other(blocks);
        buffer_registration first = asio_aio::register_buffers(env.ctx, memory.all());
        std::deque<outcome> results(blocks);
        for (std::size_t i = 0; i != blocks; ++i)
            f.async_read_some_at(i * block, memory.part(i * block), results[i].handler());
        const std::uint64_t batches = asio_aio::statistics(env.ctx).batches;
        env.ctx.restart();
        while (asio_aio::statistics(env.ctx).batches == batches)
            env.ctx.poll_one();
        first.unregister();
        const buffer_registration second =
            asio_aio::register_buffers(env.ctx, other.all()); // in its place
        env.run();
        for (const outcome& each : results)
            BOOST_TEST((each.calls == 1 && !each.ec && each.bytes == block));
        BOOST_TEST((std::string(memory.data(), bytes.size()) == bytes));
        BOOST_TEST((std::string(other.data(), bytes.size()) == std::string(bytes.size(), '\0')));
    }
    BOOST_TEST(count_fixed(env.ctx) == (env.engine == backend::io_uring ? rounds * blocks : 0));
}

ENGINE_TEST(a_registration_outlives_its_context) {
    const area memory;
    buffer_registration registered;
    BOOST_TEST((registered.error() == asio::error::bad_descriptor));
    {
        asio::io_context ctx;
        site::configure(ctx, env);
        registered = asio_aio::register_buffers(ctx, memory.all());
    }
    BOOST_TEST(!registered.is_fixed());
    BOOST_TEST((registered.error() == asio::error::shut_down));
    buffer_registration moved = std::move(registered);
    BOOST_TEST((registered.error() == asio::error::bad_descriptor));
    BOOST_TEST((moved.error() == asio::error::shut_down));
    moved.unregister();
    moved.unregister();
    BOOST_TEST((moved.error() == asio::error::bad_descriptor));
}

ENGINE_TEST(a_registration_can_be_moved) {
    static_assert(std::is_nothrow_move_constructible_v<buffer_registration>);
    static_assert(std::is_nothrow_move_assignable_v<buffer_registration>);
    static_assert(!std::is_copy_constructible_v<buffer_registration>);
    site here(env);
    const area one, two;
    buffer_registration first = asio_aio::register_buffers(env.ctx, one.all());
    buffer_registration second = asio_aio::register_buffers(env.ctx, two.all());
    first = std::move(second); // ends the first registration
    BOOST_TEST(here.read(one.all()) == 0u);
    BOOST_TEST(here.read(two.all()) == here.once());
    auto& same = first;
    first = std::move(same);
    BOOST_TEST(here.read(two.all()) == here.once());
}

ENGINE_TEST(a_handler_that_is_destroyed_with_its_context_may_register_and_unregister) {
    const area memory, other;
    struct last_act {
        ~last_act() {
            error_code ec;
            const buffer_registration made = asio_aio::register_buffers(*ctx, *memory, ec);
            *seen = made.is_fixed() ? error_code() : made.error();
        }
        asio::io_context* ctx;
        const asio::mutable_buffer* memory;
        error_code* seen;
        buffer_registration registered;
    };
    error_code seen;
    const asio::mutable_buffer of_other = other.all();
    {
        asio::io_context ctx;
        site::configure(ctx, env);
        auto act = std::make_shared<last_act>();
        act->ctx = &ctx;
        act->memory = &of_other;
        act->seen = &seen;
        act->registered = asio_aio::register_buffers(ctx, memory.all());
        file f(ctx, env.path(), file_base::read_write | file_base::create);
        f.async_write_some_at(0, memory.all(), [act](error_code, std::size_t) {});
    }
    BOOST_TEST((seen == asio::error::shut_down));
}

ENGINE_TEST(parent_and_child_use_registered_memory_after_a_fork) {
    site here(env);
    const area memory(2);
    buffer_registration registered = asio_aio::register_buffers(env.ctx, memory.all());
    BOOST_TEST(here.read(memory.part(0)) == here.once());
    env.ctx.notify_fork(asio::execution_context::fork_prepare);
    const int status = in_child([&] {
        env.ctx.notify_fork(asio::execution_context::fork_child);
        if (registered.is_fixed() != (env.engine == backend::io_uring))
            return 1;
        if (here.read(memory.part(block), block) != here.once())
            return 2;
        if (std::string(memory.data() + block, block) != here.content.substr(block, block))
            return 3;
        registered.unregister();
        return here.read(memory.part(0)) == 0 ? 0 : 4;
    });
    env.ctx.notify_fork(asio::execution_context::fork_parent);
    BOOST_TEST(status == 0);
    BOOST_TEST(registered.is_fixed() == (env.engine == backend::io_uring));
    BOOST_TEST(here.read(memory.part(block), 2 * block) == here.once());
}

// --- Threads ---

ENGINE_TEST(threads_register_and_unregister_while_others_read) {
    constexpr int reads = 400, registrations = 200;
    site here(env);
    const area memory(8);
    std::atomic<int> left{reads}, right{0};
    const std::string expected = here.content.substr(0, block);
    std::function<void(std::size_t)> start = [&](std::size_t place) {
        if (left.fetch_sub(1) <= 0)
            return;
        here.f->async_read_some_at(
            0, memory.part(place * block), [&, place](error_code ec, std::size_t n) {
                right += !ec && n == block &&
                    std::string(memory.data() + place * block, block) == expected;
                start(place);
            });
    };
    for (std::size_t place = 0; place != 8; ++place)
        start(place);
    {
        std::vector<std::jthread> others;
        for (std::size_t i = 0; i != 2; ++i)
            others.emplace_back([&, i] {
                for (int n = 0; n != registrations; ++n) {
                    const buffer_registration some =
                        asio_aio::register_buffers(env.ctx, memory.part(i * 3 * block, 5 * block));
                    if (some.is_fixed() != (env.engine == backend::io_uring))
                        right = -reads;
                }
            });
        run_on_threads(env.ctx, 2);
    }
    BOOST_TEST(right == reads);
}
