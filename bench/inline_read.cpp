// SPDX-License-Identifier: BSL-1.0
// Compares inline reads of cached data with a bare pread loop: CPU time of a 4 KiB read, in
// interleaved rounds of one process.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t file_blocks = 64 * 1024; // 256 MiB
constexpr int warm_up_rounds = 1;

struct settings {
    std::uint64_t reads_per_round = 200'000;
    int rounds = 15;
};

/// Random offsets: the same sequence for every contestant.
class random_offset {
public:
    std::uint64_t operator()() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return (state_ >> 33) % file_blocks * block_bytes;
    }

private:
    std::uint64_t state_ = 1;
};

class data_file {
public:
    data_file()
        : path_(
              std::filesystem::temp_directory_path() /
              ("inline_read." + std::to_string(::getpid()))) {
        const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        const std::vector<char> block(1 << 20, 'x');
        for (std::size_t written = 0; fd != -1 && written < file_blocks * block_bytes;
             written += block.size())
            if (::write(fd, block.data(), block.size()) != ssize_t(block.size()))
                throw std::runtime_error("cannot write " + path_.string());
        if (fd == -1)
            throw std::runtime_error("cannot create " + path_.string());
        ::close(fd);
    }
    data_file(const data_file&) = delete;
    data_file& operator=(const data_file&) = delete;
    ~data_file() { std::filesystem::remove(path_); }

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

void check(bool ok) {
    if (!ok) {
        std::fputs("a read failed\n", stderr);
        std::abort();
    }
}

void pread_loop(const data_file& data, std::uint64_t reads) {
    const int fd = ::open(data.path().c_str(), O_RDONLY | O_CLOEXEC);
    std::array<char, block_bytes> block;
    random_offset next;
    while (reads-- != 0)
        check(::pread(fd, block.data(), block.size(), off_t(next())) == ssize_t(block_bytes));
    ::close(fd);
}

/// One of `depth` chains of reads: each completion starts the next read.
struct chain {
    asio_aio::random_access_file_aio& file;
    random_offset& next;
    std::uint64_t& left;
    std::array<char, block_bytes> block{};

    void start() {
        if (left == 0)
            return;
        --left;
        file.async_read_some_at(
            next(), asio::buffer(block), [this](boost::system::error_code ec, std::size_t n) {
                check(!ec && n == block_bytes);
                start();
            });
    }
};

void callbacks(const data_file& data, std::uint64_t reads, std::size_t depth) {
    asio::io_context ctx;
    asio_aio::random_access_file_aio file(ctx, data.path(), asio_aio::file_base::read_only);
    random_offset next;
    std::vector<std::unique_ptr<chain>> chains;
    for (std::size_t i = 0; i != depth; ++i)
        chains.push_back(std::unique_ptr<chain>(new chain{file, next, reads}));
    for (auto& each : chains)
        each->start();
    ctx.run();
}

asio::awaitable<void> read_all(
    asio_aio::random_access_file_aio& file, random_offset& next, std::uint64_t& left) {
    std::array<char, block_bytes> block;
    while (left != 0) {
        --left;
        check(
            co_await file.async_read_some_at(next(), asio::buffer(block), asio::use_awaitable) ==
            block_bytes);
    }
}

void awaitables(const data_file& data, std::uint64_t reads, std::size_t depth) {
    asio::io_context ctx;
    asio_aio::random_access_file_aio file(ctx, data.path(), asio_aio::file_base::read_only);
    random_offset next;
    for (std::size_t i = 0; i != depth; ++i)
        asio::co_spawn(ctx, read_all(file, next, reads), asio::detached);
    ctx.run();
}

double cpu_seconds() {
    timespec now;
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

struct contestant {
    const char* name;
    std::function<void(const data_file&, std::uint64_t)> run;
    const contestant* counterpart = nullptr; ///< The contestant with callbacks.
    std::vector<double> microseconds{};

    double median() const {
        std::vector<double> sorted = microseconds;
        std::sort(sorted.begin(), sorted.end());
        return sorted[sorted.size() / 2];
    }
};

/// The median, over all rounds, of the time of `a` divided by the time of `b` in the same round.
double median_ratio(const contestant& a, const contestant& b) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i != a.microseconds.size(); ++i)
        ratios.push_back(a.microseconds[i] / b.microseconds[i]);
    std::sort(ratios.begin(), ratios.end());
    return ratios[ratios.size() / 2];
}

void usage(const char* program) {
    std::printf(
        "usage: %s [--rounds N] [--reads N]\n"
        "Prints the CPU time of a cached random 4 KiB read: in a pread loop, and as an inline "
        "read\n"
        "of asio_aio.\n"
        "  --rounds N  interleaved rounds of all contestants (15); the table has medians\n"
        "  --reads N   reads of each contestant in a round (200000)\n",
        program);
}

bool parse(int argc, char* argv[], settings& wanted) {
    for (int i = 1; i < argc; i += 2) {
        const std::string option = argv[i];
        char* end = nullptr;
        const long long value = i + 1 < argc ? std::strtoll(argv[i + 1], &end, 10) : 0;
        const bool known = option == "--rounds" || option == "--reads";
        if (!known || value < 1 || *end != '\0') {
            if (option != "--help")
                std::fprintf(
                    stderr, "bench_inline_read: %s: %s\n", option.c_str(),
                    known ? "needs a whole number from 1" : "unknown option");
            return false;
        }
        if (option == "--rounds")
            wanted.rounds = int(value);
        else
            wanted.reads_per_round = std::uint64_t(value);
    }
    return true;
}

} // namespace

int main(int argc, char* argv[]) try {
    settings wanted;
    if (!parse(argc, argv, wanted)) {
        usage(argv[0]);
        return argc == 2 && std::string(argv[1]) == "--help" ? 0 : 2;
    }
    const data_file data;
    contestant all[] = {
        {"pread loop", pread_loop},
        {"callback, 1 in flight", [](auto& d, auto n) { callbacks(d, n, 1); }},
        {"callback, 32 in flight", [](auto& d, auto n) { callbacks(d, n, 32); }},
        {"use_awaitable, 1 in flight", [](auto& d, auto n) { awaitables(d, n, 1); }, &all[1]},
        {"use_awaitable, 32 in flight", [](auto& d, auto n) { awaitables(d, n, 32); }, &all[2]},
    };
    for (int round = -warm_up_rounds; round != wanted.rounds; ++round) {
        for (contestant& each : all) {
            const double begin = cpu_seconds();
            each.run(data, wanted.reads_per_round);
            if (round >= 0)
                each.microseconds.push_back(
                    (cpu_seconds() - begin) * 1e6 / double(wanted.reads_per_round));
        }
    }
    std::printf(
        "%-28s %12s %10s %12s\n", "cached 4 KiB read", "CPU us/read", "x pread", "x callback");
    for (const contestant& each : all) {
        std::printf("%-28s %12.3f %10.2f", each.name, each.median(), median_ratio(each, all[0]));
        if (each.counterpart)
            std::printf(" %12.2f", median_ratio(each, *each.counterpart));
        std::printf("\n");
    }
    return 0;
} catch (const std::exception& error) {
    std::cerr << "bench_inline_read: " << error.what() << '\n';
    return 1;
}
