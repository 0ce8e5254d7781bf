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

/// The task of a contestant, and what the contestant reports about itself.
struct job {
    explicit job(const workload& given) : wanted(given), files(given), measured(given) {}

    const workload& wanted;
    data_files files;
    measurement measured;
    std::string engine{};
    std::string notes{};
};

/// The work of one thread of a contestant. Its constructor prepares and is not measured.
class worker {
public:
    worker() = default;
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    virtual ~worker() = default;

    /// Performs all operations of its places.
    virtual void run() noexcept = 0;
};

using make_worker = std::function<std::unique_ptr<worker>(std::vector<place>&)>;

/// Makes a worker with `places` places on each of `groups` threads, then runs all workers.
/** The calling thread is one of these threads. Workers are destroyed after the measurement. */
void run_groups(job& task, unsigned groups, unsigned places, const make_worker& make);

/// Overload that makes each `Worker` from the job, its places and `arguments`.
template <typename Worker, typename... Arguments>
void run_groups(job& task, unsigned groups, unsigned places, const Arguments&... arguments) {
    const make_worker make = [&](std::vector<place>& mine) {
        return std::make_unique<Worker>(task, mine, arguments...);
    };
    run_groups(task, groups, places, make);
}

/// The `main` of every contestant: parses the options, prepares the files, calls `body` and prints.
/**
 * `wanted` has the defaults of the workload's options.
 *
 * Exit status: 0 success, 1 failure, 2 a wrong option, 77 the contestant cannot run here.
 */
int run_contestant(
    int argc, char* argv[], const std::string& name, option_set& options,
    const std::function<void(job&)>& body, workload wanted = {});

} // namespace bench
