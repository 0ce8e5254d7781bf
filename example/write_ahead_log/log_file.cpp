// SPDX-License-Identifier: BSL-1.0
#include "log_file.hpp"

#include <asio_aio/path_calls.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/read_at.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write_at.hpp>
#include <boost/system/system_error.hpp>

#include <sys/file.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string_view>

namespace write_ahead_log {
namespace {

using asio_aio::file_base;

constexpr std::chrono::milliseconds poll_interval{10};
constexpr std::chrono::seconds lock_limit{5};

/// Returns false if another process holds the lock.
bool try_lock(int descriptor) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        return true;
    const int error = errno;
    if (error != EWOULDBLOCK)
        throw boost::system::system_error(error, boost::system::system_category(), "flock");
    return false;
}

/// Waits for the lock. The kernel may hold the lock of a killed process for a moment: until the
/// last write of that process has ended. So no such write can follow the recovery.
asio::awaitable<void> lock(file& log) {
    asio::steady_timer pause(log.get_executor());
    const auto deadline = std::chrono::steady_clock::now() + lock_limit;
    while (!try_lock(log.native_handle())) {
        if (std::chrono::steady_clock::now() >= deadline)
            throw std::runtime_error("another process appends to this log or recovers it");
        pause.expires_after(poll_interval);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

/// `unfinished`: the process that made the file has not written the mark, or not all of it.
enum class mark_state { whole, unfinished };

/// Throws if the file is no log.
asio::awaitable<mark_state> read_mark(file& log) {
    std::array<char, file_mark.size()> bytes{};
    const auto [error, count] = co_await asio::async_read_at(
        log, 0, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    if (error && error != asio::error::eof)
        throw boost::system::system_error(error, "read");
    const std::string_view found(bytes.data(), count);
    if (found == file_mark)
        co_return mark_state::whole;
    // After a power failure the kernel may have stored the size of the file and not its data.
    const bool may_be_unfinished =
        file_mark.starts_with(found) || found.find_first_not_of('\0') == found.npos;
    if (may_be_unfinished && co_await log.async_size(asio::use_awaitable) <= file_mark.size())
        co_return mark_state::unfinished;
    throw std::runtime_error(
        "is not a write-ahead log: it does not start with \"" + std::string(file_mark) + '"');
}

/// The directory comes first. So the name of a file that has the mark is on the device.
asio::awaitable<void> write_mark(file& log, const std::string& path) {
    const auto folder = std::filesystem::canonical(path).parent_path();
    co_await asio_aio::async_sync_directory(log.get_executor(), folder, asio::use_awaitable);
    co_await asio::async_write_at(log, 0, asio::buffer(file_mark), asio::use_awaitable);
    co_await log.async_sync_all(asio::use_awaitable);
}

/// A FIFO would block, and a device has no end. A missing file is for open(2) to report or make.
asio::awaitable<void> refuse_other_types(const std::string& path) {
    const auto [error, found] = co_await asio_aio::async_status(
        co_await asio::this_coro::executor, path, asio::as_tuple(asio::use_awaitable));
    if (!error && found.type != std::filesystem::file_type::regular)
        throw std::runtime_error("is not a regular file");
}

asio::awaitable<file> open_file(const std::string& path, file_base::flags flags) {
    co_await refuse_other_types(path);
    file log(co_await asio::this_coro::executor);
    co_await log.async_open(path, flags, asio::use_awaitable);
    co_return log;
}

} // namespace

asio::awaitable<file> open_log(std::string path, open_mode mode) {
    const auto create = mode == open_mode::create ? file_base::create : file_base::flags();
    file log = co_await open_file(path, file_base::read_write | create);
    co_await lock(log);
    if (co_await read_mark(log) == mark_state::unfinished)
        co_await write_mark(log, path);
    co_return log;
}

asio::awaitable<file> open_to_follow(std::string path) {
    file log = co_await open_file(path, file_base::read_only);
    asio::steady_timer pause(log.get_executor());
    while (co_await read_mark(log) == mark_state::unfinished) {
        pause.expires_after(poll_interval);
        co_await pause.async_wait(asio::use_awaitable);
    }
    co_return log;
}

asio::awaitable<recovery> recover(file& log) {
    // If a sync of an earlier process failed, memory may hold records that the device has not, and
    // the kernel has reported that error already. So the reader has to see the device.
    co_await log.async_sync_all(asio::use_awaitable);
    log.advise(asio_aio::file_advice::dont_need);
    log_reader reader(log);
    while (co_await reader.try_next()) {
    }
    const std::uint64_t size = co_await log.async_size(asio::use_awaitable);
    if (size != reader.offset())
        co_await log.async_resize(reader.offset(), asio::use_awaitable);
    // The cut must be on the device before an append: otherwise old records could follow new ones
    // after the next crash.
    co_await log.async_sync_all(asio::use_awaitable);
    co_return recovery{reader.next_sequence(), reader.offset(), size - reader.offset()};
}

} // namespace write_ahead_log
