// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"

namespace info {

/// The kernel, and the limits of this process that decide what an engine may take.
host_report inspect_host();

} // namespace info
