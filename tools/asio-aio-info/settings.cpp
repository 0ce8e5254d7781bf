// SPDX-License-Identifier: BSL-1.0
#include "settings.hpp"

#include <boost/program_options.hpp>

#include <charconv>
#include <iostream>
#include <string_view>
#include <vector>

namespace info {
namespace {

namespace po = boost::program_options;

constexpr unsigned most_seconds = 60;

constexpr char introduction[] =
    "Usage: asio-aio-info [OPTIONS] [PATH]\n\n"
    "Reports which engines of asio_aio work on this machine, which engine a program gets, and\n"
    "the limits that affect the engines. With PATH (a file, a folder or a block device) it also\n"
    "reports what the filesystem supports, and how fast each engine reads there: 4 KiB at\n"
    "random offsets, 32 reads in flight. It only reads a file. In a folder it writes 64 MiB to\n"
    "an unnamed temporary file, which needs the right to write there.\n\n"
    "Options";

constexpr char conclusion[] =
    "\nExit status: 0 io_uring or libaio works; 1 only the thread pool works; 2 wrong use;\n"
    "3 another error. ASIO_AIO_BACKEND and ASIO_AIO_CONFIG have the same effect as in every\n"
    "program that uses asio_aio. NO_COLOR switches colours off.\n";

po::options_description describe_options() {
    constexpr unsigned columns = 100;
    po::options_description all(introduction, columns);
    auto add = all.add_options();
    add("seconds", po::value<std::string>()->default_value("1")->value_name("N"),
        "seconds that each engine reads at PATH, 0 to 60; 0: no reads");
    add("json",
        "print one JSON object: version, exit_status, engines, choice, host, place, taste; "
        "unknown values are null");
    add("help,h", "print this text");
    add("version", "print the version");
    return all;
}

po::variables_map parse(int argc, const char* const* argv, const po::options_description& shown) {
    po::options_description all;
    all.add(shown).add_options()("path", po::value<std::vector<std::string>>());
    po::positional_options_description positional;
    positional.add("path", -1); // any number, so that the error for two paths can name them
    // No abbreviations: an option of a later version could make one in a script ambiguous.
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::variables_map values;
    try {
        po::store(
            po::command_line_parser(argc, argv)
                .options(all)
                .positional(positional)
                .style(style)
                .run(),
            values);
    } catch (const po::error& error) {
        throw usage_error(std::string(error.what()) + "; --help lists the options");
    }
    return values;
}

unsigned seconds_option(const std::string& text) {
    unsigned number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stopped_at != end || number > most_seconds)
        throw usage_error(
            "--seconds: \"" + text + "\" is not a number from 0 to " +
            std::to_string(most_seconds));
    return number;
}

std::optional<std::string> path_option(const po::variables_map& values) {
    if (values.count("path") == 0)
        return std::nullopt;
    const auto& paths = values["path"].as<std::vector<std::string>>();
    if (paths.size() > 1)
        throw usage_error(
            "more than one path: \"" + paths[0] + "\" and \"" + paths[1] + "\"; give one or none");
    return paths.front();
}

} // namespace

std::optional<settings> parse_settings(int argc, const char* const* argv) {
    const po::options_description shown = describe_options();
    const po::variables_map values = parse(argc, argv, shown);
    if (values.count("help") != 0) {
        std::cout << shown << conclusion;
        return std::nullopt;
    }
    if (values.count("version") != 0) {
        std::cout << "asio-aio-info " ASIO_AIO_INFO_VERSION "\n";
        return std::nullopt;
    }
    return settings{
        path_option(values), seconds_option(values["seconds"].as<std::string>()),
        values.count("json") != 0};
}

} // namespace info
