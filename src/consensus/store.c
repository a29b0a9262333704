/*
 * What the disk was told and what it has confirmed. One job at a time; what comes meanwhile is in the next, so that many
 * entries share one sync.
 */
#include "consensus/raft_parts.h"

bool raft_vote_is_durable(const struct raft *raft)
{
    return raft->durable_term == raft->term && raft->durable_vote == raft->vote;
}

/* A log that is to be replaced by a snapshot is left alone, and a full disk is asked once in a while only. */
static bool log_is_due(const struct raft *raft)
{
    bool asked_again = raft->retry.ns == NEVER.ns;

    return raft->clean < raft->last && raft->fetch_from == 0 && (!raft->full || asked_again);
}

static void has_room_again(struct raft *raft)
{
    raft->full = false;
    if (raft->role == RAFT_FOLLOWER && raft->leader != 0)
        raft_owe(raft, raft->leader)->accepted = true;
}

void raft_retry_disk(struct raft *raft)
{
    raft->retry = NEVER;
}

void raft_store_plan(struct raft *raft, struct raft_actions *actions)
{
    bool meta = !raft_vote_is_durable(raft), log = log_is_due(raft);

    actions->persist.ticket = 0;
    if (raft->job.ticket != 0)
        return;
    if (raft->full && raft->retry.ns == NEVER.ns && raft->clean == raft->last)
        has_room_again(raft); /* for what there is: nothing */
    if (!meta && !log)
        return;
    raft->job = (struct raft_job){++raft->tickets, raft->term, raft->vote, log};
    actions->persist.ticket = raft->job.ticket;
    actions->persist.term = raft->term;
    actions->persist.vote = raft->vote;
    actions->persist.meta = meta;
    actions->persist.log = log;
    actions->persist.keep = raft->clean;
    actions->persist.last = raft->last;
    if (log)
        raft->clean = raft->last;
}

static struct raft_job finish_job(struct raft *raft, uint64_t ticket)
{
    struct raft_job job = raft->job;

    must(ticket != 0 && ticket == job.ticket);
    raft->job = (struct raft_job){0};
    raft->durable_term = job.term;
    raft->durable_vote = job.vote;
    return job;
}

/* What was cut meanwhile is no longer clean, so that only what still stands is counted. */
void raft_persisted(struct raft *raft, uint64_t ticket, struct instant now)
{
    struct raft_job job;

    raft_enter(raft);
    job = finish_job(raft, ticket);
    if (job.log) {
        raft->stored = raft->clean;
        if (raft->full)
            has_room_again(raft);
    }
    if (raft->role == RAFT_CANDIDATE)
        raft_count_votes(raft, now);
    else if (raft->role == RAFT_LEADER)
        raft_advance_commit(raft, now);
    else
        raft_owe_acknowledgement(raft);
    raft_leave(raft);
}

void raft_disk_full(struct raft *raft, uint64_t ticket, struct instant now)
{
    struct raft_job job;

    raft_enter(raft);
    job = finish_job(raft, ticket);
    if (job.log) {
        raft->clean = raft->stored;
        raft->retry = after_ns(now, raft->options.election_ns);
        if (!raft->full)
            raft->full_until = raft->retry;
        raft->full = true;
    }
    if (raft->role == RAFT_LEADER)
        raft_hand_over(raft, now);
    else if (raft->role == RAFT_FOLLOWER && raft->leader != 0)
        raft_owe(raft, raft->leader)->accepted = true;
    else
        raft_follow(raft, raft->term, 0, now);
    raft_leave(raft);
}
