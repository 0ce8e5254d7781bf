// SPDX-License-Identifier: BSL-1.0
// Shows two faults of Asio's own file that any file server can meet, and how asio_aio behaves in
// the same situations. The README's comparison has these results.
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/random_access_file.hpp>

#include <asio_aio/asio_aio.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::size_t block_bytes = 4096;

void write_file(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Starts one read on each of many files at once. Returns how many complete within the time.
template <typename File>
int read_many_files(const fs::path& folder, int files, std::chrono::seconds time) {
    std::vector<std::string> buffers(std::size_t(files), std::string(block_bytes, '\0'));
    int completed = 0;
    asio::io_context ctx;
    std::vector<File> opened;
    for (int i = 0; i != files; ++i)
        opened.emplace_back(ctx, (folder / "data").string(), File::read_only);
    for (int i = 0; i != files; ++i)
        opened[std::size_t(i)].async_read_some_at(
            0, asio::buffer(buffers[std::size_t(i)]),
            [&](boost::system::error_code ec, std::size_t) { completed += !ec; });
    ctx.run_for(time);
    return completed;
}

/// Closes a file while writes are pending and opens another. True if the writes reach the other.
template <typename File>
bool writes_reach_another_file(const fs::path& folder) {
    const std::string other = "the other file";
    write_file(folder / "other", other);
    const std::string bytes(block_bytes, 'x');
    asio::io_context ctx;
    File file(ctx, (folder / "first").string(), File::read_write | File::create);
    for (int i = 0; i != 4; ++i)
        file.async_write_some_at(
            0, asio::buffer(bytes), [](boost::system::error_code, std::size_t) {});
    file.close();
    File second(ctx, (folder / "other").string(), File::read_write);
    ctx.run_for(std::chrono::seconds(5));
    return read_file(folder / "other") != other;
}

template <typename File>
void report(const char* name, const fs::path& folder) {
    constexpr int files = 1000;
    constexpr auto time = std::chrono::seconds(5);
    std::printf("%s\n", name);
    std::printf(
        "  %d of %d reads completed (all started at once, one on each file)\n",
        read_many_files<File>(folder, files, time), files);
    std::printf(
        "  writes of a closed file %s\n",
        writes_reach_another_file<File>(folder) ? "went into another file"
                                                : "reached no other file");
}

} // namespace

int main() try {
    std::string name = (fs::temp_directory_path() / "asio_file_facts-XXXXXX").string();
    if (!::mkdtemp(name.data()))
        throw std::runtime_error("cannot create a folder named like " + name);
    const fs::path folder = name;
    write_file(folder / "data", std::string(block_bytes, 'd'));
    report<asio_aio::random_access_file_aio>("asio_aio::random_access_file_aio", folder);
    try {
        report<asio::random_access_file>("boost::asio::random_access_file", folder);
    } catch (const std::exception& error) {
        std::printf("  cannot run here: %s\n", error.what());
    }
    fs::remove_all(folder);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "asio_file_facts: %s\n", error.what());
    return 1;
}
