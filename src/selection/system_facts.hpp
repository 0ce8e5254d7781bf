// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

/// What the system says of itself, for reports of why an engine is refused, and what trials of
/// engines read.
namespace asio_aio::detail {

/// The first line of a file in /proc; empty where there is none.
std::string read_line(const char* path);

/// Whether system calls of this process go through a seccomp filter: a container's profile, or one
/// of its own.
bool has_seccomp_filter();

/// Who refuses a system call with EPERM, EACCES or ENOSYS; empty for any other error.
std::string who_refuses(int error);

/// Makes a file that is in memory, so that a trial's read waits for no disk: a descriptor or
/// -errno.
int open_trial_file() noexcept;

/// Waits until the eventfd is raised; false where that takes so long (seconds) that it will not be.
bool wait_for_event(int event_descriptor) noexcept;

} // namespace asio_aio::detail
