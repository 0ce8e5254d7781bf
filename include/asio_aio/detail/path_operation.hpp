// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/detail/asio.hpp>
#include <asio_aio/detail/core/path_calls.hpp>
#include <asio_aio/detail/error.hpp>
#include <asio_aio/detail/find_service.hpp>
#include <asio_aio/detail/initiation.hpp>
#include <asio_aio/detail/path_argument.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

/// Calls on paths. A thread of the pool performs them.
namespace asio_aio::detail {
inline namespace ASIO_AIO_FLAVOUR {

/// Copies of one or two paths. Long ones are in memory of the handler's allocator.
class stored_paths {
public:
    const char* first() const noexcept { return memory_; }
    const char* second() const noexcept { return memory_ + first_bytes_; }

    template <typename Allocator, typename... Second>
    void assign(const Allocator& allocator, const path_argument& first, const Second&... second) {
        first_bytes_ = std::strlen(first.c_str()) + 1;
        const std::size_t bytes = (first_bytes_ + ... + (std::strlen(second.c_str()) + 1));
        if (bytes > sizeof in_place_) {
            memory_ = rebound<Allocator>(allocator).allocate(bytes);
            allocated_ = bytes;
        }
        std::memcpy(memory_, first.c_str(), first_bytes_);
        (std::memcpy(memory_ + first_bytes_, second.c_str(), bytes - first_bytes_), ...);
    }

    template <typename Allocator>
    void release(const Allocator& allocator) noexcept {
        if (allocated_ != 0)
            rebound<Allocator>(allocator).deallocate(memory_, allocated_);
    }

private:
    template <typename Allocator>
    using rebound = typename std::allocator_traits<Allocator>::template rebind_alloc<char>;

    char in_place_[160]; // most paths
    char* memory_ = in_place_;
    std::size_t first_bytes_ = 0, allocated_ = 0;
};

/// The part of a call that its operation holds.
class path_call : public blocking_call {
public:
    using signature = void(error_code);

    static std::tuple<error_code> arguments(const operation& op) { return to_error(op.result); }
    static std::tuple<error_code> arguments_of(int error) { return to_error(error); }

    template <typename Allocator>
    void release(const Allocator& allocator) noexcept {
        paths.release(allocator);
    }

    stored_paths paths;
};

/// A call with a value that is copied, beside its paths.
template <typename Value>
class path_call_with : public path_call {
public:
    template <typename Allocator>
    void assign(const Value& value, const Allocator&) {
        wanted = value;
    }

    Value wanted{};
};

struct nothing {};

/// The type of executor that a program named by an executor or by an execution context.
template <typename T, typename = void>
struct executor_of {
    using type = T;
    static const T& get(const T& executor) noexcept { return executor; }
};

template <typename T>
struct executor_of<T, std::enable_if_t<std::is_convertible_v<T&, net::execution_context&>>> {
    using type = typename T::executor_type;
    static type get(T& context) noexcept { return context.get_executor(); }
};

template <typename T>
using executor_of_t = typename executor_of<std::remove_cv_t<std::remove_reference_t<T>>>::type;

template <typename T>
executor_of_t<T> get_executor_of(T& where) {
    return executor_of<std::remove_cv_t<std::remove_reference_t<T>>>::get(where);
}

template <typename Call, typename Executor>
class initiate_path_call {
public:
    using executor_type = Executor;
    explicit initiate_path_call(const Executor& executor) : executor_(executor) {}

    const executor_type& get_executor() const noexcept { return executor_; }

    template <typename Handler, typename Value, typename... Paths>
    void operator()(Handler&& handler, const Value& wanted, const Paths&... paths) const {
        std::decay_t<Handler> owned(std::forward<Handler>(handler));
        start(find_service(executor_), owned, wanted, paths...);
    }

private:
    template <typename Handler, typename Value, typename... Paths>
    void start(
        file_service& service, Handler& handler, const Value& wanted, const Paths&... paths) const {
        using op_type = async_op<Handler, Executor, Call>;
        if (const int fault = (paths.has_null() || ...) ? -EINVAL : service.prepare()) {
            service.scheduler().count_ended_at_start(true);
            return std::apply(
                [&](const auto&... args) {
                    end_at_start<op_type>(
                        service, executor_, op_kind::call, handler, fault, args...);
                },
                Call::arguments_of(fault));
        }
        auto op = op_type::create(op_kind::call, handler);
        Call& call = op->result_part();
        call.assign(wanted, op->allocator());
        call.paths.assign(op->allocator(), paths...);
        op->function = &call;
        launch(service, executor_, std::move(op));
    }

    Executor executor_;
};

/// `Token` may be a reference type: then the caller's token is not moved from.
template <typename Call, typename Token, typename Where, typename Value, typename... Paths>
auto initiate_on_paths(
    Where& where, std::remove_reference_t<Token>& token, const Value& wanted,
    const Paths&... paths) {
    using executor_type = executor_of_t<Where>;
    return net::async_initiate<Token, typename Call::signature>(
        initiate_path_call<Call, executor_type>(get_executor_of(where)), token, wanted,
        path_argument(paths)...);
}

} // namespace ASIO_AIO_FLAVOUR
} // namespace asio_aio::detail
