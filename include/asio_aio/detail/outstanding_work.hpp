// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/context_executor.hpp>

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

/// What keeps `run` from returning while an operation is in flight.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

template <typename Executor>
auto track_work(const Executor& executor) {
    if constexpr (net::execution::is_executor<Executor>::value)
        return net::prefer(executor, net::execution::outstanding_work.tracked);
    else // an executor of the Networking TS, as io_context::strand
        return net::executor_work_guard<Executor>(executor);
}

template <typename Executor>
using tracked_work = decltype(track_work(std::declval<const Executor&>()));

/// Outstanding work on an executor's context.
template <typename Executor, typename = void>
class outstanding_work {
public:
    explicit outstanding_work(const Executor& executor) : work_(track_work(executor)) {}

private:
    tracked_work<Executor> work_;
};

/// Outstanding work for a strand, on the executor behind it. This needs no copy of the strand.
template <typename Strand>
class outstanding_work<Strand, std::enable_if_t<is_strand<Strand>::value>>
    : public outstanding_work<behind_strand_t<Strand>> {
public:
    explicit outstanding_work(const Strand& executor)
        : outstanding_work<behind_strand_t<Strand>>(behind_strand(executor)) {}
};

/// Outstanding work behind type erasure, on the context's own executor if its type is known. The
/// type-erased executor may allocate to track work.
template <>
class outstanding_work<net::any_io_executor> {
public:
    explicit outstanding_work(const net::any_io_executor& executor) {
        const native_executor native = find_native_target(executor);
        if (const auto* io = std::get_if<io_context_executor>(&native))
            io_.emplace(track_work(*io));
        else
            other_.emplace(native, executor);
    }

private:
    using io_context_executor = net::io_context::executor_type;
    using thread_pool_executor = net::thread_pool::executor_type;

    struct other {
        other(const native_executor& native, const net::any_io_executor& executor) {
            if (const auto* one = std::get_if<thread_pool_executor>(&native))
                pool.emplace(track_work(*one));
            else
                erased = track_work(executor);
        }

        std::optional<tracked_work<thread_pool_executor>> pool;
        net::any_io_executor erased;
    };

    std::optional<tracked_work<io_context_executor>> io_; // the most frequent case, cheap to move
    std::optional<other> other_;
};

/// Outstanding work for classes derived from a type-erased executor, which `as_default_on` creates.
template <typename Derived>
class outstanding_work<
    Derived,
    std::enable_if_t<
        std::is_base_of_v<net::any_io_executor, Derived> &&
        !std::is_same_v<net::any_io_executor, Derived>>>
    : public outstanding_work<net::any_io_executor> {
public:
    using outstanding_work<net::any_io_executor>::outstanding_work;
};

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
