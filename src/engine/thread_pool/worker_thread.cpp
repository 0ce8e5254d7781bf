// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/worker_thread.hpp"

#include <link.h>
#include <signal.h>
#include <unistd.h>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace asio_aio::detail {
namespace {

/// The size of the thread-local storage of all loaded modules. glibc takes it from each thread's
/// stack.
std::size_t thread_local_bytes() noexcept {
    std::size_t bytes = 0;
    const auto add = [](dl_phdr_info* module, std::size_t, void* sum) {
        for (unsigned i = 0; i != module->dlpi_phnum; ++i)
            if (const auto& part = module->dlpi_phdr[i]; part.p_type == PT_TLS)
                *static_cast<std::size_t*>(sum) +=
                    std::size_t(part.p_memsz) + std::size_t(part.p_align);
        return 0;
    };
    ::dl_iterate_phdr(add, &bytes);
    return bytes;
}

/// The stack size of a worker. System calls need little of it; the rest is for the C library and
/// sanitizers.
/**
 * Smaller than the default of 8 MiB. With mlockall(2) the whole stack occupies memory, and without
 * overcommit it counts against the limit.
 */
std::size_t worker_stack_bytes() noexcept {
    constexpr std::size_t for_calls = 256 * 1024;
    // computed once: glibc takes the storage of modules loaded later from elsewhere (dlopen(3))
    static const std::size_t bytes = for_calls + thread_local_bytes();
    return bytes;
}

} // namespace

int create_worker_thread(pthread_t& thread, void* (*entry)(void*), void* argument) noexcept {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, worker_stack_bytes());
    int error = pthread_create(&thread, &attributes, entry, argument);
    if (error == EINVAL) // the C library reserves more (glibc.rtld.optional_static_tls)
        error = pthread_create(&thread, nullptr, entry, argument);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return error;
}

int call_thread::start(void* (*entry)(void*), void* argument) noexcept {
    const std::lock_guard<std::mutex> held(mutex_);
    join_locked();
    const int error = create_worker_thread(thread_, entry, argument);
    process_ = error == 0 ? ::getpid() : 0;
    return error;
}

void call_thread::join() noexcept {
    const std::lock_guard<std::mutex> held(mutex_);
    join_locked();
}

void call_thread::join_locked() noexcept {
    if (std::exchange(process_, 0) == ::getpid())
        ::pthread_join(thread_, nullptr);
}

} // namespace asio_aio::detail
