// SPDX-License-Identifier: BSL-1.0
#include "core/group_commit.hpp"

#include <cerrno>
#include <utility>

namespace asio_aio::detail {

bool group_commit::start(operation& sync) noexcept {
    ++syncs_;
    flush_state* const flush = sync.file->make_flush();
    if (!flush) {
        ++flushes_; // without memory it shares no flush
        return true;
    }
    if (!flush->leader) {
        lead(sync, *flush);
        return true;
    }
    if (sync.kind == op_kind::sync_all) {
        if (flush->serves_before == 0)
            flush->leader->covers_all = true; // it has not begun, so it serves this sync
        else
            flush->wants_all = true;
    }
    waiting_.push(&sync);
    return false;
}

void group_commit::lead(operation& sync, flush_state& flush) noexcept {
    flush.leader = &sync;
    flush.serves_before = 0;
    sync.turn.hold(*sync.file.operator->());
    ++about_to_begin_;
}

void group_commit::begin(const op_queue& batch, std::uint64_t started) noexcept {
    if (about_to_begin_ == 0)
        return; // so that reads pay nothing
    batch.for_each([&](const operation& op) {
        if (!op.turn || !is_flush(op.kind))
            return;
        (*op.turn).flush()->serves_before = started + 1;
        --about_to_begin_;
    });
}

operation* group_commit::end(operation& leader, op_queue& served) noexcept {
    file_handle& file = *leader.turn;
    flush_state& flush = *file.flush();
    flush.leader = nullptr;
    const bool wants_all = std::exchange(flush.wants_all, false);
    const bool performed = leader.result != -ECANCELED;
    const bool failed = performed && leader.result < 0;
    operation* next = file.chain(waiting_at::flush);
    if (performed) {
        ++flushes_;
        for (; next && (failed || next->number < flush.serves_before);
             next = file.chain(waiting_at::flush)) {
            waiting_.remove(*next);
            next->take_result(leader.result);
            served.push(next);
        }
    }
    if (!next)
        return nullptr;
    waiting_.remove(*next);
    next->covers_all = wants_all || (!performed && leader.flush_kind() == op_kind::sync_all);
    lead(*next, flush);
    return next;
}

} // namespace asio_aio::detail
