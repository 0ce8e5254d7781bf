// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asio_aio/transfer_options.hpp>

#include <algorithm>
#include <forward_list>

namespace asio_aio::detail {

/// The views of one file object. They stay where they are until the object is destroyed.
/** A move leaves the views with their object, because others may hold references to them. */
template <typename View>
class view_set {
public:
    view_set() = default;
    view_set(view_set&&) noexcept {}
    view_set& operator=(view_set&&) noexcept { return *this; }

    /// Returns the view with these options, and makes it if there is none. Throws std::bad_alloc.
    template <typename File>
    View& get(File& file, const transfer_options& options) {
        const auto found = std::find_if(views_.begin(), views_.end(), [&](const View& each) {
            return each.options() == options;
        });
        return found != views_.end() ? *found : views_.emplace_front(file, options);
    }

private:
    std::forward_list<View> views_;
};

} // namespace asio_aio::detail
