// SPDX-License-Identifier: BSL-1.0
// What newer versions of Asio offer. Each test is there if this Asio has the feature.
#include "engine_support.hpp"
#include "results.hpp"

#include <boost/asio/version.hpp>
#if BOOST_ASIO_VERSION >= 103100 // Boost 1.86
# include <boost/asio/cancel_after.hpp>
#endif
#if BOOST_ASIO_VERSION >= 103300 // Boost 1.88
# include <boost/asio/config.hpp>
#endif

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <chrono>
#include <cstddef>
#include <string>

using namespace test;

// Boost.Test fails if there is no test.
BOOST_AUTO_TEST_CASE(the_version_of_asio_is_one_that_is_supported) {
    BOOST_TEST(BOOST_ASIO_VERSION >= 102600);
}

#if BOOST_ASIO_VERSION >= 103100

ENGINE_TEST(cancel_after_ends_an_open_that_hangs) {
    const std::string fifo = env.path("fifo");
    BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0666) == 0);
    int writer = -1;
    {
        environment own(env.engine, env.folder.path());
        file f(own.ctx);
        int calls = 0;
        f.async_open(
            fifo, file_base::read_only,
            asio::cancel_after(std::chrono::milliseconds(1), [&](error_code ec) {
                ++calls;
                BOOST_TEST(ec == asio::error::operation_aborted);
            }));
        own.run();
        BOOST_TEST(calls == 1);
        BOOST_TEST(!f.is_open());
        // The context waits for a thread that is in open(2). A writer ends that call.
        writer = ::open(fifo.c_str(), O_RDWR);
        BOOST_TEST(writer != -1);
    }
    ::close(writer);
}

ENGINE_TEST(cancel_after_leaves_an_operation_alone_that_ends_in_time) {
    file f = env.open();
    int calls = 0;
    f.async_write_some_at(
        0, asio::buffer("in time"),
        asio::cancel_after(std::chrono::hours(1), [&](error_code ec, std::size_t bytes) {
            ++calls;
            BOOST_TEST(!ec);
            BOOST_TEST(bytes == sizeof "in time");
        }));
    env.run();
    BOOST_TEST(calls == 1);
}

#endif

#if BOOST_ASIO_VERSION >= 103300

namespace {

/// Opens a file on a context with this configuration.
struct opened {
    explicit opened(const std::string& config, const environment& env)
        : ctx(asio::config_from_string(config)) {
        file f(ctx);
        f.open(env.path(), file_base::read_write | file_base::create, error);
        what = asio_aio::describe(ctx);
    }

    asio::io_context ctx;
    error_code error;
    asio_aio::description what;
};

} // namespace

ENGINE_TEST(the_configuration_of_asio_names_the_engine) {
    const std::string name(to_string(env.engine));
    const opened it("asio_aio.engines=" + name + "\nasio_aio.queue_depth=16\n", env);
    BOOST_TEST(!it.error);
    BOOST_TEST((it.what.chosen == env.engine));
    BOOST_TEST((it.what.source == asio_aio::choice_source::asio_config));
    BOOST_TEST(it.what.origin == "key asio_aio.engines of asio::config");
}

ENGINE_TEST(an_empty_key_in_the_configuration_of_asio_says_nothing) {
    const opened it("asio_aio.engines=\nasio_aio.queue_depth=\n", env);
    BOOST_TEST(!it.error);
    BOOST_TEST((it.what.source != asio_aio::choice_source::asio_config));
}

ENGINE_TEST(blanks_and_comments_may_follow_a_value_in_the_configuration_of_asio) {
    const std::string name(to_string(env.engine));
    const opened it("asio_aio.engines=" + name + " \r\nasio_aio.queue_depth = 16 # deep\r\n", env);
    BOOST_TEST(!it.error, it.what.error);
    BOOST_TEST((it.what.chosen == env.engine));
}

ENGINE_TEST(a_fault_in_the_configuration_of_asio_is_named) {
    const auto refused = [&](const std::string& config, const std::string& part) {
        const opened it(config, env);
        BOOST_TEST((it.error == asio_aio::errc::invalid_choice));
        BOOST_TEST(it.what.error.find(part) != std::string::npos, it.what.error);
    };
    refused("asio_aio.engines=threads", "\"threads\"");
    refused("asio_aio.queue_depth=0", "asio_aio.queue_depth of asio::config is \"0\"");
    refused("asio_aio.queue_depth=99999999999999999999", "\"99999999999999999999\"");
    refused("asio_aio.queue_depth=16x", "\"16x\"");
    refused("asio_aio.queue_depth=1 6", "\"1 6\"");
    // as an unsigned number of 64 bits this would be 256
    refused("asio_aio.queue_depth=-18446744073709551360", "\"-18446744073709551360\"");
}

ENGINE_TEST(what_the_program_configures_comes_before_the_configuration_of_asio) {
    asio::io_context ctx(
        asio::config_from_string("asio_aio.engines=threads\nasio_aio.queue_depth=0"));
    asio_aio::options options;
    options.choice = {env.engine};
    asio_aio::configure(ctx, options);
    file f(ctx, env.path(), file_base::read_write | file_base::create);
    BOOST_TEST((asio_aio::describe(ctx).source == asio_aio::choice_source::code));
}

#endif
