// SPDX-License-Identifier: BSL-1.0
// The file server, with 100 clients of a filesystem that hangs and one of a healthy filesystem.
#include "scripted_filesystem.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <algorithm>
#include <csignal>
#include <deque>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace test;

namespace {

constexpr int clients = 100;
constexpr auto hung_file = "/fuse/file";

// The permits that a part of the tree gets with the server's default of 64 threads: 32 are for opens,
// and an eighth of those for a file in a folder. 32 are for reads, and a quarter of those for a
// filesystem.
constexpr unsigned most_opens = 4;
constexpr unsigned most_reads = 8;

/// A server program that serves the test's folder, in a process of its own.
class server {
public:
    server(environment& env, std::initializer_list<std::string> options) {
        int ends[2];
        BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        std::vector<std::string> words{
            FILE_SERVER, "--port",          "0",         "--quiet",
            "--root",    env.folder.path(), "--backend", std::string(to_string(env.engine))};
        words.insert(words.end(), options);
        std::vector<char*> arguments;
        for (auto& each : words)
            arguments.push_back(each.data());
        arguments.push_back(nullptr);
        process_ = ::fork();
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::dup2(ends[1], STDOUT_FILENO);
            ::dup2(ends[1], STDERR_FILENO);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
        ::close(ends[1]);
        output_ = ends[0];
        const auto first = await_line("listening on ");
        port_ = static_cast<unsigned short>(std::stoi(first.substr(first.rfind(':') + 1)));
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    ~server() {
        if (process_ != -1)
            ::kill(process_, SIGKILL);
        wait();
        ::close(output_);
    }

    unsigned short port() const { return port_; }
    void send_signal(int number) const { ::kill(process_, number); }

    /// Waits for a line of the server's output that contains the words.
    std::string await_line(const std::string& words) const {
        std::string line;
        char byte = 0;
        while (::read(output_, &byte, 1) == 1) {
            if (byte == '\n' && line.find(words) != line.npos)
                return line;
            byte == '\n' ? line.clear() : line.push_back(byte);
        }
        BOOST_FAIL("the server does not print \"" << words << "\" but: " << line);
        return {};
    }

    /// Waits for the end of the process, and returns its exit status.
    int wait() {
        int status = 0;
        if (process_ == -1)
            return -1;
        ::waitpid(std::exchange(process_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t process_ = -1;
    int output_ = -1;
    unsigned short port_ = 0;
};

/// A request on a connection of its own.
class client {
public:
    client(environment& env, const server& from, const std::string& path) : socket_(env.ctx) {
        socket_.connect({asio::ip::address_v4::loopback(), from.port()});
        // A server that hangs fails the test, and does not block it for ever.
        const timeval limit{deadline_seconds / 4, 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        asio::write(
            socket_,
            asio::buffer("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    }

    /// Waits for the whole response.
    const std::string& response() {
        char bytes[4096];
        for (ssize_t got = 0; (got = ::recv(socket_.native_handle(), bytes, sizeof bytes, 0)) > 0;)
            text_.append(bytes, std::size_t(got));
        return text_;
    }

    int status() {
        const auto& text = response();
        return text.size() < 12 ? 0 : std::stoi(text.substr(9, 3));
    }

private:
    asio::ip::tcp::socket socket_;
    std::string text_;
};

struct hung_clients {
    hung_clients(environment& env, const server& from) {
        for (int i = 0; i != clients; ++i)
            all.emplace_back(env, from, hung_file);
    }

    /// Waits for the responses, and counts them by their status.
    std::map<int, int> statuses() {
        std::map<int, int> count;
        for (auto& each : all)
            ++count[each.status()];
        return count;
    }

    std::deque<client> all;
};

void expect_healthy(environment& env, const server& from) {
    set_content(env.path("file"), "healthy");
    std::filesystem::create_directories(env.path("folder/more"));
    set_content(env.path("folder/more/file"), "healthy");
    for (const auto* path : {"/file", "/folder/more/file", "/file", "/folder/more/file"}) {
        client one(env, from, path);
        BOOST_TEST(one.status() == 200, path);
        BOOST_TEST(one.response().ends_with("\r\n\r\nhealthy"));
    }
    client missing(env, from, "/folder/nothing");
    BOOST_TEST(missing.status() == 404);
}

/// Sends the held replies. Further requests are held as well, until each client has had one.
void let_go_of_all(scripted_filesystem& fs, request kind, unsigned at_once) {
    for (unsigned arrived = at_once; arrived < clients;) {
        arrived = std::min<unsigned>(arrived + at_once, clients);
        fs.let_go();
        fs.await(kind, arrived);
    }
    fs.let_go();
}

using status_count = std::map<int, int>;

} // namespace

ENGINE_TEST(lookups_that_hang_do_not_stop_files_elsewhere) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    server tested(env, {"--open-timeout", "3600"});
    fs.script(request::lookup, {0, true}); // the kernel sends one lookup for all clients
    hung_clients hung(env, tested);
    fs.await(request::lookup, 1);
    expect_healthy(env, tested);
    fs.let_go();
    BOOST_TEST((hung.statuses() == status_count{{200, clients}}));
}

ENGINE_TEST(opens_that_hang_do_not_stop_files_elsewhere) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    server tested(env, {"--open-timeout", "3600"});
    fs.script(request::open, {0, true}, clients);
    hung_clients hung(env, tested);
    fs.await(request::open, most_opens);
    expect_healthy(env, tested);
    BOOST_TEST(fs.seen(request::open) == most_opens);
    let_go_of_all(fs, request::open, most_opens);
    BOOST_TEST((hung.statuses() == status_count{{200, clients}}));
    BOOST_TEST(hung.all.front().response().ends_with("\r\n\r\n0123456789"));
}

ENGINE_TEST(a_request_for_a_filesystem_that_hangs_gets_an_error_in_time) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    server tested(env, {"--open-timeout", "1"});
    fs.script(request::open, {0, true}, most_opens);
    hung_clients hung(env, tested);
    fs.await(request::open, most_opens);
    expect_healthy(env, tested);
    const status_count expected{{503, clients - int(most_opens)}, {504, int(most_opens)}};
    BOOST_TEST((hung.statuses() == expected));
    for (auto& each : hung.all)
        if (each.status() == 503)
            BOOST_TEST(each.response().find("\r\nRetry-After: ") != std::string::npos);
    BOOST_TEST(fs.seen(request::open) == most_opens);
    fs.let_go();
    // The opens that nobody waited for are closed, and give their permits back.
    fs.await(request::release, most_opens);
    client again(env, tested, hung_file);
    BOOST_TEST(again.status() == 200);
}

ENGINE_TEST(reads_that_hang_do_not_stop_files_elsewhere) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    server tested(env, {"--open-timeout", "3600"});
    fs.script(request::read, {0, true}, clients);
    hung_clients hung(env, tested);
    fs.await(request::read, most_reads);
    expect_healthy(env, tested);
    BOOST_TEST(fs.seen(request::read) == most_reads);
    let_go_of_all(fs, request::read, most_reads);
    BOOST_TEST((hung.statuses() == status_count{{200, clients}}));
}

ENGINE_TEST(closes_that_hang_do_not_stop_files_elsewhere) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    server tested(env, {"--open-timeout", "3600"});
    fs.script(request::flush, {0, true}, clients);
    hung_clients hung(env, tested);
    fs.await(request::flush, most_opens);
    expect_healthy(env, tested);
    BOOST_TEST(fs.seen(request::flush) == most_opens);
    let_go_of_all(fs, request::flush, most_opens);
    BOOST_TEST((hung.statuses() == status_count{{200, clients}}));
}

ENGINE_TEST(a_server_ends_although_a_call_on_a_file_does_not) {
    scripted_filesystem fs(env);
    if (!fs.works_or_skipped())
        return;
    server tested(env, {"--drain-seconds", "0"});
    fs.script(request::open, {0, true}, clients);
    hung_clients hung(env, tested);
    fs.await(request::open, most_opens);
    tested.send_signal(SIGTERM);
    tested.await_line("a call for a file does not end");
    fs.let_go(); // the kernel ends no process while a request of it is with the filesystem
    constexpr int incomplete = 1;
    BOOST_TEST(tested.wait() == incomplete);
}
