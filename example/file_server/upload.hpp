// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "failure.hpp"
#include "net.hpp"
#include "request_path.hpp"
#include "served_folder.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

namespace file_server {

/// Limits the memory for the bodies of all requests. Thread-safe.
class body_memory {
public:
    struct give_back {
        body_memory* owner = nullptr;
        std::size_t size = 0;
        void operator()(std::byte* memory) const noexcept;
    };

    /// Memory for one body, which its destruction frees.
    using body = std::unique_ptr<std::byte, give_back>;

    explicit body_memory(std::size_t most) : free_(most) {}
    body_memory(const body_memory&) = delete;
    body_memory& operator=(const body_memory&) = delete;

    /// Null if there is not so much left. The system provides the memory when it is first used.
    body try_take(std::size_t size);

private:
    std::atomic<std::size_t> free_; // bytes
};

struct upload_limits {
    bool allowed = false;
    std::uint64_t most_bytes = 0; ///< Of one body.
};

/// The length of the body of a PUT request, or why the server does not take the request.
std::variant<failure, std::uint64_t> check_upload(
    const request_head& request, const upload_limits& limits);

/// True for the names that async_replace_file gives to its temporary files.
bool names_temporary_file(const request_path& path);

/// Why no client may write to `path`; empty if a client may.
std::optional<failure> check_upload_path(const request_path& path);

/// True if the client waits for a response before it sends the body.
bool expects_continue(const request_head& request);

/// Replaces the file or makes a new one. Durable when the coroutine ends.
/** `held` is a permit for the path. The coroutine owns everything that it uses. */
asio::awaitable<error_code> store(
    put_target target, body_memory::body content, call_limits::permit held);

/// The response to an error of `store`.
failure to_upload_failure(const error_code& error);

} // namespace file_server
