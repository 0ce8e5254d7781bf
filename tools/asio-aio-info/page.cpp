// SPDX-License-Identifier: BSL-1.0
#include "page.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace info {
namespace {

constexpr std::size_t columns = 100;
constexpr std::size_t indent = 2;
constexpr std::size_t label_width = 26;
constexpr std::size_t text_width = columns - indent - label_width;
constexpr std::size_t cell_width = 14;

constexpr char plain[] = "\033[0m";
constexpr char bold[] = "\033[1m";

/// The columns of `text` on a terminal: its UTF-8 characters, each of which counts as one column.
std::size_t width(std::string_view text) {
    std::size_t columns_used = 0;
    for (char each : text)
        columns_used += (static_cast<unsigned char>(each) & 0xC0U) != 0x80;
    return columns_used;
}

std::string spaces_to(std::size_t wanted, std::string_view text) {
    return std::string(wanted - std::min(wanted, width(text)), ' ');
}

/// Wraps `text` at spaces to `text_width` columns. A longer word gets a line of its own.
std::vector<std::string> wrapped(const std::string& text) {
    std::vector<std::string> lines(1);
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (lines.back().empty())
            lines.back() = word;
        else if (width(lines.back()) + 1 + width(word) <= text_width)
            lines.back() += ' ' + word;
        else
            lines.push_back(word);
        begin = end + 1;
    }
    return lines;
}

const char* sequence(colour how) {
    switch (how) {
    case colour::good: return "\033[32m";
    case colour::bad: return "\033[31m";
    case colour::faint: return "\033[2m";
    case colour::none: break;
    }
    return "";
}

} // namespace

void page::heading(std::string_view title, std::string_view beside) {
    out_ << (first_ ? "" : "\n") << (coloured_ ? bold : "") << title << (coloured_ ? plain : "");
    out_ << (beside.empty() ? "" : "  ") << printable(beside) << '\n';
    first_ = false;
}

void page::field(std::string_view label, std::string_view mark, colour how, std::string_view text) {
    const std::string separator = mark.empty() || text.empty() ? "" : ": ";
    const auto lines = wrapped(printable(std::string(mark) + separator + std::string(text)));
    for (std::size_t i = 0; i != lines.size(); ++i) {
        const std::string_view left = i == 0 ? label : std::string_view();
        const std::size_t marked = i == 0 ? std::min(mark.size(), lines[i].size()) : 0;
        out_ << std::string(indent, ' ') << left << spaces_to(label_width, left);
        out_ << painted(lines[i].substr(0, marked), how) << lines[i].substr(marked) << '\n';
    }
}

void page::row(std::string_view label, std::initializer_list<std::string_view> cells, colour how) {
    std::string line =
        std::string(indent, ' ') + std::string(label) + spaces_to(label_width - indent, label);
    for (std::string_view each : cells)
        line.append(spaces_to(cell_width, each)).append(each);
    out_ << painted(line, how) << '\n';
}

std::string page::painted(std::string_view text, colour how) const {
    if (!coloured_ || how == colour::none || text.empty())
        return std::string(text);
    return sequence(how) + std::string(text) + plain;
}

std::string printable(std::string_view text) {
    std::string shown;
    for (char each : text) {
        const auto code = static_cast<unsigned char>(each);
        constexpr unsigned char del = 0x7F;
        if (code >= ' ' && code != del) {
            shown += each;
            continue;
        }
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", unsigned(code));
        shown += hex;
    }
    return shown;
}

} // namespace info
