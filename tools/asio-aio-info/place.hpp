// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"
#include "subject.hpp"

namespace info {

/// The filesystem that an open file or folder is on, by its mount.
void inspect_filesystem(int descriptor, place_report& found);

/// Direct I/O and RWF_NOWAIT of a file.
void inspect_file(const subject& file, place_report& found);

} // namespace info
