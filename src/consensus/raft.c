/*
 * The frame of the core: beginning, time, what arrives, and what is to be done.
 */
#include "consensus/raft_parts.h"

#include <string.h>

static bool is_alone(const struct raft *raft)
{
    int place = raft_place_of(&raft->config, raft->options.self);

    return place >= 0 && raft_voters(&raft->config) == 1U << place;
}

void raft_init(struct raft *raft, const struct raft_options *options,
               const struct raft_restored *restored, struct instant now)
{
    must(options->self != 0);
    must(options->heartbeat_ns > 0);
    must(options->election_ns >= 2 * options->heartbeat_ns);
    must(restored->last >= restored->snapshot_index);
    memset(raft, 0, sizeof *raft);
    raft->options = *options;
    rng_seed(&raft->rng, options->seed);
    raft->term = raft->durable_term = restored->term;
    raft->vote = raft->durable_vote = restored->vote;
    /* A snapshot that was installed just before the end may tell of a later term. */
    if (restored->snapshot_term > raft->term) {
        raft->term = restored->snapshot_term;
        raft->vote = 0;
    }
    raft_log_restore(raft, restored, now);
    raft->commit = raft->applied = raft->agreed = restored->snapshot_index;
    raft_rest(raft, now);
    if (is_alone(raft))
        raft->deadline = now;
    raft_leave(raft);
}

/* ---- time ---- */

static bool asks(const struct raft *raft)
{
    return raft->role == RAFT_PRECANDIDATE || raft->role == RAFT_CANDIDATE;
}

void raft_tick(struct raft *raft, struct instant now)
{
    raft_enter(raft);
    if (raft->full && passed(raft->retry, now))
        raft_retry_disk(raft);
    if (raft->role == RAFT_LEADER) {
        if (!raft_resign(raft, now) && passed(raft->deadline, now))
            raft_beat(raft, now);
    } else if (passed(raft->deadline, now)) {
        raft_election_due(raft, now);
    } else if (asks(raft) && passed(raft->resend, now)) {
        raft_ask_again(raft, now);
    }
    raft_leave(raft);
}

struct instant raft_next_deadline(const struct raft *raft)
{
    struct instant next = raft->deadline;

    if (raft->full)
        next = earlier(next, raft->retry);
    if (raft->role == RAFT_LEADER)
        next = earlier(next, raft_quorum_until(raft));
    return asks(raft) ? earlier(next, raft->resend) : next;
}

/* ---- what arrives ---- */

static bool is_bounded(const struct raft_message *message)
{
    return message->term > 0 && message->term < RAFT_NUMBER_MAX &&
           message->index < RAFT_NUMBER_MAX && message->index_term <= message->term &&
           message->commit < RAFT_NUMBER_MAX && message->round < RAFT_NUMBER_MAX &&
           message->count <= RAFT_BATCH_MAX;
}

static bool has_sane_entries(const struct raft_message *message)
{
    uint64_t term = message->index_term;

    if (message->count > 0 && (message->type != RAFT_APPEND || message->entries == NULL))
        return false;
    for (uint32_t i = 0; i < message->count; i++) {
        const struct raft_entry *entry = &message->entries[i];

        if (entry->term == 0 || entry->term < term || entry->term > message->term ||
            entry->kind > RAFT_CONFIG)
            return false;
        term = entry->term;
    }
    return true;
}

static bool is_sane(const struct raft *raft, const struct raft_message *message)
{
    return message->from != 0 && message->from != raft->options.self &&
           message->to == raft->options.self && message->type < RAFT_MESSAGE_TYPES &&
           is_bounded(message) && has_sane_entries(message);
}

/* A question about a term that may never be, or a yes to it, raises nobody's term. */
static bool raises_term(const struct raft_message *message)
{
    return message->type != RAFT_PREVOTE &&
           !(message->type == RAFT_PREVOTE_REPLY && message->granted);
}

/* Who still hears its leader does not even look at a vote's term, unless the leader wanted that (thesis, 4.2.3 and 6.2). */
static bool is_disruptive(const struct raft *raft, const struct raft_message *message,
                          struct instant now)
{
    return message->type == RAFT_VOTE && message->term > raft->term && !message->transfer &&
           raft_keeps_leader(raft, now);
}

static void handle(struct raft *raft, const struct raft_message *message, struct instant now,
                   uint32_t *taken)
{
    switch ((enum raft_message_type)message->type) {
    case RAFT_PREVOTE:
        raft_on_prevote(raft, message, now);
        break;
    case RAFT_PREVOTE_REPLY:
        raft_on_prevote_reply(raft, message, now);
        break;
    case RAFT_VOTE:
        raft_on_vote(raft, message, now);
        break;
    case RAFT_VOTE_REPLY:
        raft_on_vote_reply(raft, message, now);
        break;
    case RAFT_APPEND:
        raft_on_append(raft, message, now, taken);
        break;
    case RAFT_APPEND_REPLY:
        raft_on_append_reply(raft, message, now);
        break;
    case RAFT_SNAPSHOT:
        raft_on_snapshot(raft, message, now);
        break;
    case RAFT_TIMEOUT_NOW:
        raft_on_timeout_now(raft, message, now);
        break;
    case RAFT_MESSAGE_TYPES:
        never("is_sane has refused it");
    }
}

void raft_receive(struct raft *raft, const struct raft_message *message, struct instant now,
                  uint32_t *taken)
{
    raft_enter(raft);
    *taken = message->count;
    if (is_sane(raft, message) && !is_disruptive(raft, message, now)) {
        if (message->term > raft->term && raises_term(message))
            raft_follow(raft, message->term, 0, now);
        handle(raft, message, now, taken);
    }
    raft_leave(raft);
}

/* ---- what is to be done ---- */

static void say_role(struct raft *raft, struct raft_actions *actions)
{
    bool established = raft->role == RAFT_LEADER && raft->commit >= raft->noop;

    actions->established = established;
    actions->resigned =
        raft->said.role == RAFT_LEADER && raft->said.term == raft->term && raft->leader == 0;
    actions->role_changed = raft->said.term != raft->term || raft->said.role != raft->role ||
                            raft->said.leader != raft->leader ||
                            raft->said.established != established;
    raft->said.term = raft->term;
    raft->said.leader = raft->leader;
    raft->said.role = raft->role;
    raft->said.established = established;
}

void raft_ready(struct raft *raft, struct instant now, struct raft_actions *actions)
{
    raft_enter(raft);
    raft_store_plan(raft, actions);
    raft_send_all(raft, now, actions);
    raft_reads_answer(raft, actions);
    actions->commit = raft->commit;
    actions->fetch_from = raft->fetch_from;
    actions->fetch_index = raft->fetch_index;
    actions->fetch_term = raft->fetch_term;
    say_role(raft, actions);
    raft_leave(raft);
}

/* ---- what it knows ---- */

bool raft_has_quorum(const struct raft *raft, struct instant now)
{
    if (raft->role == RAFT_LEADER)
        return !passed(raft_quorum_until(raft), now);
    return raft->leader != 0 && !raft->lost &&
           ns_between(raft->heard, now) < raft->options.election_ns;
}
