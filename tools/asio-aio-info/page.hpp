// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>

namespace info {

enum class colour { none, good, bad, faint };

/// Lays out text for a person: two columns, of which the right one is wrapped, or a table of
/// figures.
class page {
public:
    page(std::ostream& out, bool coloured) : out_(out), coloured_(coloured) {}

    /// `beside` follows the title in plain letters.
    void heading(std::string_view title, std::string_view beside = {});

    /// A label and what is known of it; `mark` is the coloured beginning of that.
    void field(
        std::string_view label, std::string_view mark, colour how, std::string_view text = {});
    void field(std::string_view label, std::string_view text) {
        field(label, {}, colour::none, text);
    }

    /// More in the right column, under the last field.
    void more(std::string_view text) { field({}, text); }

    /// A label and figures, aligned to the right; a table's head is a row as well.
    void row(
        std::string_view label, std::initializer_list<std::string_view> cells,
        colour how = colour::none);

private:
    std::string painted(std::string_view text, colour how) const;

    std::ostream& out_;
    const bool coloured_;
    bool first_ = true;
};

/// `text` without what could steer a terminal: paths and settings are others' words.
std::string printable(std::string_view text);

} // namespace info
