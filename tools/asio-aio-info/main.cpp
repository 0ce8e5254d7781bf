// SPDX-License-Identifier: BSL-1.0
// asio-aio-info reports which engines work on this machine, which engine a program gets, and how
// fast the engines read at a path.
#include "choice.hpp"
#include "host.hpp"
#include "json.hpp"
#include "page.hpp"
#include "place.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "settings.hpp"
#include "subject.hpp"
#include "taste.hpp"
#include "text.hpp"

#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace {

constexpr int status_better_works = 0;
constexpr int status_only_pool = 1;
constexpr int status_usage = 2;
constexpr int status_failed = 3;

bool wants_colour() {
    const auto value = [](const char* name) {
        return std::string_view(std::getenv(name) ? std::getenv(name) : "");
    };
    return ::isatty(STDOUT_FILENO) == 1 && value("NO_COLOR").empty() && value("TERM") != "dumb";
}

void try_file(
    const info::settings& wanted, info::subject& file, info::report& found, info::progress& shown) {
    constexpr std::uint64_t block = 4096;
    constexpr std::uint64_t for_taste = std::uint64_t(64) * 1024 * 1024;
    if (file.kind() == info::place_kind::folder) {
        shown.show("making a temporary file");
        file.make_file(wanted.seconds == 0 ? block : for_taste);
    }
    info::inspect_file(file, *found.place);
    if (wanted.seconds != 0)
        found.taste = info::take_taste(file, wanted.seconds, found.engines, shown);
}

void inspect_path(
    const info::settings& wanted, info::subject& file, info::report& found, info::progress& shown) {
    info::place_report& place = found.place.emplace();
    place.path = *wanted.path;
    place.kind = file.kind();
    info::inspect_filesystem(file.descriptor_number(), place);
    try {
        try_file(wanted, file, found, shown);
    } catch (const std::runtime_error& error) {
        // For example a read-only folder or a full disk: a result of the report.
        place.error = error.what();
    }
}

info::report inspect(const info::settings& wanted) {
    // First, so that a wrong path is reported at once.
    std::optional<info::subject> file;
    if (wanted.path)
        file.emplace(*wanted.path);
    info::progress shown;
    info::report found;
    found.host = info::inspect_host(); // before the trials, which change fs.aio-nr
    found.engines = asio_aio::probe();
    found.choice = info::find_choice();
    if (file)
        inspect_path(wanted, *file, found, shown);
    return found;
}

int run(int argc, const char* const* argv) {
    const auto wanted = info::parse_settings(argc, argv);
    int status = status_better_works;
    if (wanted) {
        const info::report found = inspect(*wanted);
        if (wanted->json)
            info::print_json(found, std::cout);
        else
            info::print_text(found, wants_colour(), std::cout);
        status = info::works_better_than_pool(found) ? status_better_works : status_only_pool;
    }
    if (!std::cout.flush())
        throw std::runtime_error("standard output cannot be written");
    return status;
}

int complain(const std::exception& error, int status) {
    std::cerr << "asio-aio-info: " << info::printable(error.what()) << '\n';
    return status;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGXFSZ, SIG_IGN); // a write beyond RLIMIT_FSIZE fails with EFBIG then
    try {
        return run(argc, argv);
    } catch (const info::usage_error& error) {
        return complain(error, status_usage);
    } catch (const std::exception& error) {
        return complain(error, status_failed);
    }
}
