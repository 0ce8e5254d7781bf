// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include "record.hpp"

#include <boost/program_options.hpp>

#include <charconv>
#include <iostream>
#include <string>
#include <string_view>

namespace write_ahead_log {
namespace {

namespace po = boost::program_options;

po::options_description describe_options(const std::string& program) {
    po::options_description all(
        "Usage: " + program + " append FILE [OPTIONS]\n  or:  " + program +
        " check FILE\n  or:  " + program +
        " follow FILE [--records N]\n\n"
        "Appends records to a write-ahead log, recovers it, or prints its records.\n\nOptions");
    auto add = all.add_options();
    add("help", "print this text");
    add("writers", po::value<std::string>(), "append: coroutines that append (8)");
    add("records", po::value<std::string>(),
        "append: records of each writer (1000); follow: end after so many (without end)");
    add("bytes", po::value<std::string>(), "append: bytes of each record (100)");
    add("print", "append: print the sequence number and the title of each durable record");
    return all;
}

command to_command(const std::string& word) {
    if (word == "append")
        return command::append;
    if (word == "check")
        return command::check;
    if (word == "follow")
        return command::follow;
    throw usage_error("\"" + word + "\" is not a command: append, check or follow");
}

std::uint64_t number_option(
    const po::variables_map& values, const std::string& option, std::uint64_t otherwise,
    std::uint64_t least, std::uint64_t most) {
    if (values.count(option) == 0)
        return otherwise;
    const auto& text = values[option].as<std::string>();
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stopped_at != end || number < least || number > most)
        throw usage_error(
            "--" + option + ": \"" + text + "\" is not a number from " + std::to_string(least) +
            " to " + std::to_string(most));
    return number;
}

void refuse_unused(const po::variables_map& values, command what) {
    for (const std::string option : {"writers", "records", "bytes", "print"}) {
        const bool used =
            what == command::append || (what == command::follow && option == "records");
        if (!used && values.count(option) != 0)
            throw usage_error(
                "--" + option + " is an option of append" +
                (option == "records" ? " and follow" : "") + " only");
    }
}

settings read_values(const po::variables_map& values) {
    if (values.count("command") == 0)
        throw usage_error("a command is missing: append, check or follow; --help explains them");
    settings wanted;
    wanted.what = to_command(values["command"].as<std::string>());
    if (values.count("file") == 0)
        throw usage_error("FILE is missing: name the log after the command");
    wanted.path = values["file"].as<std::string>();
    refuse_unused(values, wanted.what);
    const bool appends = wanted.what == command::append;
    // The least number of bytes has room for every title.
    wanted.writers = unsigned(number_option(values, "writers", 8, 1, 4096));
    wanted.records = number_option(values, "records", appends ? 1000 : 0, 1, 1'000'000'000);
    wanted.bytes = std::size_t(number_option(values, "bytes", 100, 100, max_payload));
    wanted.print = values.count("print") != 0;
    return wanted;
}

} // namespace

settings parse_options(int argc, const char* const* argv) {
    const auto visible = describe_options(argv[0]);
    po::options_description all;
    all.add(visible).add_options()("command", po::value<std::string>())(
        "file", po::value<std::string>());
    po::positional_options_description positions;
    positions.add("command", 1).add("file", 1);
    po::variables_map values;
    try {
        po::store(
            po::command_line_parser(argc, argv).options(all).positional(positions).run(), values);
    } catch (const po::error& error) {
        throw usage_error(std::string(error.what()) + "; --help lists the options");
    }
    if (values.count("help") != 0) {
        std::cout << visible;
        return {};
    }
    return read_values(values);
}

} // namespace write_ahead_log
