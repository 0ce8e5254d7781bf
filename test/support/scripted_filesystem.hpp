// SPDX-License-Identifier: BSL-1.0
// A FUSE filesystem with one file. The test scripts the replies: errors, short results, delays.
#pragma once

#define FUSE_USE_VERSION 31

#include "mounts.hpp"
#include "support.hpp"

#include <fuse_lowlevel.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace test {

// --- The server, in a process of its own ---

enum class request : unsigned { lookup, open, resize, read, write, sync, flush, release };
constexpr std::size_t request_kinds = 8;

/// The reply to one request.
struct answer {
    int error = 0;                       ///< The request fails with this errno; 0: it is performed.
    bool held = false;                   ///< The reply waits for `command::verb::let_go`.
    std::size_t limit = std::size_t(-1); ///< A read or write moves at most so many bytes.
};

/// A command of the test. The server confirms each one with the number of requests of `kind` that
/// have arrived so far.
struct command {
    enum class verb : unsigned { script, await, let_go };

    verb what;
    request kind{};
    answer next{};      ///< script: for the next request without a scripted reply.
    unsigned count = 0; ///< await: the server confirms when so many have arrived.
};

inline const std::string file_name = "file";

/// Longer than any request takes, and shorter than the test's deadline.
constexpr int idle_ms = int(deadline_seconds) * 1000 / 4;

/// Serves one file to the kernel and performs the test's commands, on one thread. A held reply
/// blocks only the thread that made the request.
class fuse_server {
public:
    fuse_server(int device, int control, std::string initial)
        : control_(control), content_(std::move(initial)) {
        fuse_lowlevel_ops calls{};
        calls.lookup = [](fuse_req_t req, fuse_ino_t, const char* name) {
            if (name != file_name)
                return void(fuse_reply_err(req, ENOENT));
            self(req).handle(request::lookup, req, [req](std::size_t) {
                fuse_entry_param entry{};
                entry.ino = file_node;
                entry.attr = self(req).status(file_node);
                fuse_reply_entry(req, &entry);
            });
        };
        calls.getattr = [](fuse_req_t req, fuse_ino_t node, fuse_file_info*) {
            self(req).reply_status(req, node);
        };
        calls.setattr = [](fuse_req_t req, fuse_ino_t node, struct stat* wanted, int what,
                           fuse_file_info*) {
            if ((what & FUSE_SET_ATTR_SIZE) == 0)
                return self(req).reply_status(req, node);
            self(req).handle(
                request::resize, req,
                [req, node, size = std::size_t(wanted->st_size)](std::size_t) {
                    self(req).content_.resize(size);
                    self(req).reply_status(req, node);
                });
        };
        calls.open = [](fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
            self(req).handle(request::open, req, [req, opened = *info](std::size_t) mutable {
                // no page cache: each read and write of the test arrives here unchanged
                opened.direct_io = 1;
                fuse_reply_open(req, &opened);
            });
        };
        calls.read = [](fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset,
                        fuse_file_info*) {
            self(req).handle(request::read, req, [req, size, offset](std::size_t limit) {
                const std::string& content = self(req).content_;
                const std::size_t from = std::min(std::size_t(offset), content.size());
                fuse_reply_buf(
                    req, content.data() + from, std::min({size, limit, content.size() - from}));
            });
        };
        calls.write = [](fuse_req_t req, fuse_ino_t, const char* data, std::size_t size,
                         off_t offset, fuse_file_info*) {
            self(req).handle(
                request::write, req,
                [req, bytes = std::string(data, size), offset](std::size_t limit) {
                    std::string& content = self(req).content_;
                    const std::size_t count = std::min(bytes.size(), limit);
                    content.resize(std::max(content.size(), std::size_t(offset) + count));
                    content.replace(std::size_t(offset), count, bytes, 0, count);
                    fuse_reply_write(req, count);
                });
        };
        calls.fsync = [](fuse_req_t req, fuse_ino_t, int, fuse_file_info*) {
            self(req).succeed(request::sync, req);
        };
        calls.flush = [](fuse_req_t req, fuse_ino_t, fuse_file_info*) {
            self(req).succeed(request::flush, req);
        };
        calls.release = [](fuse_req_t req, fuse_ino_t, fuse_file_info*) {
            self(req).succeed(request::release, req);
        };

        char name[] = "fuse_test";
        char* arguments[] = {name, nullptr};
        fuse_args options = FUSE_ARGS_INIT(1, arguments);
        session_ = fuse_session_new(&options, &calls, sizeof calls, this);
        if (!session_ ||
            fuse_session_mount(session_, ("/dev/fd/" + std::to_string(device)).c_str()) != 0)
            ::_exit(1);
    }

    /// Serves until the test ends or kills the server. A test that is silent for `idle_ms` hangs:
    /// the server returns, and the test's requests fail.
    void serve() {
        std::array<pollfd, 2> ready{
            {{fuse_session_fd(session_), POLLIN, 0}, {control_, POLLIN, 0}}};
        fuse_buf buffer{};
        while (!fuse_session_exited(session_) && ::poll(ready.data(), ready.size(), idle_ms) > 0) {
            if (ready[0].revents != 0 && fuse_session_receive_buf(session_, &buffer) > 0)
                fuse_session_process_buf(session_, &buffer);
            if (ready[1].revents != 0 && !obey())
                return;
        }
    }

private:
    static constexpr fuse_ino_t file_node = FUSE_ROOT_ID + 1;

    static fuse_server& self(fuse_req_t req) {
        return *static_cast<fuse_server*>(fuse_req_userdata(req));
    }

    /// Replies to a request as the script says; `perform(limit)` performs the request and replies.
    void handle(request kind, fuse_req_t req, std::function<void(std::size_t)> perform) {
        ++seen_[std::size_t(kind)];
        answer next;
        if (auto& script = scripts_[std::size_t(kind)]; !script.empty()) {
            next = script.front();
            script.pop_front();
        }
        const auto end = [req, next, perform = std::move(perform)] {
            next.error != 0 ? void(fuse_reply_err(req, next.error)) : perform(next.limit);
        };
        if (next.held)
            held_.emplace_back(end);
        else
            end();
        if (awaited_)
            confirm(*awaited_);
    }

    void succeed(request kind, fuse_req_t req) {
        handle(kind, req, [req](std::size_t) { fuse_reply_err(req, 0); });
    }

    struct stat status(fuse_ino_t node) const {
        struct stat result {};
        result.st_ino = node;
        result.st_mode = node == file_node ? S_IFREG | 0600 : S_IFDIR | 0700;
        result.st_nlink = 1;
        result.st_size = node == file_node ? off_t(content_.size()) : 0;
        return result;
    }

    void reply_status(fuse_req_t req, fuse_ino_t node) const {
        const struct stat found = status(node);
        fuse_reply_attr(req, &found, 0); // 0 s: the kernel caches no attributes
    }

    bool obey() {
        command wanted{};
        if (::recv(control_, &wanted, sizeof wanted, 0) != sizeof wanted)
            return false;
        if (wanted.what == command::verb::script)
            scripts_[std::size_t(wanted.kind)].push_back(wanted.next);
        if (wanted.what == command::verb::let_go)
            for (const auto& end : std::exchange(held_, {}))
                end();
        confirm(wanted);
        return true;
    }

    /// Confirms a command, now or when enough requests have arrived.
    void confirm(command wanted) { // a copy: the caller may pass `awaited_`
        const unsigned seen = seen_[std::size_t(wanted.kind)];
        awaited_.reset();
        if (seen < wanted.count)
            awaited_ = wanted;
        else
            ::send(control_, &seen, sizeof seen, MSG_NOSIGNAL);
    }

    int control_;
    std::string content_;
    fuse_session* session_ = nullptr;
    std::array<unsigned, request_kinds> seen_{};
    std::array<std::deque<answer>, request_kinds> scripts_;
    std::deque<std::function<void()>> held_;
    std::optional<command> awaited_;
};

// --- The test's side ---

/// The mounted filesystem and its server. The constructor forks, so the test has no thread yet.
class scripted_filesystem {
public:
    explicit scripted_filesystem(environment& env, const std::string& content = "0123456789") {
        const int device = ::open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (device != -1 && may_mount())
            mount_.emplace(
                "fuse", env.path("fuse"),
                "fd=" + std::to_string(device) + ",rootmode=40000,user_id=" +
                    std::to_string(::getuid()) + ",group_id=" + std::to_string(::getgid()));
        if (works())
            fork_server(device, content);
        ::close(device); // only the server has the device: held requests end with the server
    }
    scripted_filesystem(const scripted_filesystem&) = delete;
    scripted_filesystem& operator=(const scripted_filesystem&) = delete;
    ~scripted_filesystem() { kill_server(); }

    /// True if the filesystem is mounted; otherwise prints why the test is skipped.
    bool works_or_skipped() const {
        if (!works())
            say_skipped("there is no /dev/fuse, or no right to mount");
        return works();
    }

    std::string path() const { return mount_->file(file_name); }
    file open(environment& env) const { return file(env.ctx, path(), file_base::read_write); }

    /// Scripts the replies to the next `times` requests of this kind.
    void script(request kind, const answer& next, unsigned times = 1) {
        for (; times != 0; --times)
            ask({command::verb::script, kind, next});
    }

    /// Waits until `count` requests of this kind have arrived.
    void await(request kind, unsigned count) { ask({command::verb::await, kind, {}, count}); }
    unsigned seen(request kind) { return ask({command::verb::await, kind}); }

    /// Sends the held replies.
    void let_go() { ask({command::verb::let_go}); }

    /// Asks the server to send the held replies, and does not wait. `confirm` waits for it.
    void start_to_let_go() { tell({command::verb::let_go}); }

    unsigned confirm() {
        pollfd ready{control_, POLLIN, 0};
        BOOST_REQUIRE_MESSAGE(
            ::poll(&ready, 1, idle_ms) == 1, "the request did not arrive, or the server hangs");
        unsigned count = 0;
        BOOST_REQUIRE_EQUAL(::recv(control_, &count, sizeof count, 0), ssize_t(sizeof count));
        return count;
    }

    void kill_server() {
        if (server_ == -1)
            return;
        ::kill(server_, SIGKILL);
        ::waitpid(server_, nullptr, 0);
        ::close(control_);
        server_ = -1;
    }

private:
    bool works() const { return mount_ && mount_->works(); }

    void fork_server(int device, const std::string& content) {
        int sockets[2];
        BOOST_REQUIRE_EQUAL(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        server_ = ::fork();
        if (server_ == 0) {
            for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
                ::signal(signal, SIG_DFL); // Boost.Test's handlers would run the other tests here
            ::close(sockets[0]);           // `recv` then fails when the test ends
            fuse_server(device, sockets[1], content).serve();
            ::_exit(0);
        }
        ::close(sockets[1]);
        control_ = sockets[0];
        BOOST_REQUIRE(server_ != -1);
    }

    void tell(const command& wanted) {
        BOOST_REQUIRE_EQUAL(
            ::send(control_, &wanted, sizeof wanted, MSG_NOSIGNAL), ssize_t(sizeof wanted));
    }

    unsigned ask(const command& wanted) {
        tell(wanted);
        return confirm();
    }

    std::optional<mounted> mount_;
    int control_ = -1;
    pid_t server_ = -1;
};

} // namespace test
