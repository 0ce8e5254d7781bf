// SPDX-License-Identifier: BSL-1.0
// A program with much thread-local storage. The C library puts this storage on each thread's stack.
#include "engine_fixture.hpp"

#include <pthread.h>
#include <atomic>
#include <cstring>

using namespace test;

namespace {

thread_local char storage[249 * 1024];

std::atomic<std::size_t> bytes_left{0};

/// Stores how many bytes of stack the calling worker has left.
int measure_stack(detail::operation& op) noexcept {
    std::memset(storage, 'x', sizeof storage);
    pthread_attr_t attributes;
    void* lowest = nullptr;
    std::size_t size = 0;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    ::pthread_attr_getstack(&attributes, &lowest, &size);
    ::pthread_attr_destroy(&attributes);
    // Not the address of a variable, which AddressSanitizer may keep elsewhere (GCC 13 and newer).
    const auto* here = static_cast<const char*>(__builtin_frame_address(0));
    bytes_left = std::size_t(here - static_cast<const char*>(lowest));
    return detail::posix_file::perform(op);
}

} // namespace

BOOST_AUTO_TEST_CASE(thread_local_storage_leaves_the_pools_workers_their_stack) {
    engine_fixture fixture(make_pool(&measure_stack));
    plain_operation op(detail::op_kind::sync_all);
    fixture.prepare(op);
    BOOST_TEST(fixture.perform(op) == 0);
    BOOST_TEST(bytes_left >= 200u * 1024);
    BOOST_TEST(bytes_left <= 2048u * 1024); // mlockall(2) locks the whole stack of each worker
}
