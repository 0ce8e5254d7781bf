// SPDX-License-Identifier: BSL-1.0
// Results and exceptions of the synchronous functions of a file.
#pragma once

#include "support.hpp"

#include <boost/system/system_error.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace test {

/// An errno as the error_code that users see; 0 is no error.
inline error_code errno_code(int value) {
    return value == 0 ? error_code() : error_code(value, asio::error::get_system_category());
}

/// The argument of a handler for `void(error_code)`, and the number of its calls.
struct status {
    int calls = 0;
    error_code ec;

    auto handler() {
        return [this](error_code e) {
            ++calls;
            ec = e;
        };
    }
};

/// Starts a call, runs the context and returns the error that the handler gets.
template <typename Start>
error_code error_of(environment& env, Start start) {
    int calls = 0;
    error_code result;
    start([&](error_code ec, auto&&...) {
        ++calls;
        result = ec;
    });
    BOOST_TEST(calls == 0);
    env.run();
    BOOST_TEST(calls == 1);
    return result;
}

/// The error that `call` throws; success if it throws nothing.
template <typename Call>
error_code thrown_by(Call call) {
    try {
        call();
        return {};
    } catch (const boost::system::system_error& error) {
        return error.code();
    }
}

/// The text of the exception that `call` throws; empty if it throws nothing.
template <typename Call>
std::string text_thrown_by(Call call) {
    try {
        call();
        return {};
    } catch (const boost::system::system_error& error) {
        return error.what();
    }
}

/// Reads with both synchronous overloads. Fails the test unless they report the same result.
template <typename Buffers>
outcome read_now(file& f, std::uint64_t offset, const Buffers& buffers) {
    outcome result;
    result.bytes = f.read_some_at(offset, buffers, result.ec);
    std::size_t bytes = 0;
    const error_code thrown = thrown_by([&] { bytes = f.read_some_at(offset, buffers); });
    BOOST_TEST(thrown == result.ec);
    BOOST_TEST(bytes == result.bytes);
    return result;
}

/// Writes synchronously. A failed write is repeated with the overload that throws, which must
/// report the same error.
template <typename Buffers>
outcome write_now(file& f, std::uint64_t offset, const Buffers& buffers) {
    outcome result;
    result.bytes = f.write_some_at(offset, buffers, result.ec);
    if (result.ec)
        BOOST_TEST(thrown_by([&] { f.write_some_at(offset, buffers); }) == result.ec);
    return result;
}

/// Reads synchronously and then asynchronously. Both results must be equal. Returns the
/// asynchronous result.
inline outcome read_both_ways(
    environment& env, file& f, std::uint64_t offset,
    const std::vector<asio::mutable_buffer>& buffers) {
    const outcome now = read_now(f, offset, buffers);
    const outcome later = read_at(env, f, offset, buffers);
    BOOST_TEST(now.ec == later.ec);
    BOOST_TEST(now.bytes == later.bytes);
    return later;
}

/// Writes synchronously and then asynchronously. Both results must be equal, so the write must be
/// repeatable.
inline outcome write_both_ways(
    environment& env, file& f, std::uint64_t offset,
    const std::vector<asio::const_buffer>& buffers) {
    const outcome now = write_now(f, offset, buffers);
    const outcome later = write_at(env, f, offset, buffers);
    BOOST_TEST(now.ec == later.ec);
    BOOST_TEST(now.bytes == later.bytes);
    return later;
}

} // namespace test
