// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"
#include "subject.hpp"

namespace info {

/// Reports the filesystem of an open file or folder.
void inspect_filesystem(int descriptor, place_report& found);

/// Reports if a file supports direct I/O and RWF_NOWAIT.
void inspect_file(const subject& file, place_report& found);

} // namespace info
