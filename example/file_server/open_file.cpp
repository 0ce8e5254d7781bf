// SPDX-License-Identifier: BSL-1.0
#include "open_file.hpp"

#include <boost/asio/detached.hpp>

#include <exception>
#include <utility>

namespace file_server {
namespace {

asio::awaitable<void> close_later(
    asio_aio::random_access_file_aio file, call_limits& limits, call_limits::parts names,
    call_limits::permit held) {
    const auto turn = std::make_shared<call_limits::place>(file.get_executor());
    // Without a limit: the close has to happen. Opens of the same part wait behind it, so the
    // number of files that wait for their close is limited.
    if (!held)
        held = co_await limits.take(turn, std::move(names), call_limits::time_point::max());
    co_await file.async_close(as_result);
}

} // namespace

open_file::open_file(
    const asio::any_io_executor& executor, call_limits& limits, call_limits::parts names)
    : file_(executor), limits_(&limits), names_(std::move(names)) {}

open_file::~open_file() {
    if (!file_.is_open())
        return;
    try {
        const auto executor = file_.get_executor();
        asio::co_spawn(
            executor, close_later(std::move(file_), *limits_, std::move(names_), std::move(held_)),
            asio::detached);
    } catch (const std::exception&) {
        // No memory: the file is closed on this thread.
    }
}

asio::awaitable<error_code> open_file::open(
    const std::string& path, asio_aio::file_base::flags flags) {
    const auto [error] = co_await file_.async_open(path, flags, as_result);
    co_return error;
}

asio::awaitable<void> open_file::close() {
    co_await file_.async_close(as_result);
}

} // namespace file_server
