// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/core/api.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace asio_aio {

/// The engines, in the order of the automatic choice.
enum class backend : unsigned char { io_uring, libaio, thread_pool };

/// Returns the name of an engine: "io_uring", "libaio" or "thread_pool".
ASIO_AIO_API std::string_view to_string(backend which) noexcept;

/// Returns the engine with that name, or nothing for any other word.
ASIO_AIO_API std::optional<backend> backend_from_string(std::string_view name) noexcept;

/// The result of the trial of one engine.
struct engine_report {
    backend which = backend::thread_pool;
    bool available = false;
    int error = 0;      ///< The errno of the call that the kernel refused; 0 if none.
    std::string reason; ///< Why the engine is not available; empty if it is available.
    std::string remedy; ///< How to make the engine available; empty if no remedy is known.
};

/// Reports what the trials of all engines on this machine found, in the order of the automatic
/// choice.
/**
 * A trial performs what the engine will do: set-up, a read, a wake-up, and a cancellation on
 * io_uring. The process keeps the results, with two exceptions. A result is dropped when the engine
 * fails later. A refusal that may pass is not kept: too little memory, too few descriptors, no
 * places left in `fs.aio-max-nr`, or a timeout. A child process repeats the trials.
 *
 * The call blocks. The first call takes some 50 ms, because the kernel is slow to destroy a Linux
 * AIO context. If the kernel does not complete a trial's operation, the call waits at most 2
 * seconds for each engine.
 *
 * @par Errors
 * Throws `std::bad_alloc`.
 *
 * @par Thread safety
 * Safe.
 */
ASIO_AIO_API std::vector<engine_report> probe();

/// The sources of a context's choice of engines. The first source that names an engine counts.
enum class choice_source : unsigned char { code, environment, file, automatic, asio_config };

/// What a context chose, and why.
struct description {
    /// Empty before the first use of the context, and if no engine of the choice works.
    std::optional<backend> chosen;
    choice_source source = choice_source::automatic;
    std::string origin; ///< The source in words, e.g. "environment variable ASIO_AIO_BACKEND".
    std::vector<backend> choice; ///< The engines that the source names, best first.
    /// The engines of the choice that do not work and that stand before the chosen engine.
    std::vector<engine_report> passed_over;
    std::string error; ///< Why there is no engine; empty if there is one.
    /// The refusal that made the chosen engine fail later; the pool then serves everything.
    /// Otherwise empty.
    std::string failure;
    /// Registered memory that the kernel refused, in bytes. Operations use it as plain memory.
    std::uint64_t plain_buffer_bytes = 0;
    /// The last of these refusals and its likely cause, in words. Empty if there is none.
    std::string plain_buffer_reason;
};

/// Returns one line for a log: the engine, the source of the choice, why better engines were passed
/// over, and the remedies.
ASIO_AIO_API std::string to_string(const description& what);

} // namespace asio_aio
