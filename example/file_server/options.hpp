// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "block_reader.hpp"
#include "upload.hpp"

#include <asio_aio/configure.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace file_server {

struct server_options {
    std::string root;
    std::string address;
    std::uint16_t port = 0;
    unsigned threads = 1;
    std::size_t max_connections = 0;
    read_plan plan;
    std::size_t buffer_memory = 0; // bytes
    upload_limits uploads;
    std::size_t upload_memory = 0; // bytes
    std::chrono::seconds open_timeout{};
    std::chrono::seconds header_timeout{};
    std::chrono::seconds timeout{};
    std::chrono::seconds drain_limit{};
    bool quiet = false;
    asio_aio::options files;
};

/// A wrong command line. what() names the option and says what would be right.
struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Parses the command line. Empty after `--help`, whose text it prints to standard output.
/** @throws usage_error for a wrong command line. */
std::optional<server_options> parse_options(int argc, const char* const* argv);

} // namespace file_server
