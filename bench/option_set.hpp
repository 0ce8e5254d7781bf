// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/program_options/options_description.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// The command-line options of a program. An error about a value names its option and what is
/// allowed.
class option_set {
public:
    explicit option_set(std::string about) : about_(std::move(about)) {}

    /// A whole number from `least` to `most`; the field's value is the default.
    template <typename Number>
    void number(
        const std::string& name, Number& field, std::uint64_t least, std::uint64_t most,
        std::string text) {
        add(name, std::to_string(field), std::move(text), [=, &field](const std::string& value) {
            field = Number(to_number(name, value, least, most));
        });
    }

    /// One of `allowed`; the field's value is the default.
    void word(
        const std::string& name, std::string& field, std::vector<std::string> allowed,
        std::string text);

    void text(const std::string& name, std::string& field, std::string text);

    /// A switch: true if it is given.
    void flag(const std::string& name, bool& field, std::string text);

    /// Sets all fields. Returns false after `--help`, and has printed the help then.
    bool parse(int argc, char* argv[]);

private:
    using setter = std::function<void(const std::string&)>;

    static std::uint64_t to_number(
        const std::string& name, const std::string& value, std::uint64_t least, std::uint64_t most);
    void add(const std::string& name, const std::string& initial, std::string text, setter set);

    std::string about_;
    boost::program_options::options_description described_{"Options"};
};

} // namespace bench
