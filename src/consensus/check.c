/*
 * The invariants that one node can see, always on. Nothing here is caused by a peer, a file or a person.
 */
#include "consensus/raft_parts.h"

static void check_numbers(const struct raft *raft)
{
    must(raft->options.self != 0);
    must(raft->applied <= raft->commit);
    must(raft->commit <= raft->last);
    must(raft->snapshot_index <= raft->commit);
    must(raft->first <= raft->snapshot_index + 1);
    must(raft->stored <= raft->clean);
    must(raft->clean <= raft->last);
    must(raft->stored == raft->clean || raft->job.log);
    must(raft->agreed <= raft->last);
    must(raft->durable_term <= raft->term);
    must(raft->durable_term < raft->term || raft->durable_vote == 0 ||
         raft->durable_vote == raft->vote);
    must(raft->fetch_from == 0 || raft->fetch_index > raft->commit);
    must(raft->reads + raft->reads_lost <= RAFT_READS_MAX);
}

static void check_shape(const struct raft *raft)
{
    must(raft->runs >= 1 && raft->runs <= RAFT_RUNS_MAX);
    must(raft->run[0].first + 1 == raft->first);
    must(raft->run[raft->runs - 1].first <= raft->last);
    must(raft->run[raft->runs - 1].term <= raft->term);
    must(raft->eras <= RAFT_ERAS_MAX);
    must(raft->eras == 0 || raft->era[raft->eras - 1].index < raft->config_index);
    must(raft->config_index <= raft->last);
}

static void check_config(const struct raft_config *config)
{
    must(config->count <= RAFT_MEMBERS_MAX);
    for (uint32_t i = 1; i < config->count; i++)
        must(config->members[i - 1].id < config->members[i].id);
    must(__builtin_popcount(raft_voters(config)) <= RAFT_VOTERS_MAX);
    must(config->count == 0 || raft_voters(config) != 0);
}

static void check_progress(const struct raft *raft, const struct raft_progress *progress)
{
    must(progress->match < progress->next);
    must(progress->next <= raft->last + 1);
    must(progress->round <= raft->round);
    must(progress->under_way <= RAFT_WINDOW);
    must(progress->under_way == 0 || progress->state == RAFT_REPLICATE);
    for (uint32_t i = 0; i < progress->under_way; i++)
        must(progress->ends[i] < progress->next && progress->ends[i] > progress->match);
}

static void check_leader(const struct raft *raft)
{
    must(raft->leader == raft->options.self);
    must(raft->vote == raft->options.self);
    must(raft_vote_is_durable(raft));
    must(raft->noop > 0 && raft->noop <= raft->last);
    must(raft_last_term(raft) == raft->term);
    must(raft->config.count > 0);
    /* One membership change is under way: the one before is committed. */
    must(raft->eras == 0 || raft->era[raft->eras - 1].index <= raft->commit ||
         raft->commit < raft->noop);
    for (uint32_t i = 0; i < raft->config.count; i++)
        if (raft->config.members[i].id != raft->options.self)
            check_progress(raft, &raft->progress[i]);
}

static void check_role(const struct raft *raft)
{
    must(raft->role == RAFT_LEADER || raft->leader != raft->options.self);
    must(raft->role == RAFT_LEADER || raft->reads == 0);
    must(raft->role == RAFT_LEADER || raft->transfer_to == 0);
    must(raft->role == RAFT_LEADER || raft->role == RAFT_FOLLOWER || raft->leader == 0);
    must(raft->role != RAFT_CANDIDATE || raft->vote == raft->options.self);
    must(raft->role == RAFT_FOLLOWER || raft->fetch_from == 0);
    if (raft->role == RAFT_LEADER)
        check_leader(raft);
}

/* What time may not turn back. A leader's count commits nothing of an older term before something of its own (figure 8). */
static void check_course(const struct raft *raft)
{
    bool same = raft->term == raft->seen.term;
    bool leads_on = same && raft->seen.led && raft->role == RAFT_LEADER;

    must(raft->term >= raft->seen.term);
    must(!same || raft->seen.vote == 0 || raft->vote == raft->seen.vote);
    must(raft->commit >= raft->seen.commit);
    must(!leads_on || raft->last >= raft->seen.last);
    must(!leads_on || raft->commit == raft->seen.commit || raft->commit >= raft->noop);
}

void raft_check(const struct raft *raft)
{
    check_numbers(raft);
    check_shape(raft);
    check_config(&raft->config);
    check_role(raft);
    check_course(raft);
}

void raft_enter(const struct raft *raft)
{
    raft_check(raft);
}

void raft_leave(struct raft *raft)
{
    raft_check(raft);
    raft->seen.term = raft->term;
    raft->seen.commit = raft->commit;
    raft->seen.last = raft->last;
    raft->seen.vote = raft->vote;
    raft->seen.led = raft->role == RAFT_LEADER;
}
