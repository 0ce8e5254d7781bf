// SPDX-License-Identifier: BSL-1.0
#include "contestant.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <latch>
#include <thread>

namespace bench {

namespace {

/// The threads of a run. All of them prepare, then all work, then all end.
class team {
public:
    team(job& task, unsigned groups, unsigned places, const make_worker& make)
        : task_(task),
          places_(places),
          make_(make),
          ready_(groups),
          done_(groups),
          errors_(groups) {}

    /// The function of thread `index`.
    void take_part(unsigned index) noexcept {
        std::unique_ptr<place_group> mine;
        std::unique_ptr<worker> own;
        try {
            const std::uint64_t first = std::uint64_t(index) * places_;
            mine = std::make_unique<place_group>(task_.measured, task_.wanted, places_, first);
            own = make_(mine->places());
        } catch (...) {
            errors_[index] = std::current_exception();
            failed_ = true;
        }
        ready_.arrive_and_wait();
        if (!failed_) {
            own->run();
            task_.measured.group_finished(mine->completed());
        }
        done_.arrive_and_wait();
    }

    void rethrow() const {
        for (const std::exception_ptr& error : errors_)
            if (error)
                std::rethrow_exception(error);
    }

private:
    job& task_;
    unsigned places_;
    const make_worker& make_;
    std::latch ready_;
    std::latch done_;
    std::vector<std::exception_ptr> errors_;
    std::atomic<bool> failed_{false};
};

} // namespace

void run_groups(job& task, unsigned groups, unsigned places, const make_worker& make) {
    task.measured.set_places(std::uint64_t(places) * groups, groups);
    team all(task, groups, places, make);
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < groups; ++i)
        threads.emplace_back([&all, i] { all.take_part(i); });
    all.take_part(0);
    for (std::thread& each : threads)
        each.join();
    all.rethrow();
}

int run_contestant(
    int argc, char* argv[], const std::string& name, option_set& options,
    const std::function<void(job&)>& body, workload wanted) {
    return guarded(name, [&] {
        add_workload_options(options, wanted);
        if (!options.parse(argc, argv))
            return;
        check(wanted);
        job task(wanted);
        body(task);
        task.measured.print(name, wanted, task.engine, task.notes);
        if (wanted.writes())
            task.files.write_back_all();
    });
}

} // namespace bench
