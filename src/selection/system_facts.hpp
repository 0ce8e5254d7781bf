// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

/// Facts about the system for reports of why an engine was refused, and tools for trials.
namespace asio_aio::detail {

/// Returns the first line of a file in /proc; empty if the file does not exist.
std::string read_line(const char* path);

/// True if a seccomp filter checks the system calls of this thread, for example that of a
/// container.
bool has_seccomp_filter();

/// Returns who refuses a system call with EPERM, EACCES or ENOSYS; empty for any other error.
std::string who_refuses(int error);

/// Returns why the kernel refused to register memory of the program, with the likely cause.
std::string why_memory_is_refused(int error);

/// Opens a file that is in memory, so that the read of a trial waits for no disk. Returns a
/// descriptor or -errno.
int open_trial_file() noexcept;

/// Waits until the eventfd is raised. Returns false after a timeout.
bool wait_for_event(int event_descriptor) noexcept;

} // namespace asio_aio::detail
