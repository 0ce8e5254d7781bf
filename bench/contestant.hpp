// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "data_files.hpp"
#include "measure.hpp"
#include "option_set.hpp"
#include "outcome.hpp"
#include "place.hpp"
#include "workload.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {

/// What a contestant has to work with, and may say about itself.
struct job {
    explicit job(const workload& given) : wanted(given), files(given), measured(given) {}

    const workload& wanted;
    data_files files;
    measurement measured;
    std::string engine{};
    std::string notes{};
};

/// What one thread of a contestant does: its constructor prepares, unmeasured.
class worker {
public:
    worker() = default;
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    virtual ~worker() = default;

    /// Does all operations of its places.
    virtual void run() noexcept = 0;
};

using make_worker = std::function<std::unique_ptr<worker>(std::vector<place>&)>;

/// Makes a worker on each of `groups` threads, with so many places; when all are made, they run.
/** One group is on the calling thread. What the workers own ends after the measurement. */
void run_groups(job& task, unsigned groups, unsigned places, const make_worker& make);

/// The same with workers that are made of the job, their places and `arguments`.
template <typename Worker, typename... Arguments>
void run_groups(job& task, unsigned groups, unsigned places, const Arguments&... arguments) {
    const make_worker make = [&](std::vector<place>& mine) {
        return std::make_unique<Worker>(task, mine, arguments...);
    };
    run_groups(task, groups, places, make);
}

/// The `main` of every contestant: parses, prepares, lets `body` run the groups, prints the line.
/**
 * Exit status: 0; 1 where something failed; 2 for a wrong option; 77 if the contestant cannot run
 * here.
 */
int run_contestant(
    int argc, char* argv[], const std::string& name, option_set& options,
    const std::function<void(job&)>& body);

} // namespace bench
