// SPDX-License-Identifier: BSL-1.0
#include "engine/io_uring/thread_identity.hpp"

#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <new>

namespace asio_aio::detail {
namespace {

/// Sets a flag when its thread exits.
class end_watch {
public:
    end_watch() noexcept {
        try {
            ended_ = std::make_shared<std::atomic<bool>>(false);
        } catch (const std::bad_alloc&) {
            // Without the flag, `has_ended` relies on the kernel alone.
        }
    }
    end_watch(const end_watch&) = delete;
    end_watch& operator=(const end_watch&) = delete;
    ~end_watch() {
        is_gone = true;
        if (ended_)
            ended_->store(true, std::memory_order_release);
    }

    /// The calling thread's flag. Null if there was no memory, or in a destructor that runs after
    /// the watch's.
    static std::shared_ptr<const std::atomic<bool>> flag_of_caller() noexcept {
        if (is_gone)
            return nullptr;
        static thread_local const end_watch watch;
        return watch.ended_;
    }

private:
    static inline thread_local bool is_gone = false;
    std::shared_ptr<std::atomic<bool>> ended_;
};

std::uint64_t number_of_caller() noexcept {
    static std::atomic<std::uint64_t> last{0};
    static thread_local std::uint64_t number = 0;
    if (number == 0)
        number = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return number;
}

} // namespace

thread_identity thread_identity::of_caller() noexcept {
    thread_identity found;
    found.number_ = number_of_caller();
    found.ended_ = end_watch::flag_of_caller();
    found.process_ = ::getpid();
    found.kernel_id_ = pid_t(::syscall(SYS_gettid));
    return found;
}

bool thread_identity::is_caller() const noexcept {
    return number_ == number_of_caller();
}

bool thread_identity::has_ended() const noexcept {
    if (ended_ && ended_->load(std::memory_order_acquire))
        return true;
    // If another thread has the id by now, only the flag is right.
    return ::syscall(SYS_tgkill, process_, kernel_id_, 0) == -1 && errno == ESRCH;
}

} // namespace asio_aio::detail
