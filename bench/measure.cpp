// SPDX-License-Identifier: BSL-1.0
#include "measure.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <stdexcept>
#include <utility>

namespace bench {

// --- Histogram ---

void histogram::add(std::chrono::nanoseconds time) noexcept {
    const auto ns = std::uint64_t(std::max<std::int64_t>(time.count(), 0));
    counts_[bucket(ns)].fetch_add(1, std::memory_order_relaxed);
    std::uint64_t highest = highest_.load(std::memory_order_relaxed);
    while (ns > highest &&
           !highest_.compare_exchange_weak(highest, ns, std::memory_order_relaxed)) {
    }
}

std::uint64_t histogram::count() const {
    std::uint64_t sum = 0;
    for (const auto& each : counts_)
        sum += each;
    return sum;
}

double histogram::quantile_us(double q) const {
    if (q >= 1)
        return double(highest_) / 1e3;
    const auto rank = std::uint64_t(q * double(count()));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i != counts_.size(); ++i)
        if ((sum += counts_[i]) > rank)
            return std::min(middle(i), double(highest_)) / 1e3;
    return 0;
}

std::size_t histogram::bucket(std::uint64_t ns) noexcept {
    if (ns < fine)
        return ns;
    const unsigned shift = 63 - unsigned(__builtin_clzll(ns)) - fine_bits;
    return (std::size_t(shift) << fine_bits) + std::size_t(ns >> shift);
}

double histogram::middle(std::size_t bucket) {
    if (bucket < fine)
        return double(bucket);
    const std::size_t shift = (bucket >> fine_bits) - 1;
    return (double((bucket & (fine - 1)) + fine) + 0.5) * double(std::uint64_t(1) << shift);
}

// --- Measurement ---

measurement::measurement(const workload& wanted)
    : operations_(wanted.operations),
      warm_up_(wanted.warm_up()),
      latency_(wanted.latency),
      one_thread_(wanted.threads == 1) {}

void measurement::set_places(std::uint64_t places, unsigned groups) {
    // With several threads, a place takes several operations at a time: less contention for the
    // counter. It takes few, so that all places end together.
    if (!one_thread_)
        batch_ = unsigned(std::clamp<std::uint64_t>(operations_ / places / 64, 1, 16));
    groups_running_ = groups;
}

unsigned measurement::take(std::uint64_t& first) noexcept {
    if (next_.load(std::memory_order_relaxed) >= operations_)
        return 0;
    first = next_.fetch_add(batch_, std::memory_order_relaxed);
    if (first >= operations_)
        return 0;
    const auto taken = unsigned(std::min<std::uint64_t>(batch_, operations_ - first));
    if (first <= warm_up_ && warm_up_ < first + taken)
        begin_ = now();
    return taken;
}

void measurement::group_finished(std::uint64_t completed) noexcept {
    completed_ += completed;
    if (groups_running_.fetch_sub(1) == 1)
        end_ = now();
}

measurement::instant measurement::now() noexcept {
    // User and system time of all threads, as in getrusage(2), but in nanoseconds.
    timespec cpu{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return {clock::now(), double(cpu.tv_sec) + double(cpu.tv_nsec) * 1e-9};
}

namespace {

nlohmann::ordered_json describe(const workload& wanted) {
    return {
        {"operation", wanted.operation},
        {"read_percent", wanted.read_percent},
        {"direct", wanted.direct},
        {"block", wanted.block},
        {"depth", wanted.depth},
        {"files", wanted.files},
        {"threads", wanted.threads},
        {"size_mib", wanted.size_mib},
        {"seed", wanted.seed}};
}

void print_text(const nlohmann::ordered_json& line) {
    std::printf(
        "%-28s %12.0f /s %9.3f us CPU/op", line["contestant"].get<std::string>().c_str(),
        line["rate"].get<double>(), line["cpu_us_per_operation"].get<double>());
    if (line.contains("p50_us"))
        std::printf(
            "   p50 %9.1f  p99 %9.1f  p99.9 %9.1f us", line["p50_us"].get<double>(),
            line["p99_us"].get<double>(), line["p999_us"].get<double>());
    std::printf(
        "   %s%s%s\n", line["engine"].get<std::string>().c_str(),
        line["notes"].get<std::string>().empty() ? "" : ": ",
        line["notes"].get<std::string>().c_str());
}

} // namespace

void measurement::check_completed() const {
    if (completed_ != operations_)
        throw std::logic_error(
            std::to_string(completed_) + " operations completed instead of " +
            std::to_string(operations_));
}

void measurement::print(
    const std::string& contestant, const workload& wanted, const std::string& engine,
    const std::string& notes) const {
    check_completed();
    const double seconds = std::chrono::duration<double>(end_.wall - begin_.wall).count();
    const std::uint64_t measured = operations_ - warm_up_;
    nlohmann::ordered_json line{
        {"contestant", contestant}, {"workload", describe(wanted)}, {"operations", measured}};
    line["seconds"] = seconds;
    line["rate"] = double(measured) / seconds;
    line["cpu_us_per_operation"] = (end_.cpu_seconds - begin_.cpu_seconds) * 1e6 / double(measured);
    if (latency_)
        for (const auto& [name, q] :
             {std::pair("p50_us", 0.5), std::pair("p99_us", 0.99), std::pair("p999_us", 0.999)})
            line[name] = latencies_.quantile_us(q);
    line["engine"] = engine;
    line["notes"] = notes;
    if (wanted.json)
        std::cout << line << std::endl;
    else
        print_text(line);
}

} // namespace bench
