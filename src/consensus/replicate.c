/*
 * The follower's side of replication: takes what the leader says, in whatever order and however often it arrives.
 *
 * It cuts its log only where the leader's contradicts it, and never what is committed: a message that asks for that is counted
 * as a contradiction and changes nothing.
 */
#include "consensus/raft_parts.h"

/* There is one leader of a term. Who claims to be a second is not believed. */
bool raft_hear_leader(struct raft *raft, const struct raft_message *message, struct instant now)
{
    if (raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != message->from)) {
        raft->contradictions++;
        return false;
    }
    raft_follow(raft, raft->term, message->from, now);
    raft->heard = now;
    raft->lost = false;
    raft->gave_way = false;
    if (message->round > raft->round_seen)
        raft->round_seen = message->round;
    raft_rest(raft, now);
    return true;
}

/* Entries are acknowledged when they are durable and known to be the leader's. */
void raft_owe_acknowledgement(struct raft *raft)
{
    uint64_t index = raft->stored < raft->agreed ? raft->stored : raft->agreed;

    if (raft->role != RAFT_FOLLOWER || raft->leader == 0)
        return;
    if (index > raft->acked || raft->full)
        raft_owe(raft, raft->leader)->accepted = true;
}

static void refuse(struct raft *raft, uint32_t to, uint64_t index)
{
    struct raft_owed *owed = raft_owe(raft, to);

    owed->refused = true;
    owed->index = index;
    owed->index_term = raft_term_at(raft, index);
}

/* Whether the entry before the first is the leader's. What is committed is the same everywhere. */
static bool fits(struct raft *raft, const struct raft_message *message)
{
    uint64_t index = message->index, meeting;

    if (index <= raft->commit)
        return true;
    if (index <= raft->last && raft_term_at(raft, index) == message->index_term)
        return true;
    meeting = index > raft->last ? raft->last : raft_log_meeting(raft, index, message->index_term);
    refuse(raft, message->from, meeting > raft->commit ? meeting : raft->commit);
    return false;
}

/* How many leading entries are in the log already. */
static uint32_t known(const struct raft *raft, const struct raft_message *message)
{
    uint32_t i = 0;

    while (i < message->count) {
        uint64_t index = message->index + 1 + i;

        if (index > raft->last)
            break;
        if (index + 1 >= raft->first && raft_term_at(raft, index) != message->entries[i].term)
            break;
        i++;
    }
    return i;
}

static bool take_entries(struct raft *raft, const struct raft_message *message, struct instant now,
                         uint32_t *taken)
{
    uint32_t from = known(raft, message);
    uint64_t keep = message->index + from;

    if (from == message->count)
        return true;
    if (keep < raft_log_floor(raft)) {
        raft->contradictions++;
        return false;
    }
    if (message->entries[from].term < raft_term_at(raft, keep) ||
        !raft_log_has_room(raft, keep, message->entries + from, message->count - from))
        return false;
    if (keep < raft->last)
        raft_log_cut(raft, keep);
    for (uint32_t i = from; i < message->count; i++)
        raft_log_append(raft, &message->entries[i], now);
    *taken = from;
    return true;
}

static void learn_commit(struct raft *raft, uint64_t commit, uint64_t agreed)
{
    uint64_t known_here = commit < agreed ? commit : agreed;

    if (known_here > raft->commit)
        raft->commit = known_here;
}

void raft_on_append(struct raft *raft, const struct raft_message *message, struct instant now,
                    uint32_t *taken)
{
    uint64_t end = message->index + message->count;

    if (message->term < raft->term) {
        refuse(raft, message->from, raft->commit);
        return;
    }
    if (!raft_hear_leader(raft, message, now))
        return;
    if (raft->fetch_from == 0) {
        if (!fits(raft, message) || !take_entries(raft, message, now, taken))
            return;
        if (end > raft->agreed && end <= raft->last)
            raft->agreed = end;
        learn_commit(raft, message->commit, raft->agreed);
    }
    if (message->beat || (message->count > 0 && end <= raft->stored))
        raft_owe(raft, message->from)->accepted = true;
    raft_owe_acknowledgement(raft);
}
