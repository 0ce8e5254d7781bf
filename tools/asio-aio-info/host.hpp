// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "report.hpp"

namespace info {

/// Reports the kernel, and the limits of this process that affect the engines.
host_report inspect_host();

} // namespace info
