// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include <boost/program_options.hpp>

#include <charconv>
#include <cstdint>
#include <iostream>
#include <limits>
#include <string_view>
#include <thread>

namespace file_server {
namespace {

namespace po = boost::program_options;

struct limits {
    std::uint64_t least;
    std::uint64_t most;
};

[[noreturn]] void refuse(
    const std::string& option, const std::string& value, const std::string& right) {
    throw usage_error("--" + option + ": \"" + value + "\" is not " + right);
}

std::optional<std::uint64_t> to_number(std::string_view text) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stopped_at != end)
        return std::nullopt;
    return number;
}

std::uint64_t number_option(
    const po::variables_map& values, const std::string& option, limits allowed) {
    const auto& text = values[option].as<std::string>();
    const auto number = to_number(text);
    if (!number || *number < allowed.least || *number > allowed.most)
        refuse(
            option, text,
            "a number from " + std::to_string(allowed.least) + " to " +
                std::to_string(allowed.most));
    return *number;
}

std::chrono::seconds seconds_option(
    const po::variables_map& values, const std::string& option, std::uint64_t least = 1) {
    constexpr std::uint64_t a_day = 86'400;
    return std::chrono::seconds{number_option(values, option, {least, a_day})};
}

std::size_t bytes_option(
    const po::variables_map& values, const std::string& option, limits allowed,
    const std::string& right) {
    const auto& text = values[option].as<std::string>();
    std::string_view digits = text;
    unsigned shift = 0;
    if (digits.ends_with('K') || digits.ends_with('k'))
        shift = 10;
    if (digits.ends_with('M') || digits.ends_with('m'))
        shift = 20;
    if (shift != 0)
        digits.remove_suffix(1);
    const auto number = to_number(digits);
    // The first comparison excludes numbers that the shift would overflow.
    if (!number || *number > allowed.most || *number << shift < allowed.least ||
        *number << shift > allowed.most)
        refuse(option, text, "a number of bytes from " + right + ", for example 4096, 256K or 1M");
    return static_cast<std::size_t>(*number << shift);
}

std::size_t block_size_option(const po::variables_map& values) {
    return bytes_option(values, "block-size", {512, std::uint64_t{64} << 20}, "512 to 64M");
}

std::size_t buffer_memory_option(const po::variables_map& values, std::size_t block_size) {
    constexpr auto most = std::uint64_t{65536} << 20;
    return bytes_option(values, "buffer-memory", {block_size, most}, "one --block-size to 65536M");
}

constexpr auto most_memory = std::uint64_t{65536} << 20;

upload_limits upload_options(const po::variables_map& values) {
    const bool allowed = values.count("allow-put") != 0;
    return {allowed, bytes_option(values, "max-put-size", {1, most_memory}, "1 to 65536M")};
}

std::size_t upload_memory_option(const po::variables_map& values, std::uint64_t body) {
    return bytes_option(values, "put-memory", {body, most_memory}, "one --max-put-size to 65536M");
}

std::vector<asio_aio::backend> backend_option(const po::variables_map& values) {
    std::vector<asio_aio::backend> choice;
    if (values.count("backend") == 0)
        return choice;
    const auto& text = values["backend"].as<std::string>();
    std::string_view rest = text;
    for (bool more = true; more;) {
        const auto comma = rest.find(',');
        const auto backend = asio_aio::backend_from_string(rest.substr(0, comma));
        if (!backend)
            refuse(
                "backend", text,
                "a list of engines, separated by commas: io_uring, libaio, thread_pool");
        choice.push_back(*backend);
        more = comma != rest.npos;
        rest.remove_prefix(more ? comma + 1 : rest.size());
    }
    return choice;
}

po::options_description describe_options(const std::string& program) {
    const auto text = [](const char* value) {
        return po::value<std::string>()->default_value(value);
    };
    const auto processors = std::max(std::thread::hardware_concurrency(), 1U);
    po::options_description all(
        "Usage: " + program +
        " [OPTIONS] [DIR]\n\nServes the files of a folder over HTTP/1.1.\n\nOptions");
    auto add = all.add_options();
    add("help,h", "print this text");
    add("root", text("."), "the folder to serve; the argument DIR sets it as well");
    add("address", text("127.0.0.1"), "the address to listen on; 0.0.0.0 or ::, all addresses");
    add("port", text("8080"), "the port to listen on; 0: any free port");
    add("threads", text(std::to_string(processors).c_str()), "threads that serve connections");
    add("block-size", text("256K"), "bytes of one read of a file, for example 4096, 256K or 1M");
    add("read-ahead", text("4"), "reads in flight of one file, ahead of the socket");
    add("buffer-memory", text("256M"),
        "most bytes of file data that all connections hold together");
    add("backend", po::value<std::string>(),
        "engines to try, best first, for example io_uring,libaio,thread_pool");
    add("max-threads", text("64"),
        "most threads for calls on files, half of them for opens; a part of the tree gets a "
        "quarter");
    add("max-connections", text("1024"), "connections at the same time; further ones wait");
    add("allow-put", "let clients make and replace files with PUT");
    add("max-put-size", text("64M"), "most bytes of the body of a PUT");
    add("put-memory", text("256M"), "most bytes of all bodies together; further ones get a 503");
    add("open-timeout", text("10"),
        "seconds for the open of a file, and for its turn if its filesystem is busy");
    add("timeout", text("60"),
        "seconds after which the server closes a connection that is idle or takes no data");
    add("header-timeout", text("30"), "seconds for the header of a request");
    add("drain-seconds", text("10"),
        "seconds for running transfers to end after SIGTERM or SIGINT");
    add("quiet,q", "log no requests");
    return all;
}

server_options read_values(const po::variables_map& values) {
    server_options options;
    options.root = values["root"].as<std::string>();
    options.address = values["address"].as<std::string>();
    options.port = static_cast<std::uint16_t>(
        number_option(values, "port", {0, std::numeric_limits<std::uint16_t>::max()}));
    options.threads = static_cast<unsigned>(number_option(values, "threads", {1, 1024}));
    options.max_connections =
        static_cast<std::size_t>(number_option(values, "max-connections", {1, 1'000'000}));
    options.plan.block_size = block_size_option(values);
    options.buffer_memory = buffer_memory_option(values, options.plan.block_size);
    options.plan.blocks_ahead =
        static_cast<std::size_t>(number_option(values, "read-ahead", {0, 256}));
    options.uploads = upload_options(values);
    options.upload_memory = upload_memory_option(values, options.uploads.most_bytes);
    options.open_timeout = seconds_option(values, "open-timeout");
    options.timeout = seconds_option(values, "timeout");
    options.header_timeout = seconds_option(values, "header-timeout");
    options.drain_limit = seconds_option(values, "drain-seconds", 0);
    options.quiet = values.count("quiet") != 0;
    options.files.choice = backend_option(values);
    options.files.max_threads =
        static_cast<unsigned>(number_option(values, "max-threads", {1, 4096}));
    // On tmpfs and overlayfs such a read may wait, and this would be on a thread that serves
    // connections.
    options.files.inline_reads_without_nowait = false;
    return options;
}

} // namespace

std::optional<server_options> parse_options(int argc, const char* const* argv) {
    const auto known = describe_options(argv[0]);
    po::positional_options_description positional;
    positional.add("root", 1);
    po::variables_map values;
    try {
        po::store(
            po::command_line_parser(argc, argv).options(known).positional(positional).run(),
            values);
    } catch (const po::error& error) {
        throw usage_error(std::string(error.what()) + "; --help lists the options");
    }
    if (values.count("help") != 0) {
        std::cout << known;
        return std::nullopt;
    }
    return read_values(values);
}

} // namespace file_server
