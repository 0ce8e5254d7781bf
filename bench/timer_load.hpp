// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "data_files.hpp"
#include "option_set.hpp"
#include "workload.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace bench {

struct timer_settings {
    unsigned writes = 64; ///< Writes and syncs in flight.
    /// Writes of a place before each of its syncs; 0: no syncs.
    unsigned sync_every = 16;
    std::string engine = "automatic";
    unsigned max_threads = 32;

    void add_to(option_set& options);
};

/// The load beside the timer.
class timer_load {
public:
    timer_load() = default;
    timer_load(const timer_load&) = delete;
    timer_load& operator=(const timer_load&) = delete;
    virtual ~timer_load() = default;

    virtual void start() {}
    /// Starts no further operation. The operations in flight complete.
    virtual void stop() {}

    virtual std::uint64_t writes() const { return 0; }
    virtual std::uint64_t syncs() const { return 0; }
    virtual std::string engine() const { return "none"; }
};

/// Makes the load with this name: idle, threads or asio_aio.
std::unique_ptr<timer_load> make_timer_load(
    const std::string& name, boost::asio::io_context& context, const timer_settings& wanted,
    const workload& given, const data_files& files);

} // namespace bench
