// SPDX-License-Identifier: BSL-1.0
#include "engine/thread_pool/worker_thread.hpp"

#include <link.h>
#include <signal.h>
#include <cerrno>
#include <cstddef>

namespace asio_aio::detail {
namespace {

/// The thread-local storage of the modules that the program was started with: glibc takes it from
/// each thread's stack.
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

/// The stack of a worker. System calls need little of it; the rest is for the C library and
/// sanitizers.
/**
 * Not the default of 8 MiB: under mlockall(2) all of a stack is memory, and it counts where memory
 * may not be overcommitted.
 */
std::size_t worker_stack_bytes() noexcept {
    constexpr std::size_t for_calls = 256 * 1024;
    // it does not grow: dlopen(3) takes it elsewhere
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

} // namespace asio_aio::detail
