// SPDX-License-Identifier: BSL-1.0
#include "taste.hpp"

#include "latencies.hpp"

#include <asio_aio/configure.hpp>
#include <asio_aio/random_access_file_aio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <sys/resource.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>

namespace info {
namespace {

namespace asio = boost::asio;
using asio_aio::file_base;
using boost::system::error_code;
using clock = std::chrono::steady_clock;

// Bytes; also the alignment of memory and offset, which is enough for every device.
constexpr std::size_t block = 4096;
constexpr unsigned in_flight = 32;

// Not measured: the first reads are slow, because threads are made.
constexpr auto warm_up = std::chrono::milliseconds(100);

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return double(time.tv_sec) + double(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct free_memory {
    void operator()(char* memory) const { std::free(memory); }
};
using aligned_memory = std::unique_ptr<char, free_memory>;

aligned_memory make_memory(std::size_t bytes) {
    aligned_memory memory(static_cast<char*>(std::aligned_alloc(block, bytes)));
    if (!memory)
        throw std::bad_alloc();
    return memory;
}

/// A context with one engine, and an open file.
struct reading {
    reading(asio_aio::backend engine, const subject& from, bool direct, error_code& ec)
        : file(context) {
        asio_aio::options opts;
        opts.choice = {engine};
        opts.inline_read_limit = 0; // the engine performs reads of cached data, too
        asio_aio::configure(context, opts);
        file.open(
            from.path(), file_base::read_only | (direct ? file_base::direct : file_base::flags(0)),
            ec);
    }

    // Declared before the context, whose destructor waits for the reads in flight.
    const aligned_memory memory = make_memory(in_flight * block);
    asio::io_context context;
    asio_aio::random_access_file_aio file;
};

/// Keeps reads in flight until the time is over.
class measurement {
public:
    measurement(reading& from, std::uint64_t blocks, unsigned seconds)
        : from_(from), blocks_(blocks), length_(seconds) {}

    void run(engine_taste& result) {
        const clock::time_point now = clock::now();
        begin_ = now + warm_up;
        for (unsigned i = 0; i != in_flight; ++i)
            start(from_.memory.get() + i * block, now);
        from_.context.run();
        report(result);
    }

private:
    enum class phase : unsigned char { warming_up, measuring, over };

    void start(char* to, clock::time_point now) {
        const std::uint64_t offset = random_() % blocks_ * block;
        from_.file.async_read_some_at(
            offset, asio::buffer(to, block),
            [this, to, now](error_code ec, std::size_t bytes) { finish(to, now, ec, bytes); });
    }

    void finish(char* to, clock::time_point begun, error_code ec, std::size_t bytes) {
        const clock::time_point now = clock::now();
        if (ec || bytes != block) {
            error_ = ec ? ec.message()
                        : "a read of " + std::to_string(bytes) + " bytes instead of " +
                    std::to_string(block);
            phase_ = phase::over;
        }
        if (phase_ == phase::measuring) {
            ++operations_;
            times_.add(now - begun);
        }
        advance(now);
        if (phase_ != phase::over)
            start(to, now);
    }

    void advance(clock::time_point now) {
        if (phase_ == phase::warming_up && now >= begin_) {
            phase_ = phase::measuring;
            begin_ = now;
            cpu_ = cpu_seconds();
        } else if (phase_ == phase::measuring && now >= begin_ + length_) {
            phase_ = phase::over;
            end_ = now;
            cpu_ = cpu_seconds() - cpu_;
        }
    }

    void report(engine_taste& result) const {
        result.error = error_;
        if (!error_.empty())
            return;
        if (operations_ == 0) {
            result.error = "no read completed in time";
            return;
        }
        result.operations = operations_;
        result.per_second =
            double(operations_) / std::chrono::duration<double>(end_ - begin_).count();
        result.median_us = times_.quantile_us(0.5);
        result.p99_us = times_.quantile_us(0.99);
        result.cpu_us = cpu_ * 1e6 / double(operations_);
    }

    reading& from_;
    const std::uint64_t blocks_;
    const std::chrono::seconds length_;
    std::mt19937_64 random_;
    phase phase_ = phase::warming_up;
    clock::time_point begin_, end_;
    double cpu_ = 0;
    std::uint64_t operations_ = 0;
    latencies times_;
    std::string error_;
};

engine_taste taste(asio_aio::backend engine, const subject& file, const taste_report& how) {
    engine_taste result;
    result.engine = result.served_by = engine;
    error_code ec;
    reading from(engine, file, how.direct, ec);
    if (ec) {
        result.error = ec.message();
        return result;
    }
    result.served_by = from.file.backend();
    if (result.served_by != engine) { // the other engine has a line of its own
        result.failure = asio_aio::describe(from.context).failure;
        return result;
    }
    measurement(from, how.bytes / block, how.seconds).run(result);
    const asio_aio::context_statistics counted = asio_aio::statistics(from.context);
    const std::uint64_t passed = counted.passed_unsupported + counted.passed_refused +
        counted.passed_buffered + counted.passed_would_wait;
    result.passed_to_pool = std::min(passed, result.operations); // without the warm-up
    return result;
}

/// Reads the range once, so that every engine finds the data in memory.
void warm(asio_aio::random_access_file_aio& file, std::uint64_t bytes) {
    constexpr std::size_t piece = std::size_t(1024) * 1024;
    const aligned_memory memory = make_memory(piece);
    error_code ec;
    for (std::uint64_t offset = 0; offset < bytes && !ec;)
        offset += file.read_some_at(offset, asio::buffer(memory.get(), piece), ec);
}

/// Empty, or why direct reads do not work.
/** Performs a read, because some filesystems allow only the open. */
std::string find_direct_fault(const subject& file) {
    error_code ec;
    reading direct(asio_aio::backend::thread_pool, file, true, ec);
    if (ec)
        return "O_DIRECT: " + ec.message();
    direct.file.read_some_at(0, asio::buffer(direct.memory.get(), block), ec);
    return ec && ec != asio::error::eof ? "a direct read: " + ec.message() : std::string();
}

/// Decides how the file is read, and how much of it.
void prepare(const subject& file, taste_report& how) {
    constexpr std::uint64_t most_from_memory = std::uint64_t(64) * 1024 * 1024;
    how.why_buffered = find_direct_fault(file);
    how.direct = how.why_buffered.empty();
    error_code ec;
    reading buffered(asio_aio::backend::thread_pool, file, false, ec);
    if (ec)
        throw boost::system::system_error(ec, "open");
    how.bytes = buffered.file.size();
    if (how.bytes < block) {
        how.skipped = how.bytes == 0 ? "the file is empty" : "the file is smaller than one read";
    } else if (!how.direct) {
        how.bytes = std::min(how.bytes, most_from_memory);
        warm(buffered.file, how.bytes);
    }
}

} // namespace

taste_report take_taste(
    const subject& file, unsigned seconds, const std::vector<asio_aio::engine_report>& engines,
    progress& shown) {
    taste_report how;
    how.block = block;
    how.in_flight = in_flight;
    how.seconds = seconds;
    how.temporary = file.kind() == place_kind::folder;
    shown.show("preparing");
    prepare(file, how);
    if (!how.skipped.empty())
        return how;
    for (const asio_aio::engine_report& each : engines) {
        if (!each.available)
            continue;
        shown.show("reading with " + std::string(to_string(each.which)));
        how.engines.push_back(taste(each.which, file, how));
    }
    return how;
}

} // namespace info
