// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"

#include <ostream>

namespace info {

/// Prints the report for people, in 100 columns.
void print_text(const report& found, bool coloured, std::ostream& out);

} // namespace info
