// SPDX-License-Identifier: BSL-1.0
// The data path on filesystems that refuse RWF_NOWAIT: tmpfs, and overlayfs, the root of
// containers.
#include "results.hpp"
#include "mounts.hpp"

namespace {

using namespace test;

void on_tmpfs(environment& env, engine_test body) {
    if (!is_tmpfs("/dev/shm"))
        return say_skipped("/dev/shm is not a tmpfs");
    environment there(env.engine, "/dev/shm");
    body(there);
}

void on_overlayfs(environment& env, engine_test body) {
    const auto fs = mount_overlay(env);
    if (!fs)
        return;
    environment there(env.engine, fs->file(""));
    body(there);
}

template <engine_test Body, void (*Filesystem)(environment&, engine_test)>
void on(environment& env) {
    Filesystem(env, Body);
}

} // namespace

ENGINE_TEST(a_file_of_the_lower_layer_is_read_and_copied_up_by_the_first_write) {
    const auto fs = mount_overlay(env);
    if (!fs)
        return;
    set_content(fs->lower("file"), "12345");
    file reader(env.ctx, fs->file("file"), file_base::read_only);
    std::string back(10, '#');
    BOOST_TEST(read_both_ways(env, reader, 0, {asio::buffer(back)}).bytes == 5u);
    BOOST_TEST(!std::filesystem::exists(fs->upper("file")));

    file writer(env.ctx, fs->file("file"), file_base::read_write);
    BOOST_TEST(write_at(env, writer, 5, {asio::buffer("678", 3)}).bytes == 3u);
    writer.sync_all();
    BOOST_TEST(read_both_ways(env, writer, 0, {asio::buffer(back)}).bytes == 8u);
    BOOST_TEST(back == "12345678##");
    BOOST_TEST(content(fs->upper("file")) == "12345678");
    BOOST_TEST(content(fs->lower("file")) == "12345");
    // The kernel decides which layer a descriptor from before the copy reads; both have these
    // bytes.
    BOOST_TEST(read_both_ways(env, reader, 0, {asio::buffer(back.data(), 5)}).bytes == 5u);
    BOOST_TEST(back.substr(0, 5) == "12345");
}

// The tests of the data path, each on both filesystems.
#undef ENGINE_TEST
#define ENGINE_TEST(name)                                                                          \
 static void name(::test::environment&);                                                           \
 static const ::test::engine_test_registration name##_on_tmpfs(                                    \
     #name "_on_tmpfs", &on<name, on_tmpfs>, __FILE__, __LINE__);                                  \
 static const ::test::engine_test_registration name##_on_overlayfs(                                \
     #name "_on_overlayfs", &on<name, on_overlayfs>, __FILE__, __LINE__);                          \
 static void name([[maybe_unused]] ::test::environment& env)

#include "../asio/read_write_test.cpp"
#include "../asio/buffers_test.cpp"
#include "../asio/in_flight_test.cpp"
