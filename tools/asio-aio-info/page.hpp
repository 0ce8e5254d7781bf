// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>

namespace info {

enum class colour { none, good, bad, faint };

/// Prints text for people: fields with a wrapped right column, and tables of figures.
class page {
public:
    page(std::ostream& out, bool coloured) : out_(out), coloured_(coloured) {}

    /// Prints a bold title, followed by `beside` in plain letters.
    void heading(std::string_view title, std::string_view beside = {});

    /// Prints a label, and beside it `mark` in colour, followed by `text`.
    void field(
        std::string_view label, std::string_view mark, colour how, std::string_view text = {});
    void field(std::string_view label, std::string_view text) {
        field(label, {}, colour::none, text);
    }

    /// Prints more text in the right column, below the last field.
    void more(std::string_view text) { field({}, text); }

    /// Prints a row of a table, or its head: a label and right-aligned cells.
    void row(
        std::string_view label, std::initializer_list<std::string_view> cells,
        colour how = colour::none);

private:
    std::string painted(std::string_view text, colour how) const;

    std::ostream& out_;
    const bool coloured_;
    bool first_ = true;
};

/// `text` with control characters escaped, so that paths and settings cannot control a terminal.
std::string printable(std::string_view text);

} // namespace info
