// SPDX-License-Identifier: BSL-1.0
// Copies a file with many blocks in flight, with its permissions and its holes. There is one
// coroutine for each block in flight: it reads a block, writes it and takes the next one.
#include <asio_aio/asio_aio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/program_options.hpp>

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

namespace asio = boost::asio;
namespace po = boost::program_options;
using asio_aio::file_base;
using file = asio_aio::random_access_file_aio;

struct settings {
    std::string source;
    std::string target;
    std::size_t block_kib = 1024;
    unsigned in_flight = 16;
    bool direct = false;
    bool no_sync = false;
};

void rethrow(std::exception_ptr error) {
    if (error)
        std::rethrow_exception(error);
}

class copier {
public:
    copier(asio::io_context& ctx, const settings& wanted)
        : source_(open_source(ctx, wanted)),
          target_(
              ctx, wanted.target,
              file_base::write_only | file_base::create | file_base::truncate | extra_flags(wanted),
              permissions_of(wanted.source)), // of a new file, without those of the umask
          size_(source_.size()),
          block_bytes_(wanted.block_kib * 1024),
          alignment_(wanted.direct ? alignment_of(source_, target_) : 1) {
        if (block_bytes_ % alignment_ != 0)
            throw std::runtime_error(
                "--block-size: direct I/O on these files needs a multiple of " +
                std::to_string(alignment_) + " bytes");
        for (unsigned i = 0; i != wanted.in_flight; ++i)
            asio::co_spawn(ctx, copy_blocks(), [this](std::exception_ptr error) {
                if (error)
                    next_ = size_; // the other coroutines finish their current block
                rethrow(error);
            });
    }

    /// Gives the target the source's size: direct I/O writes whole blocks, and a hole at the end is
    /// not written at all. Then waits until the copy is on the device.
    /** Call this when all blocks are copied. */
    asio::awaitable<void> finish(const settings& wanted) {
        co_await target_.async_resize(size_, asio::use_awaitable);
        if (wanted.no_sync)
            co_return;
        co_await target_.async_sync_all(asio::use_awaitable);
        const auto folder = std::filesystem::absolute(wanted.target).parent_path();
        co_await asio_aio::async_sync_directory(
            target_.get_executor(), folder, asio::use_awaitable);
    }

    std::uint64_t size() const { return size_; }
    std::uint64_t copied() const { return copied_; }
    asio_aio::backend backend() const { return source_.backend(); }

private:
    static constexpr std::size_t page = 4096;

    static file_base::flags extra_flags(const settings& wanted) {
        return wanted.direct ? file_base::direct : file_base::flags(0);
    }

    /// Opens and checks SOURCE. Called before TARGET is opened: an error does not change TARGET.
    static file open_source(asio::io_context& ctx, const settings& wanted) {
        file source(ctx, wanted.source, file_base::read_only | extra_flags(wanted));
        char byte;
        boost::system::error_code ec;
        if (!std::filesystem::is_regular_file(wanted.source))
            throw std::runtime_error("SOURCE \"" + wanted.source + "\" is not a regular file");
        if (source.size() == 0 && source.read_some_at(0, asio::buffer(&byte, 1), ec) != 0)
            throw std::runtime_error(
                "SOURCE \"" + wanted.source + "\" has data but reports the size 0");
        return source;
    }

    static mode_t permissions_of(const std::string& path) {
        return mode_t(std::filesystem::status(path).permissions() & std::filesystem::perms::all);
    }

    static std::size_t alignment_of(const file& a, const file& b) {
        const auto one = a.direct_io_alignment();
        const auto other = b.direct_io_alignment();
        return std::max({one.memory, one.offset, other.memory, other.offset});
    }

    std::uint64_t aligned(std::uint64_t bytes) const {
        return (bytes + alignment_ - 1) / alignment_ * alignment_;
    }

    struct range {
        std::uint64_t offset;
        std::size_t bytes; ///< 0 at the end of the file.
    };

    /// Takes the next block that is not in a hole (lseek(2)).
    range take_block() {
        const int fd = source_.native_handle();
        const std::uint64_t before = std::min(next_, size_);
        const off_t data = ::lseek(fd, off_t(before), SEEK_DATA);
        if (data == -1 && errno == ENXIO)
            next_ = size_; // only a hole follows
        else if (data != -1)
            next_ = std::max(before, std::uint64_t(data) / alignment_ * alignment_);
        const off_t hole = data == -1 ? -1 : ::lseek(fd, data, SEEK_HOLE);
        const std::uint64_t end =
            hole == -1 ? size_ : std::min(size_, aligned(std::uint64_t(hole)));
        const range found{next_, std::size_t(std::min<std::uint64_t>(block_bytes_, end - next_))};
        copied_ += next_ - before; // the hole
        next_ += found.bytes;
        return found;
    }

    asio::awaitable<void> copy_blocks() {
        asio_aio::aligned_buffer block(block_bytes_, {page, page}); // enough for every device
        char* const memory = static_cast<char*>(block.data());
        for (;;) {
            const auto [offset, bytes] = take_block();
            if (bytes == 0)
                co_return;
            co_await read(offset, memory, bytes);
            co_await write(offset, memory, std::size_t(aligned(bytes)));
            copied_ += bytes;
        }
    }

    asio::awaitable<void> read(std::uint64_t offset, char* to, std::size_t bytes) {
        // A direct read requests whole blocks, and is short at the end of the file.
        for (std::size_t done = 0; done < bytes;)
            done += co_await source_.async_read_some_at(
                offset + done, asio::buffer(to + done, std::size_t(aligned(bytes)) - done),
                asio::use_awaitable);
    }

    asio::awaitable<void> write(std::uint64_t offset, const char* from, std::size_t bytes) {
        for (std::size_t done = 0; done < bytes;)
            done += co_await target_.async_write_some_at(
                offset + done, asio::buffer(from + done, bytes - done), asio::use_awaitable);
    }

    file source_;
    file target_;
    const std::uint64_t size_;
    const std::size_t block_bytes_;
    const std::size_t alignment_;
    std::uint64_t next_ = 0;
    std::uint64_t copied_ = 0;
};

/// Draws a progress bar on standard error ten times a second while the copy runs.
class progress_bar {
public:
    progress_bar(asio::io_context& ctx, const copier& copy) : timer_(ctx), copy_(copy) { draw(); }

private:
    void draw() {
        constexpr int width = 40;
        const std::uint64_t size = std::max<std::uint64_t>(copy_.size(), 1);
        const int filled = int(copy_.copied() * width / size);
        std::fprintf(
            stderr, "\r[%-*.*s] %3d %%", width, filled, "########################################",
            int(copy_.copied() * 100 / size));
        if (copy_.copied() == copy_.size()) {
            std::fputc('\n', stderr);
            return;
        }
        timer_.expires_after(std::chrono::milliseconds(100));
        timer_.async_wait([this](boost::system::error_code ec) {
            if (!ec)
                draw();
        });
    }

    asio::steady_timer timer_;
    const copier& copy_;
};

settings parse(int argc, char* argv[]) {
    settings wanted;
    po::options_description visible(
        std::string("Usage: ") + argv[0] +
        " [OPTIONS] SOURCE TARGET\n\n"
        "Copies SOURCE to TARGET with many blocks in flight.\n\nOptions");
    visible.add_options()("help", "print this text")(
        "block-size", po::value(&wanted.block_kib)->default_value(1024)->value_name("KIB"),
        "size of a block in KiB, 1 to 1048576")(
        "in-flight", po::value(&wanted.in_flight)->default_value(16)->value_name("N"),
        "blocks that are read or written at the same time, 1 to 4096")(
        "direct", po::bool_switch(&wanted.direct), "bypass the page cache (O_DIRECT)")(
        "no-sync", po::bool_switch(&wanted.no_sync),
        "end when everything is written, before the copy is on the device");
    po::options_description hidden;
    hidden.add_options()("source", po::value(&wanted.source)->required())(
        "target", po::value(&wanted.target)->required());
    po::options_description all;
    all.add(visible).add(hidden);
    po::positional_options_description positions;
    positions.add("source", 1).add("target", 1);
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(all).positional(positions).run(), values);
    if (values.count("help") != 0) {
        std::cout << visible;
        std::exit(0);
    }
    po::notify(values);
    if (wanted.block_kib == 0 || wanted.block_kib > 1024 * 1024)
        throw po::error(
            "--block-size: " + std::to_string(wanted.block_kib) + " is not 1 to 1048576 (KiB)");
    if (wanted.in_flight == 0 || wanted.in_flight > 4096)
        throw po::error("--in-flight: " + std::to_string(wanted.in_flight) + " is not 1 to 4096");
    std::error_code ignored;
    if (std::filesystem::equivalent(wanted.source, wanted.target, ignored))
        throw po::error("SOURCE and TARGET are the same file");
    return wanted;
}

} // namespace

int main(int argc, char* argv[]) try {
    const settings wanted = parse(argc, argv);
    asio::io_context ctx;
    copier copy(ctx, wanted);
    std::unique_ptr<progress_bar> bar;
    if (::isatty(STDERR_FILENO))
        bar = std::make_unique<progress_bar>(ctx, copy);
    const auto begin = std::chrono::steady_clock::now();
    ctx.run();
    asio::co_spawn(ctx, copy.finish(wanted), rethrow);
    ctx.restart();
    ctx.run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    const double mib = double(copy.size()) / (1024 * 1024);
    std::printf(
        "%.1f MiB in %.2f s, %.0f MiB/s, engine %s\n", mib, seconds.count(), mib / seconds.count(),
        std::string(to_string(copy.backend())).c_str());
    return 0;
} catch (const po::error& error) {
    std::cerr << "copy_file: " << error.what() << " (see --help)\n";
    return 2;
} catch (const std::exception& error) {
    std::cerr << "copy_file: " << error.what() << '\n';
    return 1;
}
