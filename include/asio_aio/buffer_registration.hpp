// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/core/registered_memory.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/find_service.hpp>

#include <sys/uio.h>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Memory that is registered with an execution context; see `register_buffers`. The destructor ends
/// the registration.
/**
 * The object may outlive its context. A default-constructed or moved-from object has no
 * registration.
 *
 * @par Thread safety
 * Distinct objects are safe. On one object, `is_fixed` and `error` are safe together.
 */
class buffer_registration {
public:
    /// Constructs an object without a registration.
    buffer_registration() noexcept = default;
    buffer_registration(buffer_registration&&) noexcept = default;
    buffer_registration& operator=(buffer_registration&&) noexcept = default;
    ~buffer_registration() = default;

    /// Ends the registration. Does nothing if there is none.
    /**
     * Operations in flight go on: the kernel keeps the memory until those that use it have ended.
     * Older kernels (seen on Linux 6.1, not on 6.12) count locked memory for up to a second longer.
     * With `options::single_issuer` the kernel gives the memory back at the next turn of the thread
     * that runs the context.
     */
    void unregister() noexcept { memory_.reset(); }

    /// Returns true if operations of the context use all of this memory as fixed buffers.
    bool is_fixed() const noexcept { return memory_.why_plain() == 0; }

    /// Returns why operations use this memory, or a part of it, as plain memory. No error means
    /// that they use it as fixed buffers.
    /**
     * @li `asio::error::operation_not_supported`: the engine of the context is not io_uring, or it
     *     has failed. On older kernels also: the memory maps a file.
     * @li `asio::error::no_memory`: RLIMIT_MEMLOCK; `describe` reports the limit.
     * @li `asio::error::no_buffer_space`: the kernel's table is full, which has 16384 places.
     * @li `asio::error::fault`: the memory is not mapped, is not writable, or is a shared mapping
     *     of a file on a disk.
     * @li `asio::error::in_progress`: the thread that runs the context with `single_issuer` will
     *     register the memory at its next turn.
     * @li `asio::error::shut_down`: the context was destroyed.
     * @li `asio::error::bad_descriptor`: this object has no registration.
     *
     * Otherwise what io_uring_register(2) reports.
     */
    error_code error() const noexcept { return detail::to_error(memory_.why_plain()); }

private:
    template <typename Where, typename MutableBufferSequence>
    friend buffer_registration register_buffers(
        Where&& where, const MutableBufferSequence& buffers, error_code& ec);

    detail::registered_memory memory_;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio

namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// Returns the service of an execution context, or of an executor's context.
template <typename Where>
file_service& find_service_of(Where& where) {
    if constexpr (std::is_convertible_v<Where&, net::execution_context&>)
        return net::use_service<file_service>(static_cast<net::execution_context&>(where));
    else
        return find_service(where);
}

/// Converts a buffer sequence, without its empty buffers.
template <typename MutableBufferSequence>
std::vector<iovec> to_iovecs(const MutableBufferSequence& buffers) {
    static_assert(
        net::is_mutable_buffer_sequence<MutableBufferSequence>::value,
        "register_buffers needs a MutableBufferSequence");
    std::vector<iovec> memory;
    const auto end = net::buffer_sequence_end(buffers);
    for (auto it = net::buffer_sequence_begin(buffers); it != end; ++it) {
        const net::mutable_buffer one(*it);
        if (one.size() != 0)
            memory.push_back({one.data(), one.size()});
    }
    return memory;
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail

namespace asio_aio {
inline namespace ASIO_AIO_FLAVOUR {

/// Registers memory with an execution context. On io_uring, reads and writes whose memory lies in
/// it then use fixed buffers, whatever buffer type names the memory.
/**
 * The kernel finds and pins the pages of a fixed buffer once, and not for each direct operation.
 * Everything else stays the same. An operation uses a fixed buffer if all of its memory lies in one
 * of the registered buffers. It uses plain memory if it has several buffers, or if it spans two
 * registered ones. Registrations may overlap, and a context may have any number of them. A buffer
 * above 1 GiB is registered in parts of 1 GiB, and an operation on two parts uses plain memory.
 *
 * On libaio, on the thread pool and in other contexts, operations use the memory as plain memory.
 * So do operations that a thread of the pool performs for io_uring. Memory that the kernel refuses
 * is plain as well, which is no error of this call: `buffer_registration::error` and `describe`
 * report it. `statistics` counts operations with fixed buffers.
 *
 * Call this function with its namespace, because Asio has a function of the same name.
 *
 * The call chooses the engines if this is the first use of the context, as `open` does. It blocks:
 * the kernel touches each page. Meanwhile it makes other threads wait that start or end operations
 * of the context. After a fork the child process registers the memory again in `notify_fork`.
 *
 * @param where   An executor or an execution context.
 * @param buffers The memory. It is the caller's, and must stay mapped until the registration has
 *                ended and the operations that use it have completed. If it is unmapped before,
 *                later operations on new memory at the same address use the old pages. Empty
 *                buffers are ignored.
 *
 * @par Errors
 * `invalid_argument` if all buffers are empty, or an address is null or beyond the end of the
 * address space. Those of `open` if there is no engine. Throws `std::bad_alloc`.
 *
 * @par Thread safety
 * Safe. With `options::single_issuer` only the thread that runs the context can register: a call on
 * another thread returns at once, and that thread registers the memory at its next turn.
 *
 * @par Source
 * io_uring_register(2), IORING_REGISTER_BUFFERS_UPDATE (Linux 5.13). The kernel counts the pages
 * against RLIMIT_MEMLOCK of the user, unless the process has CAP_IPC_LOCK.
 */
template <typename Where, typename MutableBufferSequence>
buffer_registration register_buffers(
    Where&& where, const MutableBufferSequence& buffers, error_code& ec) {
    buffer_registration made;
    const std::vector<iovec> memory = detail::to_iovecs(buffers);
    ec = detail::find_fault(memory.data(), memory.size()).empty()
        ? detail::find_service_of(where).register_memory(memory.data(), memory.size(), made.memory_)
        : net::error::invalid_argument;
    return made;
}

/// As above, but throws `boost::system::system_error`, whose text names what is wrong.
template <typename Where, typename MutableBufferSequence>
buffer_registration register_buffers(Where&& where, const MutableBufferSequence& buffers) {
    error_code ec;
    // qualified, because Asio has a function of this name
    buffer_registration made = asio_aio::register_buffers(where, buffers, ec);
    if (ec) {
        const std::vector<iovec> memory = detail::to_iovecs(buffers);
        const std::string fault = detail::find_fault(memory.data(), memory.size());
        detail::throw_if(ec, fault.empty() ? "register_buffers" : "register_buffers: " + fault);
    }
    return made;
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio
