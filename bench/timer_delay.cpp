// SPDX-License-Identifier: BSL-1.0
// Measures how late a 1 ms timer fires: in an idle loop, beside threads that write, and in a loop
// that writes to files itself.
#include "contestant.hpp"
#include "timer_load.hpp"

#include <boost/asio/steady_timer.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds period(1);

/// Fires every millisecond until the time is over, and records each delay.
class late_timer {
public:
    late_timer(
        asio::io_context& context, std::chrono::seconds time, std::function<void()> at_the_end)
        : timer_(context), end_(steady_clock::now() + time), at_the_end_(std::move(at_the_end)) {}

    void start() {
        timer_.expires_after(period);
        timer_.async_wait([this](boost::system::error_code) {
            const auto now = steady_clock::now();
            lateness_.add(now - timer_.expiry());
            now < end_ ? start() : at_the_end_();
        });
    }

    const bench::histogram& lateness() const { return lateness_; }

private:
    asio::steady_timer timer_;
    steady_clock::time_point end_;
    std::function<void()> at_the_end_;
    bench::histogram lateness_;
};

struct settings {
    bench::workload files;
    bench::timer_settings load;
    std::string which = "all";
    unsigned seconds = 5;

    settings() {
        files.operation = "write";
        files.block = 64 * 1024;
    }

    void add_to(bench::option_set& all) {
        all.word("load", which, {"all", "idle", "threads", "asio_aio"}, "load beside the timer");
        all.number("seconds", seconds, 1, 3600, "seconds that each load takes");
        load.add_to(all);
        add_data_options(all, files);
    }
};

void print(
    const settings& wanted, const std::string& name, const bench::histogram& lateness,
    const bench::timer_load& load) {
    const double seconds = wanted.seconds;
    nlohmann::ordered_json line{
        {"contestant", "timer: " + name}, {"timer_expiries", lateness.count()}};
    line["p50_us"] = lateness.quantile_us(0.5);
    line["p99_us"] = lateness.quantile_us(0.99);
    line["max_us"] = lateness.quantile_us(1);
    line["writes_per_second"] = double(load.writes()) / seconds;
    line["syncs_per_second"] = double(load.syncs()) / seconds;
    line["engine"] = load.engine();
    if (wanted.files.json)
        std::cout << line << std::endl;
    else
        std::printf(
            "%-16s late by p50 %8.1f  p99 %8.1f  max %9.1f us   %8.0f writes/s %6.0f syncs/s   "
            "%s\n",
            name.c_str(), lateness.quantile_us(0.5), lateness.quantile_us(0.99),
            lateness.quantile_us(1), double(load.writes()) / seconds,
            double(load.syncs()) / seconds, load.engine().c_str());
}

void measure(const settings& wanted, const std::string& name, const bench::data_files& files) {
    asio::io_context context;
    const auto load = bench::make_timer_load(name, context, wanted.load, wanted.files, files);
    late_timer timer(context, std::chrono::seconds(wanted.seconds), [&] { load->stop(); });
    load->start();
    timer.start();
    context.run();
    print(wanted, name, timer.lateness(), *load);
}

} // namespace

int main(int argc, char* argv[]) {
    return bench::guarded("timer_delay", [&] {
        bench::option_set options(
            "How late a 1 ms timer of an io_context fires while files are written to.");
        settings wanted;
        wanted.add_to(options);
        if (!options.parse(argc, argv))
            return;
        check(wanted.files);
        const bench::data_files files(wanted.files);
        for (const std::string name : {"idle", "threads", "asio_aio"})
            if (wanted.which == "all" || wanted.which == name)
                measure(wanted, name, files);
        files.write_back_all();
    });
}
