// SPDX-License-Identifier: BSL-1.0
#include "call_limits.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace file_server {

call_limits::permit::permit(permit&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      path_(std::move(other.path_)),
      taken_(std::exchange(other.taken_, 0)) {}

call_limits::permit& call_limits::permit::operator=(permit&& other) noexcept {
    if (this == &other)
        return *this;
    reset();
    owner_ = std::exchange(other.owner_, nullptr);
    path_ = std::move(other.path_);
    taken_ = std::exchange(other.taken_, 0);
    return *this;
}

void call_limits::permit::reset() noexcept {
    if (owner_ != nullptr)
        std::exchange(owner_, nullptr)->give_back(*this);
}

call_limits::call_limits(std::size_t most) {
    whole_.most = std::max<std::size_t>(most, 1);
}

std::size_t call_limits::most(std::size_t depth) const {
    // Several filesystems of one server are often beside each other, and hang together.
    constexpr std::size_t first_share = 4;
    if (depth == 0)
        return whole_.most;
    return std::max<std::size_t>((whole_.most / first_share) >> (depth - 1), 1);
}

call_limits::permit call_limits::try_take(const parts& names) {
    permit wanted; // destroyed after the mutex is released
    const std::lock_guard lock{mutex_};
    enter(wanted, names);
    for (const part* each : wanted.path_)
        if (each->taken == each->most)
            return {};
    for (part* each : wanted.path_)
        ++each->taken;
    wanted.taken_ = wanted.path_.size();
    return wanted;
}

asio::awaitable<call_limits::permit> call_limits::take(
    std::shared_ptr<place> here, parts names, time_point deadline) {
    // Leaves the queue also if the context ends, which destroys this coroutine.
    const auto leave = [this](place* caller) { leave_queue(*caller); };
    const std::unique_ptr<place, decltype(leave)> in_queue{here.get(), leave};
    if (!join_queue(here, names)) {
        here->wakes_.expires_at(deadline);
        co_await here->wakes_.async_wait(as_result);
    }
    co_return leave_queue(*here);
}

std::size_t call_limits::part_count() {
    const std::lock_guard lock{mutex_};
    return parts_.size();
}

/// Finds or makes the parts. The caller holds the mutex.
void call_limits::enter(permit& wanted, const parts& names) {
    wanted.owner_ = this;
    wanted.path_.reserve(names.size() + 1);
    for (std::size_t depth = names.size(); depth != 0; --depth) {
        const auto [found, is_new] = parts_.try_emplace(names[depth - 1]);
        if (is_new) {
            found->second.most = most(depth);
            found->second.name = &found->first;
        }
        wanted.path_.push_back(&found->second);
        ++found->second.users;
    }
    wanted.path_.push_back(&whole_);
}

/// Takes a permit of each part from the narrowest to the whole. Moves the caller to the queue of
/// the first part that has none, and returns false. `one` contains the caller only.
bool call_limits::advance(queue& one) {
    place& caller = *one.front();
    permit& has = caller.permit_;
    for (; has.taken_ != has.path_.size(); ++has.taken_) {
        part& next = *has.path_[has.taken_];
        if (next.taken == next.most) {
            caller.in_queue_ = one.begin();
            caller.waits_ = true;
            next.waiting.splice(next.waiting.end(), one);
            return false;
        }
        ++next.taken;
    }
    caller.waits_ = false;
    return true;
}

/// Returns true if the caller has its permit at once; otherwise the caller is in a queue.
bool call_limits::join_queue(const std::shared_ptr<place>& here, const parts& names) {
    queue one{here}; // allocated before the mutex is taken
    const std::lock_guard lock{mutex_};
    enter(here->permit_, names);
    return advance(one);
}

call_limits::permit call_limits::leave_queue(place& here) {
    queue one; // these two are freed after the mutex is released
    permit partial;
    const std::lock_guard lock{mutex_};
    if (!std::exchange(here.waits_, false))
        return std::move(here.permit_);
    part& waits_for = *here.permit_.path_[here.permit_.taken_];
    one.splice(one.begin(), waits_for.waiting, here.in_queue_);
    partial = std::move(here.permit_);
    return {};
}

/// Gives what `over` has taken to the callers that waited first, one for each part.
void call_limits::give_back(permit& over) noexcept {
    queue ready;
    {
        const std::lock_guard lock{mutex_};
        for (std::size_t i = 0; i != over.taken_; ++i) {
            part& from = *over.path_[i];
            if (from.waiting.empty()) {
                --from.taken;
                continue;
            }
            queue one;
            one.splice(one.begin(), from.waiting, from.waiting.begin());
            ++one.front()->permit_.taken_;
            if (advance(one))
                ready.splice(ready.end(), one);
        }
        for (part* each : over.path_)
            if (each != &whole_ && --each->users == 0)
                parts_.erase(parts_.find(*each->name));
    }
    over.path_.clear();
    over.taken_ = 0;
    for (const auto& each : ready)
        asio::post(each->wakes_.get_executor(), [each] { each->wakes_.cancel(); });
}

call_limits::parts parts_of(std::string_view relative) {
    constexpr std::size_t most_parts = 3;
    call_limits::parts names;
    for (std::size_t end = 0; names.size() < most_parts && end < relative.size();) {
        end = std::min(relative.find('/', end + 1), relative.size());
        names.emplace_back(relative.substr(0, end));
    }
    return names;
}

} // namespace file_server
