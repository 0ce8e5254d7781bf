// SPDX-License-Identifier: BSL-1.0
// The memory of operations: its allocator, no allocation in steady state, and failed allocations.
#include "engine_fixture.hpp"
#include "holding_engine.hpp"

#include <asio_aio/detail/core/path_calls.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_at.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <unistd.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

using namespace test;

// --- The heap of this program ---

namespace {

/// Counts the allocations of all threads while `counting` is set, and lets one of this thread fail.
struct heap {
    static inline std::atomic<bool> counting{false};
    static inline std::atomic<std::size_t> allocations{0};

    /// The allocation of this thread that fails: 1 is the next one; 0 is none.
    static inline thread_local std::size_t fails_at = 0;

    static bool may_allocate() {
        if (counting.load(std::memory_order_relaxed))
            allocations.fetch_add(1, std::memory_order_relaxed);
        return fails_at == 0 || --fails_at != 0;
    }

    /// Aligned memory, or null.
    static void* aligned(std::size_t alignment, std::size_t bytes) noexcept {
        if (!may_allocate())
            return nullptr;
        void* memory = nullptr;
        // posix_memalign(3) requires an alignment of at least the size of a pointer.
        const int error = ::posix_memalign(&memory, std::max(alignment, sizeof(void*)), bytes);
        return error == 0 ? memory : nullptr;
    }

    static void* plain(std::size_t bytes) noexcept {
        return may_allocate() ? std::malloc(std::max(bytes, std::size_t(1))) : nullptr;
    }

    static void* required(void* memory) { return memory ? memory : throw std::bad_alloc(); }
};

} // namespace

// All forms of operator new and delete. They are not inline: GCC would warn that memory of operator
// new is freed with free().
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    return heap::required(heap::plain(bytes));
}
[[gnu::noinline]] void* operator new[](std::size_t bytes) {
    return heap::required(heap::plain(bytes));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return heap::plain(bytes);
}
[[gnu::noinline]] void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return heap::plain(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return heap::required(heap::aligned(std::size_t(alignment), bytes));
}
[[gnu::noinline]] void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return heap::required(heap::aligned(std::size_t(alignment), bytes));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

// Asio's recycling_allocator calls aligned_alloc, and not operator new.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    void* memory = heap::aligned(alignment, bytes);
    if (!memory)
        errno = ENOMEM;
    return memory;
}

namespace {

/// Counts the allocations of all threads during its lifetime.
class count_allocations {
public:
    count_allocations() {
        heap::allocations = 0;
        heap::counting = true;
    }
    count_allocations(const count_allocations&) = delete;
    count_allocations& operator=(const count_allocations&) = delete;
    ~count_allocations() { heap::counting = false; }

    std::size_t so_far() const { return heap::allocations; }
};

// --- An allocator that records its blocks ---

struct books {
    std::size_t allocations = 0;
    std::map<void*, std::size_t> blocks; ///< The allocated blocks with their sizes in bytes.
    /// A block was freed that was not allocated, or with another size.
    bool mistake = false;
    std::size_t fails_at = 0; ///< Like `heap::fails_at`, for this allocator.
};

template <typename T>
class booked_allocator {
public:
    using value_type = T;

    explicit booked_allocator(books& in) noexcept : books_(&in) {}

    template <typename U>
    booked_allocator(const booked_allocator<U>& other) noexcept : books_(other.books_) {}

    T* allocate(std::size_t n) {
        if (books_->fails_at != 0 && --books_->fails_at == 0)
            throw std::bad_alloc();
        T* memory = std::allocator<T>().allocate(n);
        ++books_->allocations;
        books_->blocks[memory] = n * sizeof(T);
        return memory;
    }

    void deallocate(T* memory, std::size_t n) noexcept {
        const auto found = books_->blocks.find(memory);
        if (found == books_->blocks.end() || found->second != n * sizeof(T))
            books_->mistake = true;
        else
            books_->blocks.erase(found);
        std::allocator<T>().deallocate(memory, n);
    }

    template <typename U>
    friend bool operator==(const booked_allocator& a, const booked_allocator<U>& b) noexcept {
        return a.books_ == b.books_;
    }

private:
    template <typename>
    friend class booked_allocator;

    books* books_;
};

/// The ways of an operation: with one or two allocations, with or without an engine.
struct way {
    enum kind { hit, miss, write, many_buffers, nothing, closed };

    kind what;
    const char* name;
};

constexpr way all_ways[] = {
    {way::hit, "an inline read"},
    {way::miss, "a read that goes to the engine"},
    {way::write, "a write"},
    {way::many_buffers, "a read into more buffers than an operation has room for"},
    {way::nothing, "a read of nothing"},
    {way::closed, "a read of a closed file"},
};

template <typename File>
class operations {
public:
    explicit operations(environment& env)
        : open_(env.ctx.get_executor()),
          closed_(env.ctx.get_executor()),
          cold_path_(env.path("cold")) {
        set_content(env.path(), std::string(sizeof bytes_, 'x'));
        set_content(cold_path_, std::string(sizeof bytes_, 'x'));
        open_.open(env.path(), file_base::read_write);
        cold_.emplace(env.ctx.get_executor(), cold_path_, file_base::read_only);
        open_.read_some_at(0, asio::buffer(bytes_)); // brings the data into memory
    }

    /// Prepares the file for `start`.
    void prepare(way::kind what) const {
        if (what == way::miss)
            make_cold(cold_path_);
    }

    template <typename Token>
    void start(way::kind what, Token&& token) {
        const auto buffer = asio::buffer(bytes_);
        switch (what) {
        case way::hit: open_.async_read_some_at(0, buffer, std::forward<Token>(token)); break;
        case way::miss: cold_->async_read_some_at(0, buffer, std::forward<Token>(token)); break;
        case way::write: open_.async_write_some_at(0, buffer, std::forward<Token>(token)); break;
        case way::many_buffers:
            open_.async_read_some_at(0, many(), std::forward<Token>(token));
            break;
        case way::nothing:
            open_.async_read_some_at(0, asio::mutable_buffer(), std::forward<Token>(token));
            break;
        case way::closed: closed_.async_read_some_at(0, buffer, std::forward<Token>(token)); break;
        }
    }

private:
    std::array<asio::mutable_buffer, 16> many() {
        std::array<asio::mutable_buffer, 16> buffers;
        for (std::size_t i = 0; i != buffers.size(); ++i)
            buffers[i] = asio::buffer(&bytes_[i], 1);
        return buffers;
    }

    File open_, closed_;
    const std::string cold_path_;
    std::optional<File> cold_;
    std::array<char, 1000> bytes_{};
};

} // namespace

// --- The associated allocator ---

ENGINE_TEST(memory_comes_from_the_handlers_allocator_and_is_freed_before_the_call) {
    operations<file> ops(env);
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            books kept;
            int calls = 0;
            std::size_t blocks_at_call = 99;
            ops.prepare(each.what);
            ops.start(
                each.what,
                asio::bind_allocator(booked_allocator<void>(kept), [&](error_code, std::size_t) {
                    ++calls;
                    blocks_at_call = kept.blocks.size();
                }));
            BOOST_TEST(kept.allocations >= 1u);
            BOOST_TEST(kept.blocks.size() >= 1u);
            env.run();
            BOOST_TEST(calls == 1);
            BOOST_TEST(blocks_at_call == 0u);
            BOOST_TEST(kept.blocks.size() == 0u);
            BOOST_TEST(!kept.mistake);
        }
    }
}

ENGINE_TEST(memory_is_freed_when_the_context_is_destroyed_with_operations_in_flight) {
    books kept;
    int calls = 0;
    {
        asio::io_context ctx;
        hold held(ctx, env.engine, hold_at::completion);
        file f(ctx, env.path(), file_base::read_write | file_base::create);
        for (int i = 0; i != 3; ++i)
            f.async_write_some_at(
                0, asio::buffer("abc", 3),
                asio::bind_allocator(
                    booked_allocator<void>(kept), [&](error_code, std::size_t) { ++calls; }));
        held.run_until_held(ctx, 3);
        f.async_write_some_at(
            0, asio::buffer("abc", 3),
            asio::bind_allocator(
                booked_allocator<void>(kept), [&](error_code, std::size_t) { ++calls; }));
        BOOST_TEST(kept.blocks.size() >= 4u);
    }
    BOOST_TEST(calls == 0);
    BOOST_TEST(kept.blocks.size() == 0u);
    BOOST_TEST(!kept.mistake);
}

// --- No allocation in steady state ---

namespace {

constexpr std::size_t warm_up_rounds = 200;
constexpr std::size_t counted_rounds = 500;

enum class kind { hit, miss, write, sync, size, resize, allocate, stream, status, option };

constexpr kind transfers[] = {kind::hit, kind::miss, kind::write};
constexpr kind all_kinds[] = {kind::hit,    kind::miss,   kind::write,    kind::sync,
                              kind::size,   kind::resize, kind::allocate, kind::stream,
                              kind::status, kind::option};

std::ostream& operator<<(std::ostream& out, kind what) {
    constexpr const char* names[] = {
        "inline reads",
        "reads by the engine",
        "writes by the engine",
        "syncs",
        "sizes",
        "resizes",
        "allocations of blocks",
        "writes of a stream",
        "statuses of paths",
        "writes with an option"};
    return out << names[int(what)];
}

/// A file whose content is in memory. Its reads are inline, or go to the engine for `kind::miss`.
template <typename File>
class warm_file {
public:
    static constexpr std::size_t block = 512;
    static constexpr std::size_t blocks = 32;

    template <typename Executor>
    warm_file(const environment& env, const Executor& executor, kind what) : what_(what) {
        set_content(env.path(), pattern(block * blocks));
        auto& context = asio::query(executor, asio::execution::context);
        asio_aio::options options = env.options();
        if (what == kind::miss)
            options.inline_read_limit = 0;
        error_code ec;
        asio_aio::configure(context, options, ec);
        BOOST_REQUIRE(!ec);
        file_.emplace(executor, env.path(), file_base::read_write);
        file_->read_some_at(0, asio::buffer(bytes_));
        stream_.emplace(executor, env.path("stream"), file_base::write_only | file_base::create);
        path_ = env.path();
    }

    template <typename Token>
    auto start(std::size_t i, Token&& token) {
        const auto buffer = asio::buffer(&bytes_[i * block], block);
        return what_ == kind::write
            ? file_->async_write_some_at(i * block, buffer, std::forward<Token>(token))
            : file_->async_read_some_at(i * block, buffer, std::forward<Token>(token));
    }

    /// The memory of all transfers.
    asio::mutable_buffer memory() { return asio::buffer(bytes_); }

    /// Starts an operation of any kind.
    template <typename Handler>
    void start_any(std::size_t i, Handler handler) {
        switch (what_) {
        case kind::sync: return file_->async_sync_data(std::move(handler));
        case kind::size: return file_->async_size(std::move(handler));
        case kind::resize: return file_->async_resize(block * blocks, std::move(handler));
        case kind::allocate:
            return file_->async_allocate(
                asio_aio::allocate_mode::keep_size, 0, block, std::move(handler));
        case kind::stream:
            return stream_->async_write_some(
                asio::buffer(&bytes_[i * block], block), std::move(handler));
        case kind::status:
            return asio_aio::async_status(file_->get_executor(), path_, std::move(handler));
        case kind::option:
            return file_->with(with_priority())
                .async_write_some_at(
                    i * block, asio::buffer(&bytes_[i * block], block), std::move(handler));
        default: return start(i, std::move(handler));
        }
    }

    /// True if the arguments of a handler are those of a success.
    bool is_success(error_code ec, std::size_t n) const {
        return !ec && n == (what_ == kind::size ? block * blocks : block);
    }

private:
    /// An option that the device does not have to wait for.
    static asio_aio::transfer_options with_priority() {
        asio_aio::transfer_options wanted;
        wanted.priority.io_class = asio_aio::io_priority_class::best_effort;
        return wanted;
    }

    const kind what_;
    std::optional<File> file_;
    std::optional<asio_aio::basic_stream_file_aio<typename File::executor_type>> stream_;
    std::string path_;
    std::array<char, block * blocks> bytes_{};
};

/// Runs the context in one call. `run_for` would begin each handler with an empty cache of memory.
/// The deadline of the test still applies.
void run_with_one_cache(asio::io_context& ctx) {
    ctx.run();
}

/// Chains of operations: `at_once` in flight, and each handler starts the next operation.
template <typename File, typename Decorate>
class rounds {
public:
    rounds(warm_file<File>& file, std::size_t at_once, Decorate decorate)
        : file_(file), at_once_(at_once), decorate_(decorate) {}

    void start() {
        for (std::size_t i = 0; i != at_once_; ++i)
            start(i);
    }

    /// The allocations of all chains, from the end of the warm-up until the first chain has ended.
    std::size_t allocations() const { return allocations_; }
    bool failed() const { return failed_; }
    std::size_t ended() const { return ended_; }

private:
    struct handler {
        rounds* self;
        std::size_t i;
        void operator()(error_code ec, std::size_t n) const {
            self->go_on(i, self->file_.is_success(ec, n));
        }
        void operator()(error_code ec) const { self->go_on(i, !ec); }
        void operator()(error_code ec, const asio_aio::file_status&) const { self->go_on(i, !ec); }
    };

    void start(std::size_t i) { file_.start_any(i, decorate_(handler{this, i})); }

    void go_on(std::size_t i, bool right) {
        failed_ |= !right;
        const std::size_t done = ++done_[i];
        // Chain 0 starts and ends the count, while all other chains run, too.
        if (i == 0 && done == warm_up_rounds)
            counter_.emplace();
        if (i == 0 && done == warm_up_rounds + counted_rounds) {
            allocations_ = counter_->so_far();
            counter_.reset();
            counted_ = true;
        }
        if (counted_)
            ++ended_;
        else
            start(i);
    }

    warm_file<File>& file_;
    const std::size_t at_once_;
    Decorate decorate_;
    std::array<std::size_t, warm_file<File>::blocks> done_{};
    std::optional<count_allocations> counter_;
    std::size_t allocations_ = 99'999;
    std::size_t ended_ = 0;
    bool counted_ = false;
    bool failed_ = false;
};

/// Fails unless `at_once` chains of callbacks on a context of one thread allocate nothing.
/** `make_executor(ctx)` makes the executor of the file. */
template <typename Executor, typename Decorate, typename MakeExecutor>
void check_no_allocations(
    const environment& env, kind what, std::size_t at_once, Decorate decorate,
    MakeExecutor make_executor) {
    BOOST_TEST_CONTEXT(what << ", " << at_once << " at once") {
        asio::io_context ctx;
        using file_type = asio_aio::basic_random_access_file_aio<Executor>;
        warm_file<file_type> file(env, Executor(make_executor(ctx)), what);
        rounds<file_type, Decorate> all(file, at_once, decorate);
        all.start();
        run_with_one_cache(ctx);
        BOOST_TEST(all.ended() == at_once);
        BOOST_TEST(!all.failed());
        BOOST_TEST(all.allocations() == 0u);
    }
}

template <typename Executor, typename Decorate>
void check_no_allocations(
    const environment& env, kind what, std::size_t at_once, Decorate decorate) {
    const auto of_context = [](asio::io_context& ctx) { return ctx.get_executor(); };
    check_no_allocations<Executor>(env, what, at_once, decorate, of_context);
}

constexpr auto unchanged = [](auto handler) { return handler; };

/// Memory that a handler keeps from one operation to the next, as a server keeps it per connection.
class kept_memory {
public:
    void* allocate(std::size_t bytes) {
        for (block& each : blocks_) {
            if (each.in_use || bytes > sizeof each.bytes)
                continue;
            each.in_use = true;
            return each.bytes;
        }
        return ::operator new(bytes);
    }

    void deallocate(void* memory) noexcept {
        for (block& each : blocks_) {
            if (memory != each.bytes)
                continue;
            each.in_use = false;
            return;
        }
        ::operator delete(memory);
    }

private:
    struct block {
        alignas(std::max_align_t) std::byte bytes[1024];
        bool in_use = false;
    };

    std::array<block, 2> blocks_; // the operation, and its submission to the executor
};

template <typename T>
class kept_allocator {
public:
    using value_type = T;

    explicit kept_allocator(kept_memory& memory) noexcept : memory_(&memory) {}

    template <typename U>
    kept_allocator(const kept_allocator<U>& other) noexcept : memory_(other.memory_) {}

    T* allocate(std::size_t n) { return static_cast<T*>(memory_->allocate(n * sizeof(T))); }
    void deallocate(T* memory, std::size_t) noexcept { memory_->deallocate(memory); }

    template <typename U>
    friend bool operator==(const kept_allocator& a, const kept_allocator<U>& b) noexcept {
        return a.memory_ == b.memory_;
    }

private:
    template <typename>
    friend class kept_allocator;

    kept_memory* memory_;
};

/// Checks one chain of callbacks with the default allocator.
template <typename Executor>
void check_no_allocations_on(const environment& env) {
    for (kind what : all_kinds)
        check_no_allocations<Executor>(env, what, 1, unchanged);
}

template <typename Executor>
void check_no_allocations_of_32_on(const environment& env) {
    for (kind what : all_kinds)
        check_no_allocations<Executor>(env, what, 32, unchanged);
}

template <typename Executor>
void check_no_allocations_of_32_with_own_memory_on(const environment& env) {
    for (kind what : all_kinds) {
        std::array<kept_memory, 32> memory;
        check_no_allocations<Executor>(env, what, 32, [&memory](auto handler) {
            return asio::bind_allocator(kept_allocator<void>(memory[handler.i]), handler);
        });
    }
}

} // namespace

ENGINE_TEST(a_callback_at_a_time_does_not_allocate_on_an_executor_of_io_context) {
    check_no_allocations_on<asio::io_context::executor_type>(env);
}

ENGINE_TEST(a_callback_at_a_time_does_not_allocate_on_any_io_executor) {
    check_no_allocations_on<asio::any_io_executor>(env);
}

ENGINE_TEST(thirty_two_callbacks_at_a_time_do_not_allocate_on_an_executor_of_io_context) {
    check_no_allocations_of_32_on<asio::io_context::executor_type>(env);
}

ENGINE_TEST(thirty_two_callbacks_at_a_time_do_not_allocate_on_any_io_executor) {
    check_no_allocations_of_32_on<asio::any_io_executor>(env);
}

ENGINE_TEST(
    thirty_two_callbacks_with_memory_of_their_own_do_not_allocate_on_an_executor_of_io_context) {
    check_no_allocations_of_32_with_own_memory_on<asio::io_context::executor_type>(env);
}

ENGINE_TEST(thirty_two_callbacks_with_memory_of_their_own_do_not_allocate_on_any_io_executor) {
    check_no_allocations_of_32_with_own_memory_on<asio::any_io_executor>(env);
}

ENGINE_TEST(a_callback_that_is_bound_to_a_strand_does_not_allocate) {
    check_no_allocations_on<asio::strand<asio::io_context::executor_type>>(env);
}

ENGINE_TEST(a_callback_with_a_cancellation_slot_does_not_allocate) {
    for (kind what : all_kinds) {
        std::array<asio::cancellation_signal, 32> signals;
        check_no_allocations<asio::any_io_executor>(env, what, 1, [&signals](auto handler) {
            return asio::bind_cancellation_slot(signals[handler.i].slot(), handler);
        });
    }
}

ENGINE_TEST(callbacks_on_a_type_erased_strand_do_not_allocate) {
    const auto strand = [](asio::io_context& ctx) { return asio::make_strand(ctx); };
    for (std::size_t at_once : {1, 2, 8, 32})
        for (kind what : all_kinds)
            check_no_allocations<asio::any_io_executor>(env, what, at_once, unchanged, strand);
}

ENGINE_TEST(operations_in_registered_memory_do_not_allocate) {
    for (kind what : {kind::miss, kind::write})
        for (std::size_t at_once : {1, 32}) {
            BOOST_TEST_CONTEXT(what << ", " << at_once << " at once") {
                asio::io_context ctx;
                warm_file<file> f(env, ctx.get_executor(), what);
                const auto registered = asio_aio::register_buffers(ctx, f.memory());
                rounds<file, decltype(unchanged)> all(f, at_once, unchanged);
                all.start();
                run_with_one_cache(ctx);
                BOOST_TEST(!all.failed());
                BOOST_TEST(all.allocations() == 0u);
                const std::uint64_t fixed = asio_aio::statistics(ctx).fixed_buffers;
                // the pool performs buffered writes, and has no fixed buffers
                const bool expected = registered.is_fixed() && what != kind::write;
                BOOST_TEST((fixed >= counted_rounds * at_once) == expected);
            }
        }
}

ENGINE_TEST(awaiting_does_not_allocate) {
    for (kind what : transfers) {
        BOOST_TEST_CONTEXT(what) {
            asio::io_context ctx;
            warm_file<file> f(env, ctx.get_executor(), what);
            std::size_t allocations = 99'999;
            std::size_t wrong = 0;
            const auto body = [&]() -> asio::awaitable<void> {
                for (std::size_t i = 0; i != warm_up_rounds; ++i)
                    wrong += co_await f.start(0, asio::use_awaitable) != warm_file<file>::block;
                const count_allocations counter;
                for (std::size_t i = 0; i != counted_rounds; ++i)
                    wrong += co_await f.start(0, asio::use_awaitable) != warm_file<file>::block;
                allocations = counter.so_far();
            };
            asio::co_spawn(ctx, body(), [](std::exception_ptr) {});
            run_with_one_cache(ctx);
            BOOST_TEST(wrong == 0u);
            BOOST_TEST(allocations == 0u);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_counter_sees_what_this_program_and_asio_allocate) {
    std::size_t plain = 0, aligned = 0, recycled = 0;
    {
        const count_allocations counter;
        // function calls, because the compiler may optimise a new expression away
        ::operator delete(::operator new(1));
        plain = counter.so_far();
        constexpr std::align_val_t cache_line{64};
        ::operator delete(::operator new(1, cache_line), cache_line);
        aligned = counter.so_far();
        asio::recycling_allocator<int> allocator;
        allocator.deallocate(allocator.allocate(1), 1);
        recycled = counter.so_far();
    }
    BOOST_TEST(plain == 1u);
    BOOST_TEST(aligned == 2u);
    BOOST_TEST(recycled == 3u);
}

// --- Failed allocations ---

namespace {

/// Starts an operation repeatedly. The first allocation fails at first, then the second, and so on
/// until all succeed.
/**
 * `start(n)` lets the nth allocation of the initiating function fail. It throws std::bad_alloc or
 * starts the operation.
 */
template <typename Start>
void check_every_allocation(environment& env, const outcome& result, Start start) {
    constexpr std::size_t too_many = 100;
    std::size_t n = 1;
    for (bool failed = true; failed; ++n) {
        BOOST_REQUIRE(n != too_many);
        const int calls_before = result.calls;
        failed = false;
        try {
            start(n);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        env.run();
        BOOST_TEST(result.calls == calls_before + !failed);
    }
    BOOST_TEST(n > 2u); // at least one allocation failed
}

/// Lets each allocation of each way of an operation fail in turn.
/**
 * `fails_at` is the counter of `heap` or `books`. `bind(handler)` returns the completion token.
 */
template <typename Executor, typename Bind>
void check_every_allocation_of_every_way(environment& env, std::size_t& fails_at, Bind bind) {
    operations<asio_aio::basic_random_access_file_aio<Executor>> ops(env);
    for (const way& each : all_ways) {
        BOOST_TEST_CONTEXT(each.name) {
            outcome result;
            const auto witness = std::make_shared<int>();
            check_every_allocation(env, result, [&](std::size_t n) {
                BOOST_TEST(witness.use_count() == 1);
                ops.prepare(each.what);
                auto token = bind(
                    [&result, witness](error_code ec, std::size_t m) { result.handler()(ec, m); });
                fails_at = n;
                try {
                    ops.start(each.what, std::move(token));
                } catch (...) {
                    fails_at = 0;
                    throw;
                }
                fails_at = 0; // allocations after the initiating function succeed
            });
            BOOST_TEST(witness.use_count() == 1);
            BOOST_TEST(
                (each.what == way::closed ? result.ec == asio::error::bad_descriptor : !result.ec));
        }
    }
    BOOST_TEST(asio_aio::statistics(env.ctx).in_flight == 0u);
}

template <typename Executor>
void check_every_allocation_of_the_heap(environment& env) {
    std::deque<asio::cancellation_signal> signals; // a slot keeps its memory, so each is used once
    check_every_allocation_of_every_way<Executor>(env, heap::fails_at, [&](auto handler) {
        return asio::bind_cancellation_slot(signals.emplace_back().slot(), std::move(handler));
    });
}

} // namespace

ENGINE_TEST(an_exception_of_the_allocator_reaches_the_caller_and_nothing_leaks) {
    books kept;
    const auto bind = [&](auto handler) {
        BOOST_TEST(kept.blocks.size() == 0u);
        return asio::bind_allocator(booked_allocator<void>(kept), std::move(handler));
    };
    check_every_allocation_of_every_way<asio::any_io_executor>(env, kept.fails_at, bind);
    BOOST_TEST(kept.blocks.size() == 0u);
    BOOST_TEST(!kept.mistake);
}

ENGINE_TEST(an_exception_of_the_heap_reaches_the_caller_on_an_executor_of_io_context) {
    check_every_allocation_of_the_heap<asio::io_context::executor_type>(env);
}

ENGINE_TEST(an_exception_of_the_heap_reaches_the_caller_on_any_io_executor) {
    check_every_allocation_of_the_heap<asio::any_io_executor>(env);
}

ENGINE_TEST(an_exception_of_the_heap_reaches_the_caller_of_open_and_the_file_can_be_opened_then) {
    set_content(env.path(), "abc");
    asio::io_context ctx;
    asio_aio::configure(ctx, env.options());
    file f(ctx);
    const std::size_t descriptors = count_descriptors();
    std::size_t n = 1;
    for (bool failed = true; failed; ++n) {
        BOOST_REQUIRE(n != 100u);
        failed = false;
        const std::string path = env.path();
        error_code ec;
        heap::fails_at = n;
        try {
            f.open(path, file_base::read_only, ec);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        heap::fails_at = 0;
        BOOST_TEST(!ec);
        BOOST_TEST(f.is_open() == !failed);
    }
    BOOST_TEST(n > 2u);
    BOOST_TEST(count_descriptors() >= descriptors + 1); // the file and those of its engine
    f.close();
    const std::size_t with_engine = count_descriptors();
    for (std::size_t each = 1; each != n; ++each) {
        heap::fails_at = each;
        error_code ec;
        try {
            f.open(env.path().c_str(), file_base::read_only, ec);
        } catch (const std::bad_alloc&) {
        }
        heap::fails_at = 0;
        f.close();
    }
    // a failed `open` has closed its descriptor
    BOOST_TEST(count_descriptors() == with_engine);
}

BOOST_AUTO_TEST_CASE(without_memory_a_replacement_leaves_the_old_file_and_nothing_else) {
    const temporary_directory folder;
    const std::string path = folder.file("file"), link = folder.file("link");
    BOOST_REQUIRE(::symlink("file", link.c_str()) == 0);
    char bytes[] = {'n', 'e', 'w'};
    const iovec content_now{bytes, sizeof bytes};
    plain_operation op(detail::op_kind::size); // which nobody cancels
    std::size_t n = 1;
    for (int result = -ENOMEM; result != 0; ++n) {
        BOOST_REQUIRE(n != 100u);
        set_content(path, "old");
        heap::fails_at = n;
        result =
            detail::path_calls::replace_file(link.c_str(), {&content_now, 1, 0600, true, true}, op);
        heap::fails_at = 0;
        BOOST_REQUIRE((result == 0 || result == -ENOMEM));
        BOOST_TEST(content(path) == (result == 0 ? "new" : "old"));
        const auto entries = std::distance(
            std::filesystem::directory_iterator(folder.path()),
            std::filesystem::directory_iterator());
        BOOST_TEST(entries == 2); // no temporary file
    }
    BOOST_TEST(n > 2u);
}

ENGINE_TEST(an_exception_of_the_heap_reaches_the_caller_of_register_buffers_and_changes_nothing) {
    asio_aio::configure(env.ctx, env.options());
    std::vector<char> memory(10'000), further(10'000);
    const std::array both{asio::buffer(memory), asio::buffer(further)};
    // the engines exist, so that only the registration allocates
    const auto first = asio_aio::register_buffers(env.ctx, asio::buffer(memory));
    const bool is_fixed = first.is_fixed();
    std::size_t n = 1;
    for (bool failed = true; failed; ++n) {
        BOOST_REQUIRE(n != 100u);
        failed = false;
        error_code ec;
        asio_aio::buffer_registration made;
        heap::fails_at = n;
        try {
            made = asio_aio::register_buffers(env.ctx, both, ec);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        heap::fails_at = 0;
        BOOST_TEST(!ec);
        BOOST_TEST(made.is_fixed() == (is_fixed && !failed));
        BOOST_TEST(first.is_fixed() == is_fixed);
    }
    BOOST_TEST(n > 2u);
}

namespace {

/// An executor that throws when it gets the function with the number `*refuses_at`.
struct refusing_executor {
    asio::execution_context& query(asio::execution::context_t) const noexcept { return *ctx; }
    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
        return asio::execution::blocking.never;
    }
    refusing_executor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }

    template <typename Function>
    void execute(Function&& function) const {
        if (*refuses_at != 0 && --*refuses_at == 0)
            throw std::bad_alloc();
        asio::post(*ctx, std::forward<Function>(function));
    }

    [[maybe_unused]] friend bool operator==(
        const refusing_executor&, const refusing_executor&) noexcept = default;

    asio::io_context* ctx;
    int* refuses_at;
};

/// Starts five writes, whose handlers `bind` changes. The third delivery fails, and all five
/// handlers must still be called.
template <typename Bind>
void check_failing_delivery(environment& env, books& kept, Bind bind, int& fails_at, bool throws) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    outcome results[5];
    const auto witness = std::make_shared<int>();
    for (outcome& each : results)
        f.async_write_some_at(
            0, asio::buffer("abc", 3),
            bind([&each, witness](error_code ec, std::size_t n) { each.handler()(ec, n); }));
    held.run_until_held(env.ctx, std::size(results));
    fails_at = 3;
    held.release();
    env.ctx.restart();
    if (throws)
        BOOST_CHECK_THROW(run_with_deadline(env.ctx), std::bad_alloc);
    env.run();
    for (const outcome& each : results) {
        BOOST_TEST(each.calls == 1);
        BOOST_TEST(each.bytes == 3u);
    }
    BOOST_TEST(kept.blocks.size() == 0u);
    BOOST_TEST(!kept.mistake);
    BOOST_TEST(witness.use_count() == 1);
    BOOST_TEST(asio_aio::statistics(env.ctx).completed == 5u);
    BOOST_TEST(asio_aio::statistics(env.ctx).in_flight == 0u);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("def", 3)}).bytes == 3u);
    BOOST_TEST(content(env.path()) == "def");
}

} // namespace

ENGINE_TEST(an_operation_whose_executor_throws_at_delivery_is_delivered_by_the_next_run) {
    books kept;
    int refuses_at = 0;
    const auto bind = [&](auto handler) {
        return asio::bind_executor(
            refusing_executor{&env.ctx, &refuses_at},
            asio::bind_allocator(booked_allocator<void>(kept), handler));
    };
    check_failing_delivery(env, kept, bind, refuses_at, true);
}

ENGINE_TEST(a_delivery_needs_no_memory_of_the_handlers_allocator) {
    books kept;
    int fails_at = 0;
    const auto bind = [&](auto handler) {
        return asio::bind_allocator(booked_allocator<void>(kept), handler);
    };
    check_failing_delivery(env, kept, bind, fails_at, false);
    kept.fails_at = 2; // the first allocation is the operation
    file f = env.open();
    outcome result;
    f.async_write_some_at(0, asio::buffer("abc", 3), bind(result.handler()));
    env.run();
    BOOST_TEST(result.calls == 1);
}

ENGINE_TEST(handlers_are_destroyed_once_where_the_context_ends_after_a_failed_delivery) {
    const auto witness = std::make_shared<int>();
    int refuses_at = 0, calls = 0;
    {
        asio::io_context ctx;
        asio_aio::configure(ctx, env.options());
        file f(ctx, env.path(), file_base::read_write | file_base::create);
        refuses_at = 2;
        for (int i = 0; i != 3; ++i)
            f.async_write_some_at(
                0, asio::buffer("abc", 3),
                asio::bind_executor(
                    refusing_executor{&ctx, &refuses_at},
                    [&calls, witness](error_code, std::size_t) { ++calls; }));
        BOOST_CHECK_THROW(run_with_deadline(ctx), std::bad_alloc);
    }
    BOOST_TEST(calls <= 2);
    BOOST_TEST(witness.use_count() == 1);
}

ENGINE_TEST(an_executor_that_always_throws_delays_no_other_handler) {
    constexpr std::size_t count = 20;
    int calls = 0, refusals = 0;
    asio::io_context ctx;
    asio_aio::configure(ctx, env.options());
    file f(ctx, env.path(), file_base::read_write | file_base::create);
    int refuses_at = 1;
    f.async_write_some_at(
        0, asio::buffer("abc", 3),
        asio::bind_executor(refusing_executor{&ctx, &refuses_at}, [](error_code, std::size_t) {
            BOOST_ERROR("the executor always refuses this handler");
        }));
    for (std::size_t i = 0; i != count; ++i)
        f.async_write_some_at(0, asio::buffer("abc", 3), [&](error_code, std::size_t) { ++calls; });
    while (calls != int(count)) {
        BOOST_REQUIRE(refusals < 1000);
        refuses_at = 1;
        try {
            run_one_with_deadline(ctx);
        } catch (const std::bad_alloc&) {
            ++refusals;
        }
    }
}

// --- Initiations that throw ---

namespace {

/// A cancellation slot whose allocation fails.
struct failing_slot {
    bool is_connected() const noexcept { return true; }
    bool has_handler() const noexcept { return false; }
    template <typename CancellationHandler, typename... Args>
    CancellationHandler& emplace(Args&&...) {
        throw std::bad_alloc();
    }
    failing_slot& clear() noexcept { return *this; }
};

struct handler_with_failing_slot {
    using cancellation_slot_type = failing_slot;
    failing_slot get_cancellation_slot() const noexcept { return {}; }
    void operator()(error_code ec, std::size_t n) const { result->handler()(ec, n); }

    outcome* result;
};

/// A handler that throws when it is moved for the nth time.
class reluctant_handler {
public:
    reluctant_handler(std::shared_ptr<int> moves_left, outcome& result)
        : moves_left_(std::move(moves_left)), result_(&result) {}
    reluctant_handler(reluctant_handler&& other)
        : moves_left_(other.moves_left_), result_(other.result_) {
        if (--*moves_left_ == 0)
            throw std::runtime_error("the move constructor throws");
    }

    void operator()(error_code ec, std::size_t n) { result_->handler()(ec, n); }

private:
    std::shared_ptr<int> moves_left_;
    outcome* result_;
};

} // namespace

ENGINE_TEST(an_initiation_that_throws_leaves_the_context_running) {
    asio::io_context ctx;
    asio_aio::configure(ctx, env.options());
    file f(ctx, env.path(), file_base::read_write | file_base::create);
    outcome never, written;
    BOOST_CHECK_THROW(
        f.async_write_some_at(0, asio::buffer("abc", 3), handler_with_failing_slot{&never}),
        std::bad_alloc); // no other operation is in flight
    BOOST_TEST(!ctx.stopped());
    f.async_write_some_at(0, asio::buffer("abc", 3), written.handler());
    BOOST_CHECK_THROW(
        f.async_write_some_at(0, asio::buffer("abc", 3), handler_with_failing_slot{&never}),
        std::bad_alloc);
    run_with_deadline(ctx); // without restart: the failed initiations have not stopped the context
    BOOST_TEST(written.calls == 1);
    BOOST_TEST(never.calls == 0);
    BOOST_TEST(asio_aio::statistics(ctx).in_flight == 0u);
}

ENGINE_TEST(a_handler_that_throws_when_it_is_moved_harms_no_other_operation) {
    bool moved_everywhere = false;
    for (int n = 1; !moved_everywhere; ++n) {
        BOOST_REQUIRE(n != 100);
        asio::io_context ctx;
        asio_aio::configure(ctx, env.options());
        file f(ctx, env.path(), file_base::read_write | file_base::create);
        const auto moves_left = std::make_shared<int>(n);
        outcome reluctant, written;
        try {
            f.async_write_some_at(
                0, asio::buffer("abc", 3), reluctant_handler(moves_left, reluctant));
        } catch (const std::runtime_error&) {
        }
        BOOST_TEST(!ctx.stopped());
        f.async_write_some_at(0, asio::buffer("abc", 3), written.handler());
        try {
            run_with_deadline(ctx);
        } catch (const std::runtime_error&) {
            run_with_deadline(ctx);
        }
        BOOST_TEST(written.calls == 1);
        BOOST_TEST(moves_left.use_count() == 1); // the handler is destroyed
        BOOST_TEST(asio_aio::statistics(ctx).in_flight == 0u);
        moved_everywhere = reluctant.calls == 1;
    }
}
