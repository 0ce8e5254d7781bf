// SPDX-License-Identifier: BSL-1.0
#include "outcome.hpp"

#include <cstdio>
#include <cstdlib>

namespace bench {

namespace {

constexpr int status_failed = 1;
constexpr int status_usage = 2;
constexpr int status_cannot_run = 77;

int complain(const std::string& name, const char* what, int status) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), what);
    return status;
}

} // namespace

void fail(std::string_view call, std::string_view reason) noexcept {
    std::fprintf(
        stderr, "%.*s failed: %.*s\n", int(call.size()), call.data(), int(reason.size()),
        reason.data());
    std::_Exit(status_failed);
}

int guarded(const std::string& name, const std::function<void()>& body) try {
    body();
    return 0;
} catch (const usage_error& error) {
    return complain(name, error.what(), status_usage);
} catch (const cannot_run& error) {
    return complain(name, error.what(), status_cannot_run);
} catch (const std::exception& error) {
    return complain(name, error.what(), status_failed);
}

} // namespace bench
