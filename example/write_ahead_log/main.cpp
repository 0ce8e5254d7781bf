// SPDX-License-Identifier: BSL-1.0
// Appends to a write-ahead log with many coroutines, recovers the log, or follows the log while it
// grows.
#include "log_writer.hpp"
#include "options.hpp"

#include <asio_aio/configure.hpp>
#include <asio_aio/error.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace {

namespace asio = boost::asio;
using write_ahead_log::command;
using write_ahead_log::log_writer;
using write_ahead_log::open_mode;
using write_ahead_log::settings;

/// One system call writes the line, so a line that was printed survives a kill.
void print_line(const std::string& text) {
    const std::string line = text + '\n';
    const ssize_t written = ::write(STDOUT_FILENO, line.data(), line.size());
    const int error = errno;
    if (written != ssize_t(line.size()))
        throw std::system_error(
            written < 0 ? error : ENOSPC, std::generic_category(), "standard output");
}

/// A line with the title, then letters up to `bytes` bytes.
std::string make_payload(const std::string& title, std::size_t bytes) {
    std::string payload = title + '\n';
    while (payload.size() < bytes)
        payload += char('a' + payload.size() % 26);
    return payload;
}

/// The first line of a payload, without characters that could steer a terminal.
std::string title_of(asio::const_buffer payload) {
    constexpr std::size_t longest = 100;
    const std::string_view text(static_cast<const char*>(payload.data()), payload.size());
    std::string title(text.substr(0, std::min(text.find('\n'), longest)));
    std::replace_if(
        title.begin(), title.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return title;
}

asio::awaitable<void> append_records(
    std::shared_ptr<log_writer> log, std::string writer, const settings& wanted) {
    for (std::uint64_t i = 1; i <= wanted.records; ++i) {
        const std::string title = writer + " record " + std::to_string(i);
        const std::string payload = make_payload(title, wanted.bytes);
        const std::uint64_t sequence = co_await log->append(asio::buffer(payload));
        if (wanted.print)
            print_line(std::to_string(sequence) + ' ' + title);
    }
}

/// `first_error` is the error of the writer that failed first.
asio::awaitable<void> append(const settings& wanted, std::exception_ptr& first_error) {
    const auto executor = co_await asio::this_coro::executor;
    auto file = co_await write_ahead_log::open_log(wanted.path, open_mode::create);
    const auto found = co_await write_ahead_log::recover(file);
    const auto log = std::make_shared<log_writer>(std::move(file), found);
    const std::string run = "run " + std::to_string(found.next_sequence) + " writer ";
    for (unsigned i = 1; i <= wanted.writers; ++i)
        asio::co_spawn(
            executor, append_records(log, run + std::to_string(i), wanted),
            [&first_error](std::exception_ptr error) {
                if (!first_error)
                    first_error = error;
            });
}

asio::awaitable<void> check(const settings& wanted) {
    auto file = co_await write_ahead_log::open_log(wanted.path, open_mode::existing);
    const auto found = co_await write_ahead_log::recover(file);
    std::cout << "records: " << found.next_sequence - 1 << "\nend: " << found.end
              << "\ntorn tail: " << found.torn_bytes << " bytes" << std::endl;
}

asio::awaitable<void> follow(const settings& wanted) {
    auto file = co_await write_ahead_log::open_to_follow(wanted.path);
    write_ahead_log::log_reader reader(file);
    for (std::uint64_t i = 0; wanted.records == 0 || i != wanted.records; ++i) {
        const auto found = co_await reader.next();
        print_line(std::to_string(found.sequence) + ' ' + title_of(found.payload));
    }
}

asio::awaitable<void> perform(const settings& wanted, std::exception_ptr& error) {
    if (wanted.what == command::append)
        return append(wanted, error);
    return wanted.what == command::check ? check(wanted) : follow(wanted);
}

void run(asio::io_context& ctx, const settings& wanted) {
    std::exception_ptr error;
    asio::co_spawn(ctx, perform(wanted, error), [&error](std::exception_ptr failed) {
        if (!error)
            error = failed;
    });
    ctx.run();
    if (error)
        std::rethrow_exception(error);
}

int report(const std::string& what, int status) {
    std::cerr << "write_ahead_log: " << what << '\n';
    return status;
}

} // namespace

int main(int argc, char* argv[]) {
    asio::io_context ctx;
    settings wanted;
    try {
        wanted = write_ahead_log::parse_options(argc, argv);
        if (wanted.what != command::help)
            run(ctx, wanted);
        return 0;
    } catch (const write_ahead_log::usage_error& error) {
        return report(error.what(), 2);
    } catch (const boost::system::system_error& error) {
        const bool is_engine = error.code().category() == asio_aio::error_category();
        return report(
            wanted.path + ": " +
                (is_engine ? asio_aio::to_string(asio_aio::describe(ctx)) : error.what()),
            1);
    } catch (const std::exception& error) {
        return report(wanted.path + ": " + error.what(), 1);
    }
}
