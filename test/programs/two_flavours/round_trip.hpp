// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/asio_aio.hpp>

#include <cstddef>
#include <string>
#include <type_traits>

/// Writes a text to a file, reads it back asynchronously, and provokes an error. Compiled once for
/// each flavour; internal, so that the linker cannot take one for the other.
namespace {

std::string round_trip(const std::string& path, const std::string& text) {
    namespace net = asio_aio::net;
    using asio_aio::error_code;
    static_assert(std::is_same_v<asio_aio::random_access_file_aio::error_code, error_code>);
    net::io_context context;
    asio_aio::random_access_file_aio file(context);
    std::string found(text.size() + 1, '\0');
    std::string report;
    file.async_open(path, file.read_write | file.create | file.truncate, [&](error_code opened) {
        if (opened) {
            report = opened.message();
            return;
        }
        net::async_write_at(file, 0, net::buffer(text), [&](error_code written, std::size_t) {
            net::async_read_at(
                file, 0, net::buffer(found), [&, written](error_code end, std::size_t bytes) {
                    found.resize(bytes);
                    const bool at_end = end == net::error::eof;
                    report = written ? written.message() : at_end ? found : end.message();
                });
        });
    });
    context.run();
    error_code own;
    asio_aio::options options;
    options.choice = {asio_aio::backend::thread_pool};
    asio_aio::configure(context, options, own); // too late
    if (own != net::error::already_open)
        return "configure: " + own.message();
    try {
        file.open(path, file.read_only);
    } catch (const asio_aio::system_error& error) {
        return report + ", " + std::string(error.code() ? "refused" : "no error");
    }
    return "no exception";
}

} // namespace
