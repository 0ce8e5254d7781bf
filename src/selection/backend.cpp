// SPDX-License-Identifier: BSL-1.0
#include <asio_aio/backend.hpp>

#include "selection/choice.hpp"

#if defined(ASIO_AIO_HAS_IO_URING)
# include "engine/io_uring/trial.hpp"
#endif
#if defined(ASIO_AIO_HAS_LIBAIO)
# include "engine/libaio/trial.hpp"
#endif
#include "selection/engine_trial.hpp"
#include "engine/thread_pool/engine.hpp"
#include "selection/trial_memory.hpp"

#include <utility>

namespace asio_aio {
namespace {

/// The table entry of an engine; `attempt` is null if the engine was not built in.
struct engine_entry {
    backend which;
    std::string_view name;
    const char* library;
    detail::engine_trial (*attempt)(const options&, detail::trial_depth);
};

std::unique_ptr<detail::engine> make_thread_pool(const options& opts, detail::event& finished) {
    detail::thread_pool_settings settings;
    settings.max_threads = opts.max_threads;
    return std::make_unique<detail::thread_pool_engine>(settings, finished);
}

detail::engine_trial try_thread_pool(const options&, detail::trial_depth) {
    return {{backend::thread_pool, true, 0, {}, {}}, make_thread_pool};
}

#if defined(ASIO_AIO_HAS_IO_URING)
constexpr auto try_io_uring = detail::try_io_uring;
#else
constexpr auto try_io_uring = nullptr;
#endif
#if defined(ASIO_AIO_HAS_LIBAIO)
constexpr auto try_libaio = detail::try_libaio;
#else
constexpr auto try_libaio = nullptr;
#endif

// In the order of the automatic choice, which is that of the enumeration.
constexpr engine_entry engines[] = {
    {backend::io_uring, "io_uring", "liburing", try_io_uring},
    {backend::libaio, "libaio", "libaio", try_libaio},
    {backend::thread_pool, "thread_pool", "", try_thread_pool},
};

const engine_entry& entry(backend which) {
    return engines[std::size_t(which)];
}

/// Tries an engine, unless the process has kept its refusal.
detail::engine_trial try_engine(const engine_entry& one, const options& opts) {
    if (!one.attempt)
        return {
            {one.which, false, 0, "this asio_aio was built without it",
             std::string("build asio_aio where ") + one.library + " is installed"},
            {}};
    auto& memory = detail::trial_memory::instance();
    const auto known = memory.find(one.which, opts);
    if (known && !known->available)
        return {*known, {}};
    using detail::trial_depth;
    detail::engine_trial trial =
        one.attempt(opts, known ? trial_depth::set_up : trial_depth::with_operations);
    memory.keep(trial.report, opts);
    return trial;
}

/// Returns the kept result of an engine's trial with the default options; without one, tries the
/// engine.
engine_report report_on(const engine_entry& one) {
    const auto known = detail::trial_memory::instance().find(one.which, options());
    return known ? *known : try_engine(one, options()).report;
}

/// Makes the engine of `make`, and the pool behind it.
detail::engine_factory with_pool(detail::engine_maker make) {
    return [make = std::move(make)](const options& opts, detail::event& finished) {
        detail::engine_list list;
        list.push_back(make(opts, finished));
        if (list.front()->kind() != backend::thread_pool)
            list.push_back(make_thread_pool(opts, finished));
        return list;
    };
}

std::string join_reports(const std::vector<engine_report>& reports) {
    std::string text;
    for (const engine_report& each : reports) {
        text.append(text.empty() ? "" : "; ")
            .append(to_string(each.which))
            .append(": ")
            .append(each.reason);
        if (!each.remedy.empty())
            text.append(" (remedy: ").append(each.remedy).append(")");
    }
    return text;
}

} // namespace

std::string_view to_string(backend which) noexcept {
    return entry(which).name;
}

std::optional<backend> backend_from_string(std::string_view name) noexcept {
    for (const engine_entry& each : engines)
        if (each.name == name)
            return each.which;
    return std::nullopt;
}

std::vector<engine_report> probe() {
    std::vector<engine_report> reports;
    for (const engine_entry& each : engines)
        reports.push_back(report_on(each));
    return reports;
}

std::string to_string(const description& what) {
    if (!what.error.empty())
        return what.error;
    if (!what.chosen)
        return "no engine yet: the first use of the context chooses it";
    std::string text(to_string(*what.chosen));
    if (what.chosen == backend::libaio)
        text += " for files opened with direct, thread_pool for others";
    text += " (chosen by: " + what.origin + ")";
    if (!what.failure.empty())
        text += "; failed since, and thread_pool serves everything: " + what.failure;
    if (what.plain_buffer_bytes != 0)
        text += "; " + std::to_string(what.plain_buffer_bytes) +
            " bytes of registered buffers are plain memory: " + what.plain_buffer_reason;
    if (!what.passed_over.empty())
        text += "; passed over: " + join_reports(what.passed_over);
    return text;
}

namespace detail {

selection select_engine(const choice& wanted, const options& opts) {
    selection result{
        {{}, wanted.source, wanted.origin, wanted.engines, {}, wanted.error, {}, 0, {}}, {}};
    description& what = result.what;
    if (!what.error.empty())
        return result;
    for (backend each : wanted.engines) {
        engine_trial trial = try_engine(entry(each), opts);
        if (trial.report.available) {
            what.chosen = each;
            result.factory = with_pool(std::move(trial.make));
            return result;
        }
        what.passed_over.push_back(std::move(trial.report));
    }
    what.error =
        "no engine chosen by " + what.origin + " is available: " + join_reports(what.passed_over);
    return result;
}

} // namespace detail
} // namespace asio_aio
