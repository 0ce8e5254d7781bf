// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "core/descriptor.hpp"
#include "core/replace_file/target_file.hpp"

#include <sys/types.h>
#include <string>

namespace asio_aio::detail::path_calls {

/// A locked temporary file beside the target; removed by the destructor unless it was renamed.
/**
 * A process that is killed leaves its file behind, without the lock. The names are the same each
 * time, so a later replacement of the target finds such a file and removes it.
 */
class temporary_file {
public:
    /// `permissions` are those of a new file, before the umask. The target must outlive this object.
    temporary_file(const target_file& target, mode_t permissions);
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file();

    int get() const noexcept { return file_.get(); }

    void rename_to_target();

private:
    bool create(const std::string& name, mode_t permissions);
    void remove_all_left_behind();
    void remove_left_behind(const std::string& name);
    bool lock(const descriptor& file, const std::string& name);

    const target_file& target_;
    descriptor file_;
    std::string name_; ///< Empty after the rename.
    file_identity identity_{};
};

} // namespace asio_aio::detail::path_calls
