// SPDX-License-Identifier: BSL-1.0
// Opening files: flags, permissions, paths and errors.
#include "child.hpp"
#include "inline_executor.hpp"
#include "results.hpp"
#include "seccomp.hpp"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>

using namespace test;

namespace {

constexpr auto create = file_base::read_write | file_base::create;

int status_flags(file& f) {
    return ::fcntl(f.native_handle(), F_GETFL);
}

bool is_close_on_exec(int descriptor) {
    return (::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0;
}

mode_t permissions_of(const std::string& path) {
    struct stat status {};
    BOOST_REQUIRE_EQUAL(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
}

class scoped_umask {
public:
    explicit scoped_umask(mode_t mask) : before_(::umask(mask)) {}
    scoped_umask(const scoped_umask&) = delete;
    scoped_umask& operator=(const scoped_umask&) = delete;
    ~scoped_umask() { ::umask(before_); }

private:
    mode_t before_;
};

/// Takes root's rights over files from this thread until the destructor.
class without_root {
public:
    without_root() : before_(::setfsuid(nobody)) {}
    without_root(const without_root&) = delete;
    without_root& operator=(const without_root&) = delete;
    ~without_root() { ::setfsuid(uid_t(before_)); }

private:
    static constexpr uid_t nobody = 65534;
    int before_;
};

/// Uses up all descriptors below the limit until the destructor, so that no descriptor can be made.
class no_descriptors {
public:
    no_descriptors() {
        BOOST_REQUIRE_EQUAL(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        rlimit none = before_;
        const int lowest_free = ::dup(0);
        BOOST_REQUIRE(lowest_free != -1);
        ::close(lowest_free);
        none.rlim_cur = rlim_t(lowest_free);
        BOOST_REQUIRE_EQUAL(::setrlimit(RLIMIT_NOFILE, &none), 0);
    }
    no_descriptors(const no_descriptors&) = delete;
    no_descriptors& operator=(const no_descriptors&) = delete;
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

/// The targets of the descriptors that a new program inherits, sorted.
std::vector<std::string> descriptors_of_a_child() {
    // The shell expands the pattern first, so its own directory handle is not in the list. The loop
    // is needed because busybox's readlink takes one path.
    constexpr char each_link[] = "for n in /proc/self/fd/*; do readlink $n; done";
    const std::unique_ptr<FILE, int (*)(FILE*)> out(::popen(each_link, "r"), &::pclose);
    BOOST_REQUIRE(out);
    std::vector<std::string> links;
    char line[4096];
    while (std::fgets(line, sizeof line, out.get()))
        if (!std::string_view(line).starts_with("pipe:")) // popen makes a new pipe each time
            links.emplace_back(line);
    std::sort(links.begin(), links.end());
    return links;
}

/// Fails unless both forms of open, and the constructor, refuse with `expected` and name the path.
void expect_refused(
    environment& env, const std::string& path, file_base::flags flags, error_code expected) {
    BOOST_TEST_CONTEXT("open " << path) {
        file f(env.ctx);
        error_code ec;
        BOOST_TEST(f.open(path, flags, ec) == expected);
        BOOST_TEST(ec == expected);
        BOOST_TEST(!f.is_open());
        BOOST_TEST(thrown_by([&] { f.open(path, flags); }) == expected);
        BOOST_TEST(!f.is_open());
        BOOST_TEST(thrown_by([&] { file(env.ctx, path, flags); }) == expected);
        const std::string text = text_thrown_by([&] { f.open(path, flags); });
        BOOST_TEST(text.find(path) != std::string::npos, text);
        BOOST_TEST(text.find(expected.message()) != std::string::npos, text);
    }
}

} // namespace

// --- Paths ---

ENGINE_TEST(a_path_may_be_of_any_type) {
    const std::string text = env.path();
    const std::filesystem::path path(text);
    file f(env.ctx.get_executor(), path, create);
    BOOST_TEST(f.is_open());
    BOOST_TEST(file(env.ctx, path, create).is_open());
    BOOST_TEST(file(env.ctx, text, create).is_open());
    BOOST_TEST(file(env.ctx, text.c_str(), create).is_open());
    BOOST_TEST(file(env.ctx, env.folder.path() / "file", create, 0600).is_open());
    error_code ec;
    f.close();
    f.open(path, create);
    f.close();
    f.open(path, create, 0600);
    f.close();
    BOOST_TEST(!f.open(path, create, ec));
    f.close();
    BOOST_TEST(!f.open(path, create, 0600, ec));
    BOOST_TEST(f.is_open());
}

ENGINE_TEST(a_path_need_not_be_utf_8) {
    const std::string path = env.path("\xff\xfe gr\xfc\xdf");
    file f(env.ctx, path, create);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("x", 1)}).bytes == 1u);
    BOOST_TEST(content(path) == "x");
}

// --- Flags and permissions ---

ENGINE_TEST(each_flag_reaches_the_kernel) {
    env.open();
    const auto opened_with = [&](file_base::flags flags) {
        file f = env.open("file", flags);
        return status_flags(f);
    };
    BOOST_TEST((opened_with(file_base::read_only) & O_ACCMODE) == O_RDONLY);
    BOOST_TEST((opened_with(file_base::write_only) & O_ACCMODE) == O_WRONLY);
    BOOST_TEST((opened_with(file_base::read_write) & O_ACCMODE) == O_RDWR);
    BOOST_TEST((opened_with(file_base::read_write | file_base::append) & O_APPEND) != 0);
    BOOST_TEST(
        (opened_with(file_base::read_write | file_base::sync_all_on_write) & O_SYNC) == O_SYNC);
    BOOST_TEST(
        (opened_with(file_base::read_write | file_base::sync_data_on_write) & O_SYNC) == O_DSYNC);
    BOOST_TEST((opened_with(file_base::read_write) & (O_APPEND | O_SYNC | O_DIRECT)) == 0);
}

ENGINE_TEST(flags_have_the_values_of_open_2_so_that_others_can_be_cast_in) {
    static_assert(int(file_base::read_only) == O_RDONLY && int(file_base::write_only) == O_WRONLY);
    static_assert(int(file_base::read_write) == O_RDWR && int(file_base::append) == O_APPEND);
    static_assert(int(file_base::create) == O_CREAT && int(file_base::exclusive) == O_EXCL);
    static_assert(
        int(file_base::truncate) == O_TRUNC && int(file_base::sync_all_on_write) == O_SYNC);
    static_assert(
        int(file_base::sync_data_on_write) == O_DSYNC && int(file_base::direct) == O_DIRECT);
    file f = env.open("file", create | file_base::flags(O_NOATIME));
    BOOST_TEST((status_flags(f) & O_NOATIME) != 0);
    expect_refused(
        env, env.path(), file_base::read_only | file_base::flags(O_DIRECTORY), errno_code(ENOTDIR));
}

ENGINE_TEST(a_file_without_a_name_is_written_and_read) {
    file f(env.ctx, env.folder.path(), file_base::read_write | file_base::flags(O_TMPFILE), 0600);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("12345", 5)}).bytes == 5u);
    char back[5];
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(back)}).bytes == 5u);
    BOOST_TEST(std::filesystem::is_empty(env.folder.path()));
}

ENGINE_TEST(truncate_empties_and_create_alone_does_not) {
    set_content(env.path(), "12345");
    env.open();
    BOOST_TEST(content(env.path()) == "12345");
    env.open("file", file_base::write_only | file_base::truncate);
    BOOST_TEST(content(env.path()) == "");
}

ENGINE_TEST(a_file_is_created_exclusively_once) {
    const auto exclusive = create | file_base::exclusive;
    BOOST_TEST(env.open("file", exclusive).is_open());
    expect_refused(env, env.path(), exclusive, errno_code(EEXIST));
}

ENGINE_TEST(a_created_file_gets_the_permissions_less_the_umask) {
    const scoped_umask mask(027);
    env.open("by_default");
    BOOST_TEST(permissions_of(env.path("by_default")) == 0640u);
    file(env.ctx, env.path("constructed"), create, 0777);
    BOOST_TEST(permissions_of(env.path("constructed")) == 0750u);
    file f(env.ctx);
    f.open(env.path("opened"), create, 0604);
    BOOST_TEST(permissions_of(env.path("opened")) == 0600u);
    error_code ec;
    f.close();
    BOOST_TEST(!f.open(env.path("with_error"), create, 0707, ec));
    BOOST_TEST(permissions_of(env.path("with_error")) == 0700u);
    f.close();
    BOOST_TEST(!f.open(env.path("with_error_by_default"), create, ec));
    BOOST_TEST(permissions_of(env.path("with_error_by_default")) == 0640u);
    f.close();
    BOOST_TEST(!f.open(env.path("opened"), create, 0777, ec)); // the file exists: no change
    BOOST_TEST(permissions_of(env.path("opened")) == 0600u);
}

// --- Close-on-exec ---

ENGINE_TEST(every_descriptor_of_the_library_is_close_on_exec) {
    asio::io_context ctx;
    asio_aio::configure(ctx, env.options());
    std::vector<int> before;
    for (int descriptor = 0; descriptor < 1024; ++descriptor)
        if (::fcntl(descriptor, F_GETFD) != -1)
            before.push_back(descriptor);
    file f(ctx, env.path(), create | file_base::flags(O_CLOEXEC));
    file plain(ctx, env.path(), create);
    f.async_write_some_at(0, asio::buffer("12345", 5), [](error_code, std::size_t) {});
    run_until_idle(ctx);
    BOOST_TEST(is_close_on_exec(f.native_handle()));
    BOOST_TEST(is_close_on_exec(plain.native_handle()));
    int made = 0;
    for (int descriptor = 0; descriptor < 1024; ++descriptor)
        if (::fcntl(descriptor, F_GETFD) != -1 &&
            !std::binary_search(before.begin(), before.end(), descriptor)) {
            ++made;
            BOOST_TEST(is_close_on_exec(descriptor), "descriptor " << descriptor);
        }
    BOOST_TEST(made >= 2);
}

ENGINE_TEST(a_program_that_is_started_inherits_nothing) {
    const auto before = descriptors_of_a_child();
    BOOST_TEST(!before.empty());
    file f = env.open();
    write_at(env, f, 0, {asio::buffer("12345", 5)});
    BOOST_TEST(descriptors_of_a_child() == before, boost::test_tools::per_element());
}

// --- Opens that fail ---

ENGINE_TEST(a_missing_file_or_folder_is_not_found) {
    expect_refused(env, env.path("missing"), file_base::read_only, errno_code(ENOENT));
    expect_refused(env, env.path("missing/file"), create, errno_code(ENOENT));
    expect_refused(env, "", file_base::read_only, errno_code(ENOENT));
#if !defined(ASIO_AIO_STANDALONE) // the category of standalone Asio knows no conditions
    BOOST_TEST((errno_code(ENOENT) == boost::system::errc::no_such_file_or_directory));
#endif
}

ENGINE_TEST(a_file_without_permission_is_refused) {
    set_content(env.path(), "12345");
    std::filesystem::permissions(env.path(), std::filesystem::perms::none);
    const without_root less;
    expect_refused(env, env.path(), file_base::read_only, errno_code(EACCES));
    expect_refused(env, env.path(), file_base::write_only, errno_code(EACCES));
}

ENGINE_TEST(a_folder_opens_for_reading_only) {
    expect_refused(env, env.folder.path(), file_base::write_only, errno_code(EISDIR));
    expect_refused(env, env.folder.path(), file_base::read_write, errno_code(EISDIR));
    BOOST_TEST(file(env.ctx, env.folder.path(), file_base::read_only).is_open());
}

ENGINE_TEST(a_path_that_is_too_long_or_a_loop_of_links_is_refused) {
    expect_refused(
        env, env.path(std::string(300, 'x')), file_base::read_only, errno_code(ENAMETOOLONG));
    std::filesystem::create_symlink(env.path("circle"), env.path("circle"));
    expect_refused(env, env.path("circle"), file_base::read_only, errno_code(ELOOP));
}

ENGINE_TEST(an_open_file_is_not_opened_again) {
    set_content(env.path("other"), "other");
    file f = env.open();
    const int before = f.native_handle();
    error_code ec;
    BOOST_TEST((f.open(env.path("other"), create, ec) == asio::error::already_open));
    BOOST_TEST(
        (thrown_by([&] { f.open(env.path("other"), create); }) == asio::error::already_open));
    BOOST_TEST(text_thrown_by([&] {
                   f.open(env.path("other"), create);
               }).find(env.path("other")) != std::string::npos);
    BOOST_TEST((f.assign(0, ec) == asio::error::already_open));
    BOOST_TEST((thrown_by([&] { f.assign(0); }) == asio::error::already_open));
    BOOST_TEST(f.native_handle() == before);
    BOOST_TEST(f.size() == 0u);
    BOOST_TEST(::fcntl(0, F_GETFD) != -1); // after a failed assign the caller owns the descriptor
}

ENGINE_TEST(a_refused_open_leaves_no_descriptor_behind) {
    env.open();
    const std::size_t before = count_descriptors();
    expect_refused(env, env.path("missing"), file_base::read_only, errno_code(ENOENT));
    expect_refused(env, env.folder.path(), file_base::write_only, errno_code(EISDIR));
    BOOST_TEST(count_descriptors() == before);
}

ENGINE_TEST(open_fails_cleanly_without_a_descriptor_and_works_again_with_one) {
    file f = env.open();
    file g(env.ctx);
    const std::size_t before = count_descriptors();
    {
        const no_descriptors none;
        error_code ec;
        BOOST_TEST(g.open(env.path("other"), create, ec) == errno_code(EMFILE));
        BOOST_TEST(thrown_by([&] { g.open(env.path("other"), create); }) == errno_code(EMFILE));
        BOOST_TEST(!g.is_open());
        BOOST_TEST(write_at(env, f, 0, {asio::buffer("x", 1)}).bytes == 1u); // f is still open
    }
    BOOST_TEST(count_descriptors() == before);
    g.open(env.path("other"), create);
    BOOST_TEST(write_at(env, g, 0, {asio::buffer("x", 1)}).bytes == 1u);
}

// Neither the event exists, nor can anything be posted to the executor.
ENGINE_TEST(without_a_descriptor_no_call_starts_on_an_inline_executor) {
    asio_aio::basic_random_access_file_aio<inline_executor> f(inline_executor{&env.ctx});
    int calls = 0;
    const auto open = [&] { f.async_open(env.path(), create, [&](error_code) { ++calls; }); };
    {
        const no_descriptors none;
        BOOST_TEST(thrown_by(open) == errno_code(EMFILE));
        env.run();
        BOOST_TEST(calls == 0);
        BOOST_TEST(!f.is_open());
    }
    open();
    BOOST_TEST(calls == 0);
    env.run();
    BOOST_TEST(calls == 1);
    BOOST_TEST(f.is_open());
}

ENGINE_TEST(the_first_open_of_a_context_fails_cleanly_without_a_descriptor) {
    file f(env.ctx);
    {
        const no_descriptors none;
        error_code ec;
        f.open(env.path(), create, ec);
        BOOST_TEST(bool(ec));
        BOOST_TEST(!f.is_open());
    }
    f.open(env.path(), create);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("x", 1)}).bytes == 1u);
    BOOST_TEST((f.backend() == serves_buffered(env.engine)));
}

// --- Beyond Asio's file ---

ENGINE_TEST(backend_reports_the_engine) {
    file f(env.ctx);
    BOOST_TEST((f.backend() == backend::thread_pool)); // closed: no engine is chosen yet
    f.open(env.path(), create);
    BOOST_TEST((f.backend() == serves_buffered(env.engine)));
    file moved = std::move(f);
    BOOST_TEST((moved.backend() == serves_buffered(env.engine)));
}

ENGINE_TEST(direct_io_alignment_is_a_power_of_two_or_none) {
    const auto is_power_of_two = [](std::size_t n) { return n != 0 && (n & (n - 1)) == 0; };
    file f = env.open();
    error_code ec;
    const auto alignment = f.direct_io_alignment(ec);
    BOOST_TEST(!ec);
    BOOST_TEST(f.direct_io_alignment().memory == alignment.memory);
    BOOST_TEST(f.direct_io_alignment().offset == alignment.offset);
    if (alignment.offset == 0)
        BOOST_TEST(alignment.memory == 0u);
    else
        BOOST_TEST((is_power_of_two(alignment.memory) && is_power_of_two(alignment.offset)));
    f.close();
    BOOST_TEST((thrown_by([&] { f.direct_io_alignment(); }) == asio::error::bad_descriptor));
    BOOST_TEST(f.direct_io_alignment(ec).offset == 0u);
    BOOST_TEST((ec == asio::error::bad_descriptor));
}

ENGINE_TEST(the_kernel_is_asked_once_for_the_alignment_of_a_file) {
    file f = env.open();
    const auto before = f.direct_io_alignment();
    check_in_child([&] {
        if (!refuse_calls({SYS_statx, SYS_newfstatat, SYS_fstat, SYS_ioctl}, EPERM))
            return could_not;
        error_code ec;
        const auto again = f.direct_io_alignment(ec);
        const bool same = again.memory == before.memory && again.offset == before.offset;
        return !ec && same ? 0 : 1;
    });
}

BOOST_AUTO_TEST_CASE(an_aligned_buffer_is_aligned_whole_and_movable) {
    for (const std::size_t alignment : {0u, 1u, 512u, 4096u, 65536u}) {
        asio_aio::aligned_buffer b(1000, {alignment, alignment});
        BOOST_TEST(b.size() >= 1000u);
        const std::size_t block = std::max(alignment, std::size_t(1));
        BOOST_TEST(b.size() % block == 0u);
        BOOST_TEST(b.size() < 1000 + block);
        BOOST_TEST(reinterpret_cast<std::uintptr_t>(b.data()) % block == 0u);
        std::memset(b.data(), 'x', b.size());
        BOOST_TEST(asio::buffer(b).data() == b.data());
        BOOST_TEST(asio::buffer(b).size() == b.size());
        BOOST_TEST(asio::buffer(b, 10).size() == 10u);
        void* const data = b.data();
        asio_aio::aligned_buffer c(std::move(b));
        BOOST_TEST(c.data() == data);
        BOOST_TEST(b.size() == 0u);
        BOOST_TEST(b.data() == nullptr);
        b = std::move(c);
        BOOST_TEST(b.data() == data);
    }
    BOOST_TEST(asio_aio::aligned_buffer().size() == 0u);
    BOOST_CHECK_THROW(asio_aio::aligned_buffer(1, {3, 1}), std::invalid_argument);
    BOOST_CHECK_THROW(asio_aio::aligned_buffer(1, {1, 6}), std::invalid_argument);
    BOOST_CHECK_THROW(asio_aio::aligned_buffer(~std::size_t(0), {512, 512}), std::bad_alloc);
}

ENGINE_TEST(an_aligned_buffer_reads_and_writes_a_direct_file) {
    error_code ec;
    file f(env.ctx);
    f.open(env.path(), create | file_base::direct, ec);
    if (ec)
        return say_skipped("O_DIRECT: " + ec.message());
    asio_aio::aligned_buffer out(5000, f.direct_io_alignment());
    asio_aio::aligned_buffer in(5000, f.direct_io_alignment());
    std::memset(out.data(), 'x', out.size());
    BOOST_TEST(write_at(env, f, 0, {asio::buffer(out)}).bytes == out.size());
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(in)}).bytes == in.size());
    BOOST_TEST(std::memcmp(out.data(), in.data(), in.size()) == 0);
}

ENGINE_TEST(the_texts_of_exceptions_name_the_call) {
    file f(env.ctx);
    const std::pair<const char*, std::function<void()>> calls[] = {
        {"cancel", [&] { f.cancel(); }},
        {"size", [&] { f.size(); }},
        {"resize", [&] { f.resize(1); }},
        {"sync_all", [&] { f.sync_all(); }},
        {"sync_data", [&] { f.sync_data(); }},
        {"read_some_at", [&] { f.read_some_at(0, asio::mutable_buffer()); }},
        {"write_some_at", [&] { f.write_some_at(0, asio::const_buffer()); }},
        {"direct_io_alignment", [&] { f.direct_io_alignment(); }}};
    for (const auto& [name, call] : calls) {
        const std::string text = text_thrown_by(call);
        BOOST_TEST(text.starts_with(name), text);
        BOOST_TEST(
            text.find(error_code(asio::error::bad_descriptor).message()) != std::string::npos,
            text);
    }
}
