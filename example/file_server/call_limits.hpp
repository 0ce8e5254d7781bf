// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "net.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace file_server {

/// Limits the calls on files that are in flight: all of them, and those of each part of the tree.
/**
 * A call on a filesystem that hangs may never end, and keeps a thread of the library. Each call
 * therefore needs a permit. A part of the tree gets at most a quarter of all permits, a part of
 * that part half as many, and so on. So a part that hangs leaves permits for the others.
 *
 * Callers that wait for the same part get their permits in the order of their calls. A caller that
 * waits for a part has permits of narrower parts only, so it keeps nobody from a wider part. The
 * time of a call does not depend on the number of callers that wait.
 *
 * Thread-safe. Must outlive its permits.
 */
class call_limits {
    struct part;

public:
    using time_point = asio::steady_timer::time_point;

    /// The names of the parts of one call, the widest first. "a/b" is a part of "a" only if both
    /// are in this list.
    using parts = std::vector<std::string>;

    /// The right to have one call in flight. Its destruction gives the permit back.
    class permit {
    public:
        permit() = default;
        permit(permit&& other) noexcept;
        permit& operator=(permit&& other) noexcept;
        ~permit() { reset(); }

        explicit operator bool() const noexcept { return owner_ != nullptr; }

        void reset() noexcept;

    private:
        friend class call_limits;
        call_limits* owner_ = nullptr;
        std::vector<part*> path_; // from the narrowest part to the whole
        std::size_t taken_ = 0;   // of path_, from its begin
    };

    /// A place in the queue for a permit. The caller uses it on its executor.
    class place {
    public:
        explicit place(const asio::any_io_executor& executor) : wakes_(executor) {}

        /// Ends the wait without a permit.
        void cancel() { wakes_.cancel(); }

    private:
        friend class call_limits;
        asio::steady_timer wakes_; // cancelled when the caller has its permit
        // The mutex of call_limits guards these.
        permit permit_;
        bool waits_ = false;
        std::list<std::shared_ptr<place>>::iterator in_queue_;
    };

    /// `most` is the number of permits; at least 1.
    explicit call_limits(std::size_t most);
    call_limits(const call_limits&) = delete;
    call_limits& operator=(const call_limits&) = delete;

    /// The largest number of calls in flight in a part at `depth`; 0 is the whole.
    std::size_t most(std::size_t depth) const;

    /// Takes a permit if each of the parts has one. Otherwise returns an empty one.
    permit try_take(const parts& names);

    /// Takes a permit, and waits for it until `deadline`.
    /** The permit is empty if none became free in time, or if the wait was cancelled. */
    asio::awaitable<permit> take(std::shared_ptr<place> here, parts names, time_point deadline);

    /// The number of parts that have calls in flight or waiting.
    std::size_t part_count();

private:
    using queue = std::list<std::shared_ptr<place>>;

    /// The whole, or a part of it. Waiting callers are in the queue of one part, which has no
    /// permit left. They have the permits of the narrower parts already.
    struct part {
        std::size_t most = 0;
        std::size_t taken = 0;
        std::size_t users = 0; // permits and places whose path has this part
        queue waiting;         // empty while there is a permit
        const std::string* name = nullptr;
    };

    void enter(permit& wanted, const parts& names);
    bool join_queue(const std::shared_ptr<place>& here, const parts& names);
    permit leave_queue(place& here);
    void give_back(permit& over) noexcept;
    static bool advance(queue& one);

    std::mutex mutex_; // guards the members below
    part whole_;
    std::map<std::string, part> parts_;
};

/// The parts of a path: the first folders on the way, or the file itself.
call_limits::parts parts_of(std::string_view relative);

} // namespace file_server
