// SPDX-License-Identifier: BSL-1.0
// The parts of the scheduler beside rounds: options, engines, files, inline reads, reports.
#include <asio_aio/detail/core/scheduler.hpp>

#include "core/counters.hpp"
#include "core/group_commit.hpp"
#include "core/router.hpp"
#include "engine/backlog.hpp"
#include "engine/thread_pool/worker_thread.hpp"
#include "selection/choice.hpp"
#include "selection/system_facts.hpp"

#include <asio_aio/detail/core/posix_file.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace asio_aio::detail {

scheduler::scheduler()
    : counts_(std::make_unique<counters>()),
      set_up_thread_(std::make_unique<call_thread>()),
      router_(std::make_unique<router>()),
      memory_gate_(std::make_shared<memory_gate>(*router_)),
      in_order_(std::make_unique<backlog>(waiting_at::scheduler)),
      syncs_(std::make_unique<group_commit>()) {}
scheduler::~scheduler() {
    memory_gate_->close();
}

// --- Before the first file ---

int scheduler::configure(const options& opts) {
    {
        const lock held(mutex_);
        if (has_engines() || sets_up_)
            return failure::already_open;
    }
    const lock held(opening_mutex_);
    if (has_engines())
        return failure::already_open;
    if (!find_fault(opts).empty())
        return -EINVAL;
    options_ = opts;
    fault_of_config_.clear(); // the program decides
    inline_read_limit_.store(opts.inline_read_limit, std::memory_order_relaxed);
    finds_memory_.store(opts.inline_reads_without_nowait, std::memory_order_relaxed);
    return 0;
}

void scheduler::set_config(const char* engines, const char* queue_depth) {
    const lock held(opening_mutex_);
    if (engines)
        engines_of_config_ = engines;
    const auto depth = parse_queue_depth(queue_depth ? queue_depth : "");
    if (!depth)
        fault_of_config_ = "key asio_aio.queue_depth of asio::config is \"" +
            std::string(queue_depth) + "\"; it must be 1 to " +
            std::to_string(options::deepest_queue);
    else if (*depth != 0) // an empty key says nothing, as an empty list of engines
        options_.queue_depth = *depth;
}

void scheduler::use_engines(engine_factory make) {
    const lock held(opening_mutex_);
    injected_ = std::move(make);
}

void scheduler::begin_to_post() noexcept {
    const lock held(mutex_);
    posts_ = true;
}

int scheduler::open_event() noexcept {
    return router_->open_event();
}

int scheduler::make_engines() {
    if (has_engines())
        return 0;
    const lock held(opening_mutex_);
    if (has_engines())
        return 0;
    engine_factory make = injected_;
    if (!make)
        if (const int result = choose(make))
            return result;
    router_->add_engines(make(options_, router_->finished()));
    has_engines_.store(true, std::memory_order_release);
    return 0;
}

int scheduler::choose(engine_factory& make) {
    choice wanted = find_choice(options_.choice, engines_of_config_);
    if (!fault_of_config_.empty())
        wanted.error = fault_of_config_;
    selection selected = select_engine(wanted, options_);
    {
        const lock held(mutex_);
        description_ = std::move(selected.what);
    }
    if (!wanted.error.empty())
        return failure::invalid_choice;
    if (!selected.factory)
        return failure::engine_unavailable;
    make = std::move(selected.factory);
    return 0;
}

void scheduler::set_up_elsewhere() noexcept {
    if (set_up_thread_->start(&set_up_main, this) != 0)
        set_up();
}

void* scheduler::set_up_main(void* self) noexcept {
    static_cast<scheduler*>(self)->set_up();
    return nullptr;
}

void scheduler::set_up() noexcept {
    int result = -ENOMEM;
    try {
        result = make_engines();
    } catch (const std::exception&) { // out of memory
    }
    const lock held(mutex_);
    sets_up_ = false;
    if (result != 0)
        while (operation* op = pending_.pop()) {
            op->take_result(result);
            finished_.push(op);
        }
    router_->wake(); // the round that `request_round` announced
}

// --- Files ---

int scheduler::open(const char* path, int flags, mode_t permissions, file_ref& file) {
    const int descriptor = posix_file::open(path, flags, permissions);
    if (descriptor < 0)
        return descriptor;
    try {
        assign(descriptor, file);
    } catch (...) {
        posix_file::close(descriptor);
        throw;
    }
    return 0;
}

void scheduler::assign(int descriptor, file_ref& file) {
    file = file_ref::adopt(descriptor, finds_memory_.load(std::memory_order_relaxed));
}

file_ref scheduler::make_opening(std::string path, int flags, mode_t permissions) const {
    return file_ref::make_opening(
        {std::move(path), flags, permissions, finds_memory_.load(std::memory_order_relaxed)});
}

backend scheduler::backend_of(const file_handle& file) const noexcept {
    return has_engines() ? router_->backend_of(file) : backend::thread_pool;
}

registered_memory scheduler::register_memory(const iovec* memory, std::size_t count) {
    return {memory_gate_, memory_gate_->add(memory, count)};
}

// --- Reads, writes and sizes in memory ---

bool scheduler::read_inline(
    file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count, std::size_t bytes,
    std::size_t& moved) noexcept {
    using outcome = posix_file::cached_read::outcome;
    if (bytes > inline_read_limit_.load(std::memory_order_relaxed) || file.direct() ||
        !file.reads().try_next())
        return false;
    const auto found = posix_file::read_cached(file, offset, iovecs, count, bytes);
    moved = std::size_t(found.bytes);
    if (found.what == outcome::whole) {
        file.reads().hit();
        counts_->inline_hit(moved);
        return true;
    }
    counts_->inline_miss();
    if (found.what == outcome::refused)
        file.reads().refuse();
    else if (moved == 0)
        file.reads().miss();
    return false;
}

bool scheduler::write_inline(
    file_handle& file, std::uint64_t offset, const iovec* iovecs, unsigned count, std::size_t bytes,
    std::size_t& moved) noexcept {
    // While another operation has the lock of the inode, this one would wait. If an initiating
    // function throws, the caller may repeat it: the same bytes at the same offset, but an append
    // would be made twice.
    if (file.in_memory() != memory_test::not_needed || file.direct() || file.appends() ||
        file.is_written() || bytes > inline_read_limit_.load(std::memory_order_relaxed) ||
        !posix_file::sizes_are_unlimited())
        return false;
    const int result = posix_file::write(file.descriptor(), offset, iovecs, count);
    moved = std::size_t(std::max(result, 0));
    if (moved != bytes)
        return false;
    counts_->inline_write(moved);
    return true;
}

bool scheduler::find_size_inline(const file_handle& file, std::uint64_t& bytes) noexcept {
    return file.knows_size() && inline_read_limit_.load(std::memory_order_relaxed) != 0 &&
        posix_file::size(file.descriptor(), bytes) == 0;
}

// --- Reports ---

void scheduler::count_ended_at_start(bool failed) noexcept {
    counts_->ended_at_start(failed);
}

void scheduler::count_dropped_hints(unsigned number) noexcept {
    if (number != 0)
        counts_->hints_dropped(number);
}

void scheduler::count_completed(const operation& op, std::int64_t time) noexcept {
    counts_->completed(op, time);
}

int scheduler::event_descriptor() const noexcept {
    return router_->finished().descriptor();
}

description scheduler::describe() const {
    description what;
    {
        const lock held(mutex_);
        what = description_;
    }
    if (!has_engines())
        return what;
    if (const refusal refused = router_->failure())
        what.failure = std::string(refused.call) + ": " + std::strerror(refused.error);
    if (const refused_memory refused = router_->refused_buffers(); refused.bytes != 0) {
        what.plain_buffer_bytes = refused.bytes;
        what.plain_buffer_reason = why_memory_is_refused(refused.error);
    }
    return what;
}

context_statistics scheduler::count() const {
    context_statistics sum;
    counts_->add_to(sum);
    {
        const lock held(mutex_);
        sum.started += started_;
        sum.in_flight = in_flight_;
        sum.peak_in_flight = peak_in_flight_;
        sum.syncs = syncs_->syncs();
        sum.flushes = syncs_->flushes();
    }
    if (has_engines())
        router_->add_to(sum);
    return sum;
}

} // namespace asio_aio::detail
