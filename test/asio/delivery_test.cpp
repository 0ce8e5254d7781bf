// SPDX-License-Identifier: BSL-1.0
// How a finished operation reaches its handler: through executors that call in place, through the
// system context, and when the context is destroyed on the way.
#include "child.hpp"
#include "holding_engine.hpp"
#include "inline_executor.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>

#include <sys/syscall.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

using namespace test;

namespace {

using inline_file = asio_aio::basic_random_access_file_aio<inline_executor>;
constexpr auto read_write_create = file_base::read_write | file_base::create;

} // namespace

// --- Executors that call in place ---

ENGINE_TEST(a_handler_that_an_executor_calls_in_place_delays_no_other_handler) {
    for (const bool inline_first : {true, false}) {
        environment each(env.engine, env.folder.path());
        hold held(each.ctx, each.engine, hold_at::completion);
        inline_file in_place(inline_executor{&each.ctx}, each.path(), read_write_create);
        file ordinary = each.open("other");
        constexpr int count = 6;
        int calls = 0;
        int complete = 0;
        // Each handler runs the context until all handlers have been called.
        const auto wait_for_all = [&](error_code, std::size_t) {
            ++calls;
            while (calls != count && run_one_with_deadline(each.ctx) != 0) {
            }
            complete += calls == count;
        };
        for (int i = 0; i != count; ++i) {
            if ((i % 2 == 0) == inline_first)
                in_place.async_write_some_at(0, asio::buffer("x", 1), wait_for_all);
            else
                ordinary.async_write_some_at(0, asio::buffer("x", 1), wait_for_all);
        }
        held.run_until_held(each.ctx, count);
        held.release();
        each.run();
        BOOST_TEST(calls == count);
        BOOST_TEST(complete == count);
    }
}

ENGINE_TEST(operations_that_end_at_initiation_count_as_in_flight_until_they_are_delivered) {
    inline_file f(inline_executor{&env.ctx}, env.path(), read_write_create);
    int calls = 0;
    for (int i = 0; i != 3; ++i)
        f.async_write_some_at(0, asio::const_buffer(), [&](error_code, std::size_t) { ++calls; });
    const asio_aio::context_statistics before = asio_aio::statistics(env.ctx);
    BOOST_TEST(before.in_flight == 3u);
    BOOST_TEST(before.peak_in_flight == 3u);
    env.run();
    BOOST_TEST(calls == 3);
    BOOST_TEST(asio_aio::statistics(env.ctx).in_flight == 0u);
}

ENGINE_TEST(an_executor_does_not_start_the_threads_of_the_system_context) {
    const int status = in_child([&] { // another test may have started them in this process
        environment own(env.engine, env.folder.path());
        asio_aio::options options = own.options();
        options.max_threads = 1; // the pool's own threads cannot change the count
        asio_aio::configure(own.ctx, options);
        const auto strand = asio::make_strand(own.ctx);
        const auto erased = asio::make_strand(asio::any_io_executor(own.ctx.get_executor()));
        file f = own.open();
        int calls = 0;
        const auto count_call = [&](error_code, std::size_t) { ++calls; };
        const auto write_on = [&](auto& to, const auto& executor) {
            to.async_write_some_at(
                0, asio::buffer("x", 1), asio::bind_executor(executor, count_call));
            own.ctx.restart();
            run_with_deadline(own.ctx);
        };
        write_on(f, own.ctx.get_executor()); // the pool makes its thread
        const std::size_t threads = count_threads();
        write_on(f, strand);
        write_on(f, erased);
        write_on(f, asio::any_io_executor(strand));
        inline_file in_place(inline_executor{&own.ctx}, own.path(), read_write_create);
        write_on(in_place, inline_executor{&own.ctx});
        return calls == 5 && count_threads() == threads ? 0 : 1;
    });
    BOOST_TEST(status == 0);
}

// --- The system context ---

namespace {

template <typename Executor>
void check_that_run_waits_for_handlers_on(environment& env, const Executor& executor) {
    file f = env.open();
    std::atomic<int> on_this_thread{0};
    const auto count_call = [&, runner = std::this_thread::get_id()](error_code, std::size_t) {
        on_this_thread += std::this_thread::get_id() == runner;
    };
    const auto handler = [&] { return asio::bind_executor(executor, count_call); };
    char byte = 'x';
    f.async_write_some_at(0, asio::buffer(&byte, 1), handler());
    env.run();
    BOOST_TEST(on_this_thread == 1);
    f.async_read_some_at(0, asio::buffer(&byte, 1), handler()); // may be an inline read
    f.async_read_some_at(0, asio::mutable_buffer(), handler());
    f.async_read_some_at(~std::uint64_t(0), asio::buffer(&byte, 1), handler());
    env.run();
    BOOST_TEST(on_this_thread == 4);
}

} // namespace

ENGINE_TEST(run_calls_handlers_that_are_bound_to_the_system_executor) {
    using asio::any_io_executor;
    using asio::system_executor;
    check_that_run_waits_for_handlers_on(env, system_executor());
    check_that_run_waits_for_handlers_on(env, any_io_executor(system_executor()));
    check_that_run_waits_for_handlers_on(env, asio::make_strand(system_executor()));
    check_that_run_waits_for_handlers_on(
        env, asio::make_strand(any_io_executor(system_executor())));
    check_that_run_waits_for_handlers_on(
        env, any_io_executor(asio::make_strand(system_executor())));
}

// --- The end of the context ---

namespace {

/// Memory for a handler's operations. Counts the blocks that outlive it.
class arena {
public:
    explicit arena(std::atomic<int>& outlived) noexcept : outlived_(outlived) {}
    arena(const arena&) = delete;
    arena& operator=(const arena&) = delete;
    ~arena() { outlived_ += allocated_; }

    void* allocate(std::size_t bytes) {
        ++allocated_;
        return ::operator new(bytes);
    }
    void deallocate(void* memory) noexcept {
        --allocated_;
        ::operator delete(memory);
    }

private:
    std::atomic<int>& outlived_;
    int allocated_ = 0;
};

template <typename T>
struct arena_allocator {
    using value_type = T;

    explicit arena_allocator(arena& in) noexcept : from(&in) {}
    template <typename U>
    arena_allocator(const arena_allocator<U>& other) noexcept : from(other.from) {}

    T* allocate(std::size_t n) { return static_cast<T*>(from->allocate(n * sizeof(T))); }
    void deallocate(T* memory, std::size_t) noexcept { from->deallocate(memory); }

    friend bool operator==(const arena_allocator&, const arena_allocator&) noexcept = default;

    arena* from;
};

/// A handler that owns the memory of its operation.
struct owner_of_memory {
    using allocator_type = arena_allocator<void>;

    allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
    void operator()(error_code, std::size_t) { ++*calls; }

    std::shared_ptr<arena> memory;
    std::atomic<int>* calls;
};

template <typename Start>
void check_that_memory_goes_last(backend which, Start start) {
    std::atomic<int> outlived{0}, calls{0};
    {
        environment own(which);
        hold held(own.ctx, own.engine, hold_at::completion);
        start(own, owner_of_memory{std::make_shared<arena>(outlived), &calls});
        held.run_until_held(own.ctx, 1);
        held.release();
        BOOST_TEST(run_one_with_deadline(own.ctx) == 1u); // submits the handler to its strand
    }
    BOOST_TEST(calls == 0);
    BOOST_TEST(outlived == 0);
}

} // namespace

ENGINE_TEST(a_handler_that_owns_its_memory_may_be_destroyed_in_a_strand) {
    check_that_memory_goes_last(env.engine, [](environment& own, owner_of_memory handler) {
        file f(asio::make_strand(own.ctx), own.path(), read_write_create);
        f.async_write_some_at(0, asio::buffer("x", 1), std::move(handler));
    });
    check_that_memory_goes_last(env.engine, [](environment& own, owner_of_memory handler) {
        file f = own.open();
        f.async_write_some_at(
            0, asio::buffer("x", 1),
            asio::bind_executor(asio::make_strand(own.ctx), std::move(handler)));
    });
    check_that_memory_goes_last(env.engine, [](environment& own, owner_of_memory handler) {
        const auto strand = asio::make_strand(asio::any_io_executor(own.ctx.get_executor()));
        file f(strand, own.path(), read_write_create);
        f.async_write_some_at(0, asio::buffer("x", 1), std::move(handler));
    });
}

#if !defined(__SANITIZE_THREAD__) // which replaces close(2) itself
namespace {

std::atomic<int> failed_closes{0};

} // namespace

/// Replaces close(2) in this program: counts calls for numbers that are not open.
extern "C" int close(int descriptor) {
    const int result = int(::syscall(SYS_close, descriptor));
    if (result == -1 && errno == EBADF)
        ++failed_closes;
    return result;
}

ENGINE_TEST(a_handler_that_is_destroyed_with_its_context_may_use_a_file_synchronously) {
    struct saver {
        environment& env;
        ~saver() {
            file f(env.ctx, env.path("saved"), read_write_create);
            BOOST_TEST(f.write_some_at(0, asio::buffer("state", 5)) == 5u);
            const backend serving = f.backend();
            BOOST_TEST((serving == serves_buffered(env.engine) || serving == backend::thread_pool));
            f.async_write_some_at(0, asio::buffer("x", 1), [](error_code, std::size_t) {});
        }
    };
    for (const bool with_engines : {true, false}) {
        failed_closes = 0;
        const std::size_t before = count_descriptors();
        {
            environment own(env.engine, env.folder.path());
            auto last = std::make_shared<saver>(saver{own});
            if (with_engines) {
                file f = own.open();
                f.async_write_some_at(0, asio::buffer("x", 1), [last](error_code, std::size_t) {});
            } else {
                asio::use_service<asio_aio::detail::file_service>(own.ctx);
                asio::post(own.ctx, [last] {});
            }
            last.reset();
        }
        BOOST_TEST(failed_closes == 0);
        BOOST_TEST(count_descriptors() == before);
    }
}
#endif
