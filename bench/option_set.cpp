// SPDX-License-Identifier: BSL-1.0
#include "option_set.hpp"

#include "outcome.hpp"

#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>

namespace bench {

namespace po = boost::program_options;

void option_set::word(
    const std::string& name, std::string& field, std::vector<std::string> allowed,
    std::string text) {
    std::string list;
    for (const std::string& each : allowed)
        list += (list.empty() ? "" : ", ") + each;
    add(name, field, text + ": " + list, [=, &field](const std::string& value) {
        if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
            throw usage_error("--" + name + ": '" + value + "' is not one of: " + list);
        field = value;
    });
}

void option_set::text(const std::string& name, std::string& field, std::string text) {
    add(name, field, std::move(text), [=, &field](const std::string& value) {
        if (value.empty())
            throw usage_error("--" + name + ": must not be empty");
        field = value;
    });
}

void option_set::flag(const std::string& name, bool& field, std::string text) {
    described_.add_options()(name.c_str(), po::bool_switch(&field), text.c_str());
}

bool option_set::parse(int argc, char* argv[]) try {
    described_.add_options()("help", "print this text");
    po::variables_map found;
    const int style =
        po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    const po::positional_options_description none;
    po::store(
        po::command_line_parser(argc, argv).options(described_).positional(none).style(style).run(),
        found);
    if (found.count("help")) {
        std::cout << about_ << "\n\n" << described_;
        return false;
    }
    po::notify(found);
    return true;
} catch (const po::error& error) {
    throw usage_error(std::string(error.what()) + "; --help lists the options");
}

std::uint64_t option_set::to_number(
    const std::string& name, const std::string& value, std::uint64_t least, std::uint64_t most) {
    std::uint64_t result = 0;
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, result);
    if (error != std::errc() || stop != end || result < least || result > most)
        throw usage_error(
            "--" + name + ": '" + value + "' is not a whole number from " + std::to_string(least) +
            " to " + std::to_string(most));
    return result;
}

void option_set::add(
    const std::string& name, const std::string& initial, std::string text, setter set) {
    described_.add_options()(
        name.c_str(), po::value<std::string>()->default_value(initial)->notifier(std::move(set)),
        text.c_str());
}

} // namespace bench
