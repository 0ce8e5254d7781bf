// SPDX-License-Identifier: BSL-1.0
// The contestant asio_aio: this library, with any engine and three kinds of completion tokens.
#include "asio_worker.hpp"

#include <asio_aio/asio_aio.hpp>

#include <boost/system/system_error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;

using file = asio_aio::random_access_file_aio;

struct settings {
    bench::asio_settings asio;
    std::string engine = "automatic";
    bool registered_buffers = false;
    asio_aio::options options;

    void add_to(bench::option_set& all) {
        asio.add_to(all);
        all.word(
            "engine", engine, {"automatic", "io_uring", "libaio", "thread_pool"},
            "engine that performs the I/O");
        all.number(
            "max-threads", options.max_threads, 1, options.most_threads,
            "most threads of the pool");
        all.number(
            "inline-read-limit", options.inline_read_limit, 0, 1u << 30,
            "largest inline read, in bytes; 0: none");
        all.number(
            "queue-depth", options.queue_depth, 1, options.deepest_queue,
            "most operations that the kernel holds");
        all.flag("sqpoll", options.sqpoll, "a thread of the kernel submits (options::sqpoll)");
        all.flag(
            "registered-buffers", registered_buffers,
            "register the memory of all operations (register_buffers); needs io_uring");
        all.flag(
            "single-issuer", options.single_issuer,
            "one thread runs each context (options::single_issuer)");
    }

    void check(const bench::workload& wanted) const {
        if (options.single_issuer &&
            (asio.token == "use_future" || asio.contexts != wanted.threads))
            throw bench::usage_error(
                "--single-issuer: needs as many --contexts as --threads, and a --token other than "
                "use_future");
        if (options.single_issuer && options.sqpoll)
            throw bench::usage_error(
                "--single-issuer and --sqpoll exclude each other; give one of them");
    }
};

/// Sets the options and opens one file, so that the context chooses its engine.
void configure(asio::io_context& context, const settings& wanted, bench::job& task) try {
    asio_aio::options options = wanted.options;
    if (const auto engine = asio_aio::backend_from_string(wanted.engine))
        options.choice = {*engine};
    asio_aio::configure(context, options);
    file(context, task.files.paths().front(), file::read_only);
} catch (const boost::system::system_error& error) {
    if (error.code() == asio_aio::errc::engine_unavailable)
        throw bench::cannot_run(asio_aio::describe(context).error);
    throw;
}

/// Registers the memory of the places. The result ends the registration.
std::shared_ptr<void> register_memory(
    asio::io_context& context, const std::vector<bench::place>& places) {
    const bench::memory_block memory = bench::memory_of(places);
    auto registered = std::make_shared<asio_aio::buffer_registration>(
        asio_aio::register_buffers(context, asio::buffer(memory.data, memory.size)));
    if (!registered->is_fixed())
        throw bench::cannot_run("register_buffers: " + registered->error().message());
    return registered;
}

void run(bench::job& task, const settings& wanted) {
    wanted.check(task.wanted);
    {
        // A context of its own: its engine and the engine's threads end before the measurement.
        asio::io_context trial;
        configure(trial, wanted, task);
        task.engine = to_string(*asio_aio::describe(trial).chosen);
    }
    task.notes = wanted.asio.token;
    bench::run_asio<file>(
        task, wanted.asio, [&](asio::io_context& context, const std::vector<bench::place>& places) {
            configure(context, wanted, task);
            return wanted.registered_buffers ? register_memory(context, places) : nullptr;
        });
}

} // namespace

int main(int argc, char* argv[]) {
    bench::option_set options("asio_aio::random_access_file_aio.");
    settings wanted;
    wanted.add_to(options);
    return bench::run_contestant(
        argc, argv, "asio_aio", options, [&](bench::job& task) { run(task, wanted); });
}
