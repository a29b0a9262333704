/*
 * A follower whose next entries are gone gets a snapshot instead: the leader offers a place, the driver fetches and installs.
 * While that is under way the log is held still, so that the two cannot overtake each other.
 */
#include "consensus/raft_parts.h"

void raft_on_snapshot(struct raft *raft, const struct raft_message *message, struct instant now)
{
    if (message->term < raft->term) {
        raft_owe(raft, message->from)->refused = true;
        return;
    }
    if (!raft_hear_leader(raft, message, now))
        return;
    raft_owe(raft, message->from)->accepted = true;
    if (raft->fetch_from != 0)
        return;
    if (message->index <= raft->commit ||
        message->index_term == raft_term_at(raft, message->index)) {
        if (message->index > raft->agreed && message->index <= raft->last)
            raft->agreed = message->index;
        return;
    }
    raft->fetch_from = message->from;
    raft->fetch_index = message->index;
    raft->fetch_term = message->index_term;
}

static void end_fetch(struct raft *raft)
{
    raft->fetch_from = 0;
    raft->fetch_index = raft->fetch_term = 0;
}

void raft_applied(struct raft *raft, uint64_t index)
{
    raft_enter(raft);
    must(index >= raft->applied);
    must(index <= raft->commit);
    raft->applied = index;
    raft_leave(raft);
}

void raft_snapshot_saved(struct raft *raft, uint64_t index, uint64_t keep_from)
{
    raft_enter(raft);
    must(keep_from <= index + 1);
    if (index >= raft->snapshot_index) {
        must(index <= raft->applied);
        must(index <= raft->stored);
        must(keep_from >= raft->first);
        raft_log_forget(raft, index, keep_from);
    }
    raft_leave(raft);
}

void raft_snapshot_installed(struct raft *raft, uint64_t index, uint64_t term,
                             const struct raft_config *config, struct instant now)
{
    raft_enter(raft);
    must(raft->fetch_from != 0);
    must(index > raft->commit);
    end_fetch(raft);
    /* It may be newer than what was offered, and so tell of a term that no message has told of yet. */
    raft_follow(raft, term > raft->term ? term : raft->term, term > raft->term ? 0 : raft->leader,
                now);
    raft_log_replace(raft, index, term, config);
    raft->commit = raft->applied = raft->agreed = index;
    raft_retry_disk(raft);
    raft_owe_acknowledgement(raft);
    raft_leave(raft);
}

void raft_snapshot_failed(struct raft *raft, uint32_t member)
{
    int place;

    raft_enter(raft);
    place = raft_place_of(&raft->config, member);
    if (raft->role == RAFT_LEADER && place >= 0)
        raft->progress[place].due = true;
    if (raft->fetch_from == member)
        end_fetch(raft);
    raft_leave(raft);
}
