// SPDX-License-Identifier: BSL-1.0
#include "data_files.hpp"

#include "outcome.hpp"
#include "request.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <system_error>

namespace bench {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t chunk_bytes = 1024 * 1024;

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// A workload of 10 000 files needs 10 000 descriptors in each context.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int open_file(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd == -1 && errno == EINVAL && (flags & O_DIRECT))
        throw cannot_run("the filesystem of " + path + " does not support O_DIRECT");
    if (fd == -1)
        throw_errno("open " + path);
    return fd;
}

void write_file(
    const std::string& path, std::uint64_t bytes, std::vector<std::uint64_t>& chunk,
    random_bits& random) {
    const int fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    for (std::uint64_t written = 0; written < bytes;) {
        std::generate(chunk.begin(), chunk.end(), [&] { return random(); });
        const ssize_t n =
            ::write(fd, chunk.data(), std::min<std::uint64_t>(chunk_bytes, bytes - written));
        if (n == -1)
            throw_errno("write " + path);
        written += std::uint64_t(n);
    }
    ::close(fd);
}

/// Writes dirty pages to the device. fsync(2) would take milliseconds even for a clean file.
void write_back(int fd, const std::string& path) {
    constexpr unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (::sync_file_range(fd, 0, 0, all) == -1)
        throw_errno("sync_file_range " + path);
}

void read_through(int fd, const std::string& path) {
    static std::vector<char> chunk(chunk_bytes);
    ssize_t n = 0;
    while ((n = ::read(fd, chunk.data(), chunk.size())) > 0) {
    }
    if (n == -1)
        throw_errno("read " + path);
}

/// Overwrites the whole file block by block. None of the file may be in the page cache.
/**
 * The kernel then makes a small folio for each block. Reads would make large folios, and a write of
 * 4 KiB into a large folio takes ext4 ten times as long (Linux 6.18).
 */
void write_over(const std::string& path, const workload& wanted) {
    const int fd = open_file(path, O_WRONLY);
    random_bits random(wanted.seed);
    std::vector<std::uint64_t> block(wanted.block / sizeof(std::uint64_t));
    for (std::uint64_t offset = 0; offset + wanted.block <= wanted.file_bytes();
         offset += wanted.block) {
        std::generate(block.begin(), block.end(), [&] { return random(); });
        if (::pwrite(fd, block.data(), wanted.block, off_t(offset)) != ssize_t(wanted.block))
            throw_errno("write " + path);
    }
    ::close(fd);
}

} // namespace

descriptors::descriptors(const std::vector<std::string>& paths, int flags) {
    for (const std::string& path : paths)
        all_.push_back(open_file(path, flags));
}

descriptors::~descriptors() {
    for (const int fd : all_)
        ::close(fd);
}

data_files::data_files(const workload& wanted) : flags_(wanted.open_flags()) {
    raise_descriptor_limit();
    const fs::path folder = fs::path(wanted.dir) /
        (std::to_string(wanted.files) + "x" + std::to_string(wanted.file_bytes()));
    if (!fs::exists(folder))
        create(folder, wanted);
    for (unsigned i = 0; i != wanted.files; ++i)
        paths_.push_back((folder / std::to_string(i)).string());
    for (const std::string& path : paths_)
        settle(path, wanted);
}

void data_files::settle(const std::string& path, const workload& wanted) const {
    const int fd = open_file(path, O_RDONLY);
    write_back(fd, path);
    if (wanted.direct || wanted.writes())
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (!wanted.direct && wanted.writes())
        write_over(path, wanted);
    if (!wanted.direct)
        read_through(fd, path);
    ::close(fd);
}

void data_files::write_back_all() const {
    for (const std::string& path : paths_) {
        const int fd = open_file(path, O_RDONLY);
        write_back(fd, path);
        ::close(fd);
    }
}

void data_files::create(const fs::path& folder, const workload& wanted) const {
    // The folder gets its final name when all files are on the device. So a folder with that name
    // is complete.
    const fs::path unfinished = folder.string() + ".part";
    fs::remove_all(unfinished);
    fs::create_directories(unfinished);
    if (fs::space(unfinished).available < wanted.size_mib * 1024 * 1024 * 5 / 4)
        throw cannot_run(
            "too little free space in " + wanted.dir + " for --size " +
            std::to_string(wanted.size_mib) + " (MiB)");
    std::vector<std::uint64_t> chunk(chunk_bytes / sizeof(std::uint64_t));
    random_bits random(wanted.seed);
    for (unsigned i = 0; i != wanted.files; ++i)
        write_file((unfinished / std::to_string(i)).string(), wanted.file_bytes(), chunk, random);
    const int fd = open_file(unfinished.string(), O_RDONLY | O_DIRECTORY);
    if (::syncfs(fd) == -1)
        throw_errno("syncfs " + unfinished.string());
    ::close(fd);
    fs::rename(unfinished, folder);
}

} // namespace bench
