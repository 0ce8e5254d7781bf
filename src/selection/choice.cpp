// SPDX-License-Identifier: BSL-1.0
#include "selection/choice.hpp"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <string>
#include <system_error>
#include <utility>

namespace asio_aio::detail {
namespace {

constexpr char environment_variable[] = "ASIO_AIO_BACKEND";
constexpr char config_variable[] = "ASIO_AIO_CONFIG";
constexpr char config_file[] = ASIO_AIO_SYSCONFDIR "/asio_aio/default_backend";

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = text.find_first_not_of(blank);
    return first == text.npos ? std::string_view()
                              : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/// Returns the value, or an empty string. It is always empty in programs with raised privileges
/// (secure_getenv(3)).
std::string environment(const char* name) {
    const char* value = ::secure_getenv(name);
    return value ? value : "";
}

/// Reads the list of names. Newlines separate names as commas do; comments and blank lines are
/// skipped.
std::string read_list(std::istream& file) {
    std::string list;
    for (std::string line; std::getline(file, line);) {
        const auto words = trimmed(std::string_view(line).substr(0, line.find('#')));
        if (!words.empty())
            list.append(list.empty() ? "" : ",").append(words);
    }
    return list;
}

choice choice_of_file() {
    const std::string named = environment(config_variable);
    const std::string path = named.empty() ? config_file : named;
    const std::string origin =
        "file " + path + (named.empty() ? "" : " (named by ASIO_AIO_CONFIG)");
    std::ifstream file(path);
    int error = file ? 0 : errno;
    const std::string list = file ? read_list(file) : std::string();
    if (file.bad()) // a directory can be opened, but not read
        error = errno;
    if (error == 0)
        return parse_choice(list, choice_source::file, origin);
    choice found{{}, choice_source::file, origin, {}};
    // no error if the default file does not exist
    if (!named.empty() || ::access(path.c_str(), F_OK) == 0)
        found.error = origin + " cannot be read: " + std::strerror(error);
    return found;
}

std::string known_names() {
    std::string names;
    for (backend each : {backend::io_uring, backend::libaio, backend::thread_pool})
        names.append(names.empty() ? "" : ", ").append(to_string(each));
    return names;
}

} // namespace

choice parse_choice(std::string_view list, choice_source source, std::string origin) {
    choice result{{}, source, std::move(origin), {}};
    if (trimmed(list).empty())
        return result;
    for (std::size_t begin = 0; begin <= list.size();) {
        const auto end = std::min(list.find(',', begin), list.size());
        const auto word = trimmed(list.substr(begin, end - begin));
        if (const auto which = backend_from_string(word)) {
            result.engines.push_back(*which);
        } else {
            result.error = result.origin +
                (word.empty() ? " has a comma with no engine name beside it"
                              : " names the unknown engine \"" + std::string(word) + "\"") +
                "; known are " + known_names();
            return result;
        }
        begin = end + 1;
    }
    return result;
}

std::optional<unsigned> parse_queue_depth(std::string_view text) {
    text = trimmed(text);
    if (text.empty())
        return 0;
    unsigned depth = 0; // a sign is no digit, and a number too large is an error
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), depth);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    if (!whole || depth < 1 || depth > options::deepest_queue)
        return std::nullopt;
    return depth;
}

std::string find_fault(const options& opts) {
    const auto beyond = [](const char* name, unsigned value, unsigned most) {
        return std::string("options::") + name + " is " + std::to_string(value) +
            "; it must be 1 to " + std::to_string(most);
    };
    if (opts.max_threads < 1 || opts.max_threads > options::most_threads)
        return beyond("max_threads", opts.max_threads, options::most_threads);
    if (opts.queue_depth < 1 || opts.queue_depth > options::deepest_queue)
        return beyond("queue_depth", opts.queue_depth, options::deepest_queue);
    if (opts.sqpoll && opts.single_issuer)
        return "options::sqpoll and options::single_issuer exclude each other";
    for (backend each : opts.choice)
        if (each > backend::thread_pool)
            return "options::choice holds the value " + std::to_string(int(each)) +
                ", which is not an engine";
    return {};
}

choice find_choice(const std::vector<backend>& from_code, std::string_view from_config) {
    if (!from_code.empty())
        return {from_code, choice_source::code, "the program (asio_aio::configure)", {}};
    const auto says_something = [](const choice& one) {
        return !one.engines.empty() || !one.error.empty();
    };
    if (auto one = parse_choice(
            from_config, choice_source::asio_config, "key asio_aio.engines of asio::config");
        says_something(one))
        return one;
    if (auto one = parse_choice(
            environment(environment_variable), choice_source::environment,
            std::string("environment variable ") + environment_variable);
        says_something(one))
        return one;
    if (auto one = choice_of_file(); says_something(one))
        return one;
    return {
        {backend::io_uring, backend::libaio, backend::thread_pool},
        choice_source::automatic,
        "automatic",
        {}};
}

} // namespace asio_aio::detail
