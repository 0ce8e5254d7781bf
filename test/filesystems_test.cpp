// SPDX-License-Identifier: BSL-1.0
// The data path on filesystems that refuse to read without waiting: tmpfs, and overlayfs, every container's root.
#include "results.hpp"
#include "mounts.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

namespace {

using namespace test;

bool is_tmpfs(const char* folder) {
    struct statfs status {};
    return ::statfs(folder, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

void on_tmpfs(environment& env, engine_test body) {
    if (!is_tmpfs("/dev/shm"))
        return say_skipped("/dev/shm is no tmpfs");
    environment there(env.engine, "/dev/shm");
    body(there);
}

/// An overlayfs whose layers are folders of the test.
class overlay {
public:
    explicit overlay(environment& env)
        : layers_(make_layers(env)),
          mount_(
              "overlay", env.path("overlay"),
              "lowerdir=" + layers_ + "/lower,upperdir=" + layers_ + "/upper,workdir=" + layers_ + "/work") {}

    bool works() const { return mount_.works(); }
    std::string lower(const std::string& name) const { return layers_ + "/lower/" + name; }
    std::string upper(const std::string& name) const { return layers_ + "/upper/" + name; }
    std::string file(const std::string& name) const { return mount_.file(name); }

private:
    static std::string make_layers(environment& env) {
        for (const char* layer : {"lower", "upper", "work"})
            std::filesystem::create_directory(env.path(layer));
        return env.folder.path().string();
    }

    std::string layers_;
    mounted mount_;
};

void on_overlayfs(environment& env, engine_test body) {
    if (!may_mount())
        return say_skipped("only root can mount an overlayfs");
    const overlay fs(env);
    if (!fs.works())
        return say_skipped("this kernel or the filesystem of the tests has no overlayfs");
    environment there(env.engine, fs.file(""));
    body(there);
}

template <engine_test Body, void (*Filesystem)(environment&, engine_test)>
void on(environment& env) {
    Filesystem(env, Body);
}

} // namespace

ENGINE_TEST(a_file_of_the_lower_layer_is_read_and_copied_up_by_the_first_write) {
    if (!may_mount())
        return say_skipped("only root can mount an overlayfs");
    const overlay fs(env);
    if (!fs.works())
        return say_skipped("this kernel or the filesystem of the tests has no overlayfs");
    set_content(fs.lower("file"), "12345");
    file reader(env.ctx, fs.file("file"), file_base::read_only);
    std::string back(10, '#');
    BOOST_TEST(read_both_ways(env, reader, 0, {asio::buffer(back)}).bytes == 5u);
    BOOST_TEST(!std::filesystem::exists(fs.upper("file")));

    file writer(env.ctx, fs.file("file"), file_base::read_write);
    BOOST_TEST(write_at(env, writer, 5, {asio::buffer("678", 3)}).bytes == 3u);
    writer.sync_all();
    BOOST_TEST(read_both_ways(env, writer, 0, {asio::buffer(back)}).bytes == 8u);
    BOOST_TEST(back == "12345678##");
    BOOST_TEST(content(fs.upper("file")) == "12345678");
    BOOST_TEST(content(fs.lower("file")) == "12345");
    // Which layer a descriptor from before the copy sees is the kernel's business.
    BOOST_TEST(read_both_ways(env, reader, 0, {asio::buffer(back.data(), 5)}).bytes == 5u);
    BOOST_TEST(back.substr(0, 5) == "12345");
}

// The tests of the data path, each once on either filesystem.
#undef ENGINE_TEST
#define ENGINE_TEST(name)                                                                                              \
 static void name(::test::environment&);                                                                               \
 static const ::test::engine_test_registration name##_on_tmpfs(                                                        \
     #name "_on_tmpfs", &on<name, on_tmpfs>, __FILE__, __LINE__);                                                      \
 static const ::test::engine_test_registration name##_on_overlayfs(                                                    \
     #name "_on_overlayfs", &on<name, on_overlayfs>, __FILE__, __LINE__);                                              \
 static void name([[maybe_unused]] ::test::environment& env)

#include "read_write_test.cpp"
#include "buffers_test.cpp"
#include "in_flight_test.cpp"
