// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace asio_aio {

/// The engines, best first: the order of the automatic choice.
enum class backend : unsigned char { io_uring, libaio, thread_pool };

/// The one spelling of an engine's name: "io_uring", "libaio" or "thread_pool".
std::string_view to_string(backend which) noexcept;

/// The engine of that name; nothing for any other word.
std::optional<backend> backend_from_string(std::string_view name) noexcept;

/// What was found out about one engine by trying it.
struct engine_report {
    backend which = backend::thread_pool;
    bool available = false;
    int error = 0;      ///< The errno of the call that was refused; 0 where no call was made.
    std::string reason; ///< Why it is not available, in words; empty where it is.
    std::string remedy; ///< What makes it available; empty where nothing is known.
};

/// What trying each engine on this machine found, in the order of the automatic choice.
/**
 * An engine is tried once in a process, by doing what it will do: set up, submit a read, be woken,
 * reap, and cancel where it does that. What is found is kept until the engine fails, but for
 * refusals that come and go: for want of memory, of descriptors, of places of `fs.aio-max-nr`.
 *
 * @par Thread safety
 * Safe. The first call takes some 50 ms, since the kernel ends a context of Linux AIO slowly.
 */
std::vector<engine_report> probe();

/// Where a context's choice of engines came from; the first source that says something wins.
enum class choice_source : unsigned char { code, environment, file, automatic };

/// What a context chose, and why.
struct description {
    /// Empty before the first file was opened, and where no engine of the choice works.
    std::optional<backend> chosen;
    choice_source source = choice_source::automatic;
    std::string origin; ///< The source in words, e.g. "environment variable ASIO_AIO_BACKEND".
    std::vector<backend> choice; ///< The list as it was given, best first.
    /// The engines of the list that come before the chosen one.
    std::vector<engine_report> passed_over;
    std::string error; ///< Why there is no engine; empty where there is one.
    /// With what the chosen engine failed since: the pool serves everything then. Else empty.
    std::string failure;
};

/// One line for a log or a person: the engine, the source of the choice, and why better ones were
/// passed over, with the remedies.
std::string to_string(const description& what);

} // namespace asio_aio
