// SPDX-License-Identifier: BSL-1.0
// The choice of the engine, and the description and statistics of a context.
#include "holding_engine.hpp"

#include <boost/asio/io_context.hpp>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

using namespace test;
using asio_aio::choice_source;
using asio_aio::description;
using asio_aio::errc;
using boost::system::system_error;

namespace {

/// Unsets an environment variable of this process; the destructor restores its value.
class variable {
public:
    explicit variable(const char* name) : name_(name) {
        if (const char* value = std::getenv(name))
            before_ = value;
        unset();
    }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;
    ~variable() { before_ ? set(*before_) : unset(); }

    void set(const std::string& value) { ::setenv(name_, value.c_str(), 1); }
    void unset() { ::unsetenv(name_); }

private:
    const char* name_;
    std::optional<std::string> before_;
};

/// A context, and all sources of its choice: code, environment, file.
struct choosing {
    std::string path() const { return folder.file("data"); }
    std::string config_path() const { return folder.file("default_backend"); }

    void say_in_environment(const std::string& list) { backend_variable.set(list); }

    void say_in_file(std::string_view text) {
        set_content(config_path(), text);
        config_variable.set(config_path());
    }

    void say_in_code(const std::vector<backend>& list) {
        asio_aio::options options;
        options.choice = list;
        asio_aio::configure(ctx, options);
    }

    /// Opens the first file of the context.
    error_code open() {
        error_code ec;
        f.open(path(), file_base::read_write | file_base::create, ec);
        return ec;
    }

    /// The text of the exception that `open` throws; empty if it throws none.
    std::string text_of_failed_open() {
        try {
            f.open(path(), file_base::read_write | file_base::create);
        } catch (const system_error& e) {
            return e.what();
        }
        return {};
    }

    description describe() { return asio_aio::describe(ctx); }

    temporary_directory folder;
    variable backend_variable{"ASIO_AIO_BACKEND"};
    variable config_variable{"ASIO_AIO_CONFIG"};
    asio::io_context ctx;
    file f{ctx};
};

using engines = std::vector<backend>;

const engines all_engines{backend::io_uring, backend::libaio, backend::thread_pool};

bool is_available(backend which) {
    return asio_aio::probe().at(std::size_t(which)).available;
}

/// The first engine of a list that works here.
std::optional<backend> first_available(const engines& list) {
    const auto found = std::find_if(list.begin(), list.end(), is_available);
    return found == list.end() ? std::nullopt : std::optional(*found);
}

/// The report of an engine that does not work here; nothing if all work.
std::optional<asio_aio::engine_report> unavailable_engine() {
    for (const asio_aio::engine_report& each : asio_aio::probe())
        if (!each.available)
            return each;
    return std::nullopt;
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

/// Starts `count` adjacent writes of "abc".
std::vector<outcome> start_writes(file& f, std::size_t count) {
    std::vector<outcome> results(count);
    for (std::size_t i = 0; i != count; ++i)
        f.async_write_some_at(3 * i, asio::buffer("abc", 3), results[i].handler());
    return results;
}

void check_names_all_engines(std::string_view text) {
    for (backend each : all_engines)
        BOOST_TEST(contains(text, to_string(each)), text << " names " << to_string(each));
}

} // namespace

BOOST_TEST_DONT_PRINT_LOG_VALUE(asio_aio::backend)
BOOST_TEST_DONT_PRINT_LOG_VALUE(asio_aio::choice_source)

// --- Names and reports ---

BOOST_AUTO_TEST_CASE(names_of_engines_go_both_ways) {
    BOOST_TEST(to_string(backend::io_uring) == "io_uring");
    BOOST_TEST(to_string(backend::libaio) == "libaio");
    BOOST_TEST(to_string(backend::thread_pool) == "thread_pool");
    for (backend each : all_engines)
        BOOST_TEST((asio_aio::backend_from_string(to_string(each)) == each));
    for (std::string_view other :
         {"", " ", "io-uring", "IO_URING", "io_uring ", "threadpool", "automatic",
          "io_uring,libaio"})
        BOOST_TEST(!asio_aio::backend_from_string(other), '"' << other << "\" is no engine");
}

BOOST_AUTO_TEST_CASE(probe_reports_every_engine_in_the_order_of_the_automatic_choice) {
    const auto reports = asio_aio::probe();
    BOOST_REQUIRE(reports.size() == all_engines.size());
    for (std::size_t i = 0; i != reports.size(); ++i) {
        BOOST_TEST((reports[i].which == all_engines[i]));
        BOOST_TEST(reports[i].available == reports[i].reason.empty());
        if (reports[i].available)
            BOOST_TEST(reports[i].error == 0);
    }
    BOOST_TEST(reports.back().available); // the thread pool works everywhere
}

BOOST_AUTO_TEST_CASE(errors_of_the_library_have_a_category_and_words) {
    const error_code ec = errc::engine_unavailable;
    BOOST_TEST(ec.category().name() == std::string("asio_aio"));
    BOOST_TEST((ec == errc::engine_unavailable));
    BOOST_TEST((ec != errc::invalid_choice));
    const std::set<std::string> words{
        ec.message(), error_code(errc::invalid_choice).message(),
        error_code(99, asio_aio::error_category()).message()};
    BOOST_TEST(words.size() == 3u);
}

// --- Which source wins ---

BOOST_AUTO_TEST_CASE(the_first_source_that_contains_a_choice_wins) {
    const engines code{backend::thread_pool};
    const engines environment{backend::libaio, backend::thread_pool};
    const engines in_file{backend::io_uring, backend::thread_pool};
    for (int which = 0; which != 8; ++which) {
        const bool says_code = which & 1, says_environment = which & 2, says_file = which & 4;
        BOOST_TEST_CONTEXT(
            "code " << says_code << ", environment " << says_environment << ", file "
                    << says_file) {
            choosing it;
            if (says_code)
                it.say_in_code(code);
            if (says_environment)
                it.say_in_environment("libaio,thread_pool");
            it.say_in_file(says_file ? "io_uring,thread_pool\n" : "# nothing\n");
            BOOST_REQUIRE(!it.open());
            const description what = it.describe();
            const auto source = says_code ? choice_source::code
                : says_environment        ? choice_source::environment
                : says_file               ? choice_source::file
                                          : choice_source::automatic;
            const engines& list = says_code ? code
                : says_environment          ? environment
                : says_file                 ? in_file
                                            : all_engines;
            BOOST_TEST((what.source == source));
            BOOST_TEST((what.choice == list));
            BOOST_TEST((what.chosen == first_available(list)));
            BOOST_TEST(what.error.empty());
            BOOST_TEST((it.f.backend() == serves_buffered(*first_available(list))));
            const std::string origin = says_code ? "asio_aio::configure"
                : says_environment               ? "ASIO_AIO_BACKEND"
                : says_file                      ? it.config_path()
                                                 : "automatic";
            BOOST_TEST(contains(what.origin, origin), what.origin << " names " << origin);
        }
    }
}

BOOST_AUTO_TEST_CASE(without_any_source_the_choice_is_automatic) {
    choosing it;
    BOOST_REQUIRE(!it.open());
    if (it.describe().source == choice_source::file)
        return say_skipped("this system has a configuration file of asio_aio");
    BOOST_TEST((it.describe().source == choice_source::automatic));
    BOOST_TEST((it.describe().choice == all_engines));
    BOOST_TEST((it.f.backend() == serves_buffered(*first_available(all_engines))));
}

BOOST_AUTO_TEST_CASE(an_empty_environment_variable_is_ignored) {
    for (const char* nothing : {"", " ", " \t "}) {
        choosing it;
        it.say_in_environment(nothing);
        it.say_in_file("thread_pool");
        BOOST_REQUIRE(!it.open());
        BOOST_TEST((it.describe().source == choice_source::file));
    }
}

BOOST_AUTO_TEST_CASE(an_empty_name_of_the_configuration_file_is_ignored) {
    choosing it;
    it.config_variable.set("");
    BOOST_REQUIRE(!it.open());
    BOOST_TEST(it.describe().error.empty());
}

BOOST_AUTO_TEST_CASE(the_source_that_wins_hides_the_mistakes_of_the_others) {
    {
        choosing it;
        it.say_in_environment("nonsense");
        it.say_in_file("nonsense");
        it.say_in_code({backend::thread_pool});
        BOOST_TEST(!it.open());
    }
    {
        choosing it;
        it.say_in_environment("thread_pool");
        it.say_in_file("nonsense");
        BOOST_TEST(!it.open());
    }
}

// --- Lists ---

BOOST_AUTO_TEST_CASE(a_list_is_separated_by_commas_and_blanks_do_not_count) {
    for (const char* list :
         {"libaio,thread_pool", " libaio , thread_pool ", "libaio,\tthread_pool"}) {
        BOOST_TEST_CONTEXT('"' << list << '"') {
            choosing it;
            it.say_in_environment(list);
            BOOST_REQUIRE(!it.open());
            BOOST_TEST((it.describe().choice == engines{backend::libaio, backend::thread_pool}));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_order_of_a_list_is_that_of_the_choice) {
    choosing it;
    it.say_in_environment("thread_pool,io_uring,libaio");
    BOOST_REQUIRE(!it.open());
    BOOST_TEST((
        it.describe().choice == engines{backend::thread_pool, backend::io_uring, backend::libaio}));
    BOOST_TEST((it.f.backend() == backend::thread_pool));
    BOOST_TEST(it.describe().passed_over.empty());
}

BOOST_AUTO_TEST_CASE(a_configuration_file_may_have_comments_and_blank_lines) {
    for (const char* text :
         {"# The engines of this machine.\n\n   \nlibaio,thread_pool\n",
          "libaio  # why\nthread_pool\n", "libaio\r\nthread_pool\r\n",
          "\n\n\tlibaio\n#io_uring\n\nthread_pool", "libaio,thread_pool#io_uring"}) {
        BOOST_TEST_CONTEXT('"' << text << '"') {
            choosing it;
            it.say_in_file(text);
            BOOST_REQUIRE(!it.open());
            BOOST_TEST((it.describe().source == choice_source::file));
            BOOST_TEST((it.describe().choice == engines{backend::libaio, backend::thread_pool}));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_configuration_file_that_has_only_comments_is_ignored) {
    for (const char* text : {"", "\n", "# io_uring\n", "  # io_uring\n\n#\n"}) {
        choosing it;
        it.say_in_file(text);
        BOOST_REQUIRE(!it.open());
        BOOST_TEST((it.describe().source == choice_source::automatic));
    }
}

// --- Mistakes ---

BOOST_AUTO_TEST_CASE(an_unknown_name_in_the_environment_is_quoted_and_the_known_ones_are_listed) {
    for (const char* list :
         {"io_urng", "thread_pool,io_urng", "io_urng,thread_pool", " io_urng "}) {
        BOOST_TEST_CONTEXT('"' << list << '"') {
            choosing it;
            it.say_in_environment(list);
            BOOST_TEST((it.open() == errc::invalid_choice));
            BOOST_TEST(!it.f.is_open());
            const description what = it.describe();
            BOOST_TEST(!what.chosen);
            BOOST_TEST((what.source == choice_source::environment));
            BOOST_TEST(contains(what.error, "\"io_urng\""), what.error);
            BOOST_TEST(contains(what.error, "ASIO_AIO_BACKEND"), what.error);
            check_names_all_engines(what.error);
            BOOST_TEST(to_string(what) == what.error);
            const std::string text = it.text_of_failed_open();
            BOOST_TEST(contains(text, what.error), text);
            BOOST_TEST(contains(text, it.path()), text);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_superfluous_comma_is_reported) {
    for (const char* list : {"thread_pool,", ",thread_pool", "io_uring,,thread_pool"}) {
        choosing it;
        it.say_in_environment(list);
        BOOST_TEST((it.open() == errc::invalid_choice));
        BOOST_TEST(contains(it.describe().error, "comma"), list << ": " << it.describe().error);
        check_names_all_engines(it.describe().error);
    }
}

BOOST_AUTO_TEST_CASE(an_unknown_name_in_the_configuration_file_is_quoted_with_the_files_name) {
    choosing it;
    it.say_in_file("thread_pool\nIO_URING\n");
    BOOST_TEST((it.open() == errc::invalid_choice));
    const description what = it.describe();
    BOOST_TEST((what.source == choice_source::file));
    BOOST_TEST(contains(what.error, "\"IO_URING\""), what.error);
    BOOST_TEST(contains(what.error, it.config_path()), what.error);
    check_names_all_engines(what.error);
}

BOOST_AUTO_TEST_CASE(a_configuration_file_that_is_named_but_missing_is_an_error) {
    choosing it;
    it.config_variable.set(it.folder.file("missing"));
    BOOST_TEST((it.open() == errc::invalid_choice));
    BOOST_TEST(contains(it.describe().error, "ASIO_AIO_CONFIG"), it.describe().error);
    BOOST_TEST(contains(it.describe().error, it.folder.file("missing")), it.describe().error);
}

BOOST_AUTO_TEST_CASE(a_configuration_file_that_is_a_folder_is_an_error) {
    choosing it;
    it.config_variable.set(it.folder.path().string());
    BOOST_TEST((it.open() == errc::invalid_choice));
    BOOST_TEST(contains(it.describe().error, it.folder.path().string()), it.describe().error);
}

BOOST_AUTO_TEST_CASE(a_file_that_could_not_be_opened_for_its_choice_is_not_created) {
    choosing it;
    it.say_in_environment("nonsense");
    BOOST_TEST(bool(it.open()));
    BOOST_TEST(!std::filesystem::exists(it.path()));
}

BOOST_AUTO_TEST_CASE(after_a_choice_that_did_not_work_the_program_can_make_another) {
    choosing it;
    it.say_in_environment("nonsense");
    BOOST_TEST((it.open() == errc::invalid_choice));
    it.say_in_code({backend::thread_pool});
    BOOST_TEST(!it.open());
    BOOST_TEST((it.describe().chosen == backend::thread_pool));
    BOOST_TEST(it.describe().error.empty());
}

// --- Engines that are not available ---

BOOST_AUTO_TEST_CASE(open_fails_where_the_only_engine_of_the_choice_is_not_available) {
    const auto missing = unavailable_engine();
    if (!missing)
        return say_skipped("every engine is available here");
    const std::string name(to_string(missing->which));
    for (bool by_code : {true, false}) {
        choosing it;
        if (by_code)
            it.say_in_code({missing->which});
        else
            it.say_in_environment(name);
        BOOST_TEST((it.open() == errc::engine_unavailable));
        BOOST_TEST(!it.f.is_open());
        BOOST_TEST(!std::filesystem::exists(it.path()));
        const description what = it.describe();
        BOOST_TEST(!what.chosen);
        BOOST_TEST((what.choice == engines{missing->which}));
        BOOST_REQUIRE(what.passed_over.size() == 1u);
        BOOST_TEST((what.passed_over[0].which == missing->which));
        BOOST_TEST(what.passed_over[0].reason == missing->reason);
        const std::string thrown = it.text_of_failed_open();
        for (const std::string& text : {what.error, to_string(what), thrown}) {
            BOOST_TEST(contains(text, name), text);
            BOOST_TEST(contains(text, missing->reason), text);
        }
        BOOST_TEST(contains(thrown, it.path()), thrown);
    }
}

BOOST_AUTO_TEST_CASE(a_descriptor_stays_the_callers_where_the_engine_is_not_available) {
    const auto missing = unavailable_engine();
    if (!missing)
        return say_skipped("every engine is available here");
    choosing it;
    it.say_in_code({missing->which});
    const int descriptor = ::open(it.path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    BOOST_REQUIRE(descriptor != -1);
    error_code ec;
    it.f.assign(descriptor, ec);
    BOOST_TEST((ec == errc::engine_unavailable));
    BOOST_TEST(!it.f.is_open());
    BOOST_TEST(::fcntl(descriptor, F_GETFD) != -1);
    BOOST_CHECK_THROW(it.f.assign(descriptor), system_error);
    BOOST_TEST(::close(descriptor) == 0);
}

BOOST_AUTO_TEST_CASE(an_engine_that_is_not_available_is_passed_over_in_a_list_and_described) {
    const auto missing = unavailable_engine();
    if (!missing)
        return say_skipped("every engine is available here");
    choosing it;
    it.say_in_code({missing->which, backend::thread_pool});
    BOOST_REQUIRE(!it.open());
    const description what = it.describe();
    BOOST_TEST((what.chosen == backend::thread_pool));
    BOOST_REQUIRE(what.passed_over.size() == 1u);
    BOOST_TEST((what.passed_over[0].which == missing->which));
    BOOST_TEST(!what.passed_over[0].available);
    const std::string text = to_string(what);
    BOOST_TEST(contains(text, "thread_pool"), text);
    BOOST_TEST(contains(text, to_string(missing->which)), text);
    BOOST_TEST(contains(text, missing->reason), text);
    BOOST_TEST(contains(text, what.origin), text);
}

// --- Configure and describe ---

BOOST_AUTO_TEST_CASE(configure_after_a_file_was_opened_is_refused) {
    choosing it;
    it.say_in_code({backend::thread_pool});
    BOOST_REQUIRE(!it.open());
    for (bool closed : {false, true}) {
        if (closed)
            it.f.close();
        error_code ec;
        BOOST_TEST((asio_aio::configure(it.ctx, {}, ec) == asio::error::already_open));
        BOOST_TEST(ec == asio::error::already_open);
        BOOST_CHECK_EXCEPTION(
            asio_aio::configure(it.ctx, {}), system_error,
            [](const system_error& e) { return e.code() == asio::error::already_open; });
    }
    BOOST_TEST((it.describe().choice == engines{backend::thread_pool}));
    asio::io_context other;
    BOOST_CHECK_NO_THROW(asio_aio::configure(other, {}));
}

BOOST_AUTO_TEST_CASE(the_last_of_several_configurations_counts) {
    choosing it;
    it.say_in_code(all_engines);
    it.say_in_code({backend::thread_pool});
    BOOST_REQUIRE(!it.open());
    BOOST_TEST((it.describe().choice == engines{backend::thread_pool}));
}

BOOST_AUTO_TEST_CASE(options_that_cannot_work_are_refused_by_name_and_change_nothing) {
    choosing it;
    it.say_in_code({backend::thread_pool});
    asio_aio::options no_threads, no_queue, two_modes, no_engine;
    no_threads.max_threads = 0;
    no_queue.queue_depth = asio_aio::options::deepest_queue + 1;
    two_modes.sqpoll = two_modes.single_issuer = true;
    no_engine.choice = {backend(7)};
    const std::pair<asio_aio::options, const char*> wrong[] = {
        {no_threads, "options::max_threads is 0"},
        {no_queue, "options::queue_depth is 32769; it must be 1 to 32768"},
        {two_modes, "options::sqpoll and options::single_issuer"},
        {no_engine, "options::choice holds the value 7"}};
    for (const auto& [opts, words] : wrong) {
        error_code ec;
        asio_aio::configure(it.ctx, opts, ec);
        BOOST_TEST(ec == asio::error::invalid_argument);
        BOOST_CHECK_EXCEPTION(
            asio_aio::configure(it.ctx, opts), system_error, [text = words](const system_error& e) {
                return e.code() == asio::error::invalid_argument && contains(e.what(), text);
            });
    }
    BOOST_REQUIRE(!it.open());
    BOOST_TEST((it.describe().choice == engines{backend::thread_pool}));
}

BOOST_AUTO_TEST_CASE(a_file_object_alone_makes_no_engine) {
    choosing it; // has a file object
    BOOST_TEST(!it.describe().chosen);
    BOOST_TEST(it.describe().error.empty());
    BOOST_TEST(!to_string(it.describe()).empty());
    BOOST_TEST((it.f.backend() == backend::thread_pool));
    it.say_in_code({backend::thread_pool}); // no file has been opened yet
    BOOST_REQUIRE(!it.open());
    BOOST_TEST((it.describe().chosen == backend::thread_pool));
}

BOOST_AUTO_TEST_CASE(the_environment_is_read_when_the_first_file_is_opened) {
    choosing it;
    it.say_in_environment("thread_pool");
    BOOST_REQUIRE(!it.open());
    it.say_in_environment("nonsense");
    file second(it.ctx, it.folder.file("second"), file_base::read_write | file_base::create);
    BOOST_TEST(second.is_open());
    BOOST_TEST((it.describe().source == choice_source::environment));
}

ENGINE_TEST(the_engine_that_code_asks_for_serves_the_files) {
    file f = env.open();
    BOOST_TEST((f.backend() == serves_buffered(env.engine)));
    const description what = asio_aio::describe(env.ctx);
    BOOST_TEST((what.chosen == env.engine));
    BOOST_TEST((what.source == choice_source::code));
    BOOST_TEST((what.choice == engines{env.engine}));
    BOOST_TEST(what.passed_over.empty());
    BOOST_TEST(contains(to_string(what), to_string(env.engine)));
}

ENGINE_TEST(the_engine_that_the_environment_asks_for_serves_the_files) {
    choosing it;
    it.say_in_environment(std::string(to_string(env.engine)));
    BOOST_REQUIRE(!it.open());
    BOOST_TEST((it.f.backend() == serves_buffered(env.engine)));
    it.f.write_some_at(0, asio::buffer("abc", 3));
    char bytes[3];
    outcome result;
    it.f.async_read_some_at(0, asio::buffer(bytes), result.handler());
    run_until_idle(it.ctx);
    BOOST_TEST(result.bytes == 3u);
}

// --- Statistics ---

ENGINE_TEST(statistics_of_a_context_without_files_are_0) {
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started + counted.completed + counted.failed + counted.cancelled == 0u);
    BOOST_TEST(counted.bytes_read + counted.bytes_written == 0u);
    BOOST_TEST(
        counted.in_flight + counted.peak_in_flight + counted.batches + counted.kernel_entries ==
        0u);
    BOOST_TEST(counted.threads == 0u);
    BOOST_TEST(counted.read.count() == 0u);
}

ENGINE_TEST(statistics_count_what_was_written) {
    file f = env.open();
    const std::string block = pattern(100);
    for (std::uint64_t i = 0; i != 10; ++i)
        BOOST_TEST(write_at(env, f, i * 100, {asio::buffer(block)}).bytes == 100u);
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started == 10u);
    BOOST_TEST(counted.completed == 10u);
    BOOST_TEST(counted.failed == 0u);
    BOOST_TEST(counted.cancelled == 0u);
    BOOST_TEST(counted.bytes_written == 1000u);
    BOOST_TEST(counted.bytes_read == 0u);
    BOOST_TEST(counted.in_flight == 0u);
    BOOST_TEST(counted.peak_in_flight == 1u);
    BOOST_TEST(counted.batches == 10u);
    BOOST_TEST(counted.largest_batch == 1u);
    BOOST_TEST(counted.kernel_entries >= 10u);
    BOOST_TEST(counted.write.count() == 10u);
    BOOST_TEST(counted.read.count() + counted.sync.count() + counted.other.count() == 0u);
}

ENGINE_TEST(statistics_count_reads_with_and_without_an_engine) {
    set_content(env.path(), pattern(1000));
    file f = env.open();
    char bytes[100];
    constexpr std::uint64_t reads = 10;
    for (std::uint64_t i = 0; i != reads; ++i)
        BOOST_TEST(read_at(env, f, i * 100, {asio::buffer(bytes)}).bytes == 100u);
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started == reads);
    BOOST_TEST(counted.completed == reads);
    BOOST_TEST(counted.bytes_read == 1000u);
    BOOST_TEST(counted.bytes_written == 0u);
    // the histogram does not count inline reads
    BOOST_TEST(counted.inline_hits + counted.read.count() == reads);
    if (counted.inline_hits == 0)
        return say_skipped(
            "this filesystem refuses RWF_NOWAIT, so no read is served from memory at initiation");
    BOOST_TEST(counted.inline_hits == reads);
    BOOST_TEST(counted.inline_misses == 0u);
    BOOST_TEST(counted.batches == 0u);
    BOOST_TEST(counted.kernel_entries == reads); // one system call each
}

ENGINE_TEST(statistics_count_a_read_that_was_not_in_memory_as_a_miss) {
    set_content(env.path(), pattern(4096));
    file f = env.open();
    make_cold(env.path());
    char bytes[4096];
    BOOST_TEST(read_at(env, f, 0, {asio::buffer(bytes)}).bytes == 4096u);
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.inline_hits + counted.inline_misses == 1u);
    BOOST_TEST(counted.bytes_read == 4096u);
    if (counted.inline_hits != 0)
        return say_skipped("this filesystem does not drop the pages of a file");
    BOOST_TEST(counted.batches == 1u);
    BOOST_TEST(counted.read.count() == 1u);
}

ENGINE_TEST(reads_above_the_limit_are_not_tried_inline) {
    set_content(env.path(), pattern(3000));
    for (std::size_t limit : {std::size_t(0), std::size_t(999), std::size_t(1000)}) {
        BOOST_TEST_CONTEXT("limit " << limit) {
            environment own(env.engine);
            asio_aio::options options = own.options();
            options.inline_read_limit = limit;
            asio_aio::configure(own.ctx, options);
            file f(own.ctx, env.path(), file_base::read_only);
            char bytes[1000];
            BOOST_TEST(read_at(own, f, 0, {asio::buffer(bytes)}).bytes == 1000u);
            const auto counted = asio_aio::statistics(own.ctx);
            BOOST_TEST(counted.inline_hits + counted.inline_misses == (limit == 1000 ? 1u : 0u));
            BOOST_TEST(counted.read.count() == (counted.inline_hits == 0 ? 1u : 0u));
        }
    }
}

ENGINE_TEST(statistics_count_errors_but_not_the_end_of_the_file) {
    set_content(env.path(), "abc");
    file f = env.open("file", file_base::read_only);
    file closed(env.ctx);
    char bytes[4];
    BOOST_TEST(read_at(env, f, 3, {asio::buffer(bytes)}).ec == asio::error::eof);
    BOOST_TEST(!read_at(env, f, 0, {asio::mutable_buffer()}).ec);
    auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started == 2u);
    BOOST_TEST(counted.completed == 2u);
    BOOST_TEST(counted.failed == 0u);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer(bytes)}).ec == asio::error::bad_descriptor);
    BOOST_TEST(read_at(env, closed, 0, {asio::buffer(bytes)}).ec == asio::error::bad_descriptor);
    BOOST_TEST(
        read_at(env, f, std::uint64_t(1) << 63, {asio::buffer(bytes)}).ec ==
        asio::error::invalid_argument);
    counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started == 5u);
    BOOST_TEST(counted.completed == 5u);
    BOOST_TEST(counted.failed == 3u);
    BOOST_TEST(counted.cancelled == 0u);
    BOOST_TEST(counted.bytes_read == 0u);
    BOOST_TEST(counted.bytes_written == 0u);
}

ENGINE_TEST(statistics_count_cancelled_operations_apart_from_failed_ones) {
    hold held(env.ctx, env.engine, hold_at::submission);
    file f = env.open();
    const auto results = start_writes(f, 5);
    held.run_until_held(env.ctx, 5);
    f.cancel();
    env.run();
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started == 5u);
    BOOST_TEST(counted.completed == 5u);
    BOOST_TEST(counted.cancelled == 5u);
    BOOST_TEST(counted.failed == 0u);
    BOOST_TEST(counted.in_flight == 0u);
    BOOST_TEST(counted.bytes_written == 0u);
}

ENGINE_TEST(statistics_show_what_is_in_flight_and_the_most_that_was) {
    hold held(env.ctx, env.engine, hold_at::completion);
    file f = env.open();
    const auto results = start_writes(f, 7);
    // started operations count before a thread runs the context
    BOOST_TEST(asio_aio::statistics(env.ctx).in_flight == 7u);
    held.run_until_held(env.ctx, 7);
    auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.started == 7u);
    BOOST_TEST(counted.in_flight == 7u);
    BOOST_TEST(counted.peak_in_flight == 7u);
    BOOST_TEST(counted.completed == 0u);
    held.release();
    env.run();
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.in_flight == 0u);
    BOOST_TEST(counted.peak_in_flight == 7u);
    BOOST_TEST(counted.completed == 8u);
    BOOST_TEST(counted.bytes_written == 24u);
}

ENGINE_TEST(operations_of_one_turn_are_one_batch) {
    file f = env.open();
    const auto results = start_writes(f, 32);
    env.run();
    auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.batches == 1u);
    BOOST_TEST(counted.largest_batch == 32u);
    BOOST_TEST(counted.completed == 32u);
    BOOST_TEST(write_at(env, f, 0, {asio::buffer("y", 1)}).bytes == 1u);
    counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.batches == 2u);
    BOOST_TEST(counted.largest_batch == 32u);
}

ENGINE_TEST(the_pool_makes_no_more_threads_than_it_may) {
    asio_aio::options options = env.options();
    options.max_threads = 3;
    asio_aio::configure(env.ctx, options);
    file f = env.open();
    const auto results = start_writes(f, 64);
    env.run();
    const auto counted = asio_aio::statistics(env.ctx);
    BOOST_TEST(counted.completed == 64u);
    BOOST_TEST(counted.threads <= 3u);
    if (env.engine == backend::thread_pool)
        BOOST_TEST(counted.threads >= 1u); // idle, and not ended yet
}

ENGINE_TEST(statistics_of_two_contexts_are_apart) {
    asio::io_context other;
    asio_aio::configure(other, env.options());
    file here = env.open("here");
    file there(other, env.path("there"), file_base::read_write | file_base::create);
    BOOST_TEST(write_at(env, here, 0, {asio::buffer("abc", 3)}).bytes == 3u);
    BOOST_TEST(asio_aio::statistics(env.ctx).started == 1u);
    BOOST_TEST(asio_aio::statistics(other).started == 0u);
}

ENGINE_TEST(the_latency_histogram_covers_what_was_measured) {
    file f = env.open();
    const auto begin = std::chrono::steady_clock::now();
    const auto results = start_writes(f, 16);
    env.run();
    const auto all = std::chrono::steady_clock::now() - begin;
    const asio_aio::latency_histogram writes = asio_aio::statistics(env.ctx).write;
    BOOST_TEST(writes.count() == std::size(results));
    const auto shortest = writes.quantile(0), median = writes.quantile(0.5),
               longest = writes.quantile(1);
    BOOST_TEST((shortest > std::chrono::nanoseconds(0)));
    BOOST_TEST((shortest <= median));
    BOOST_TEST((median <= longest));
    BOOST_TEST(
        // one write takes less time than all writes; a quantile is the upper bound of a bucket
        (longest / 2 <= all));
}

BOOST_AUTO_TEST_CASE(a_quantile_is_the_upper_bound_of_its_bucket) {
    asio_aio::latency_histogram histogram;
    using nanoseconds = std::chrono::nanoseconds;
    for (double q : {0.0, 0.5, 1.0})
        BOOST_TEST((histogram.quantile(q) == nanoseconds(0)));
    histogram.buckets[3] = 2;
    histogram.buckets[10] = 1;
    histogram.buckets.back() = 1;
    BOOST_TEST(histogram.count() == 4u);
    BOOST_TEST((histogram.quantile(0) == nanoseconds(1 << 4)));
    BOOST_TEST((histogram.quantile(0.25) == nanoseconds(1 << 4)));
    BOOST_TEST((histogram.quantile(0.5) == nanoseconds(1 << 4)));
    BOOST_TEST((histogram.quantile(0.75) == nanoseconds(1 << 11)));
    BOOST_TEST((histogram.quantile(0.8) == nanoseconds(std::int64_t(1) << 40)));
    BOOST_TEST((histogram.quantile(1) == nanoseconds(std::int64_t(1) << 40)));
}
