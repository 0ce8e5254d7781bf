// SPDX-License-Identifier: BSL-1.0
#include "request_path.hpp"

#include "text.hpp"

#include <array>
#include <charconv>
#include <optional>

namespace file_server {
namespace {

using boost::beast::http::status;

std::optional<char> decode_hex(std::string_view digits) {
    unsigned char value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || end != digits.data() + digits.size())
        return std::nullopt;
    return static_cast<char>(value);
}

/// Decodes one component of a path. An encoded slash is an error: no name contains a slash.
std::variant<std::string, failure> decode_component(std::string_view encoded) {
    std::string name;
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        char character = encoded[i];
        if (character == '%') {
            const auto decoded = decode_hex(encoded.substr(i + 1, 2));
            if (!decoded)
                return failure{
                    status::bad_request,
                    "a percent sign in the path is not followed by two hexadecimal digits"};
            character = *decoded;
            i += 2;
        }
        if (character == '\0')
            return failure{status::bad_request, "the path has a NUL character"};
        if (character == '/')
            return failure{status::bad_request, "the path has an encoded slash"};
        if (character == '\\')
            return failure{status::bad_request, "the path has a backslash"};
        name += character;
    }
    return name;
}

/// The path and query of a target in absolute form; a target in origin form unchanged.
std::string_view without_authority(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!iequals(target.substr(0, scheme.size()), scheme))
            continue;
        const auto path = target.find_first_of("/?", scheme.size());
        return path == target.npos ? std::string_view{"/"} : target.substr(path);
    }
    return target;
}

bool is_unreserved(char character) {
    constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    return unreserved.find(character) != unreserved.npos;
}

} // namespace

std::variant<request_path, failure> decode_target(std::string_view target) {
    target = without_authority(target);
    const auto question = std::min(target.find('?'), target.size());
    auto rest = target.substr(0, question);
    if (!rest.starts_with('/') || target.find('#') != target.npos)
        return failure{status::bad_request, "the request target is not a path"};

    request_path path;
    path.query = target.substr(question);
    while (!rest.empty()) {
        rest.remove_prefix(1); // the slash before the component
        const auto size = std::min(rest.find('/'), rest.size());
        auto decoded = decode_component(rest.substr(0, size));
        if (auto* refusal = std::get_if<failure>(&decoded))
            return std::move(*refusal);
        rest.remove_prefix(size);

        const auto& name = std::get<std::string>(decoded);
        if (name == "..")
            return failure{status::forbidden, "the path has a \"..\" component"};
        path.names_directory = name.empty() || name == ".";
        if (path.names_directory)
            continue;
        if (!path.relative.empty())
            path.relative += '/';
        path.relative += name;
    }
    return path;
}

std::string directory_target(const request_path& path) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string target = "/";
    for (const char character : path.relative) {
        if (is_unreserved(character) || character == '/') {
            target += character;
            continue;
        }
        const auto byte = static_cast<unsigned char>(character);
        target += '%';
        target += digits[byte >> 4];
        target += digits[byte & 15];
    }
    return target + "/" + path.query;
}

} // namespace file_server
