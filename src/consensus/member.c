/*
 * Who belongs to the cluster: one change at a time, each an entry of the log (thesis, chapter 4).
 */
#include "consensus/raft_parts.h"

#include <string.h>

int raft_place_of(const struct raft_config *config, uint32_t member)
{
    for (uint32_t i = 0; i < config->count; i++)
        if (config->members[i].id == member)
            return (int)i;
    return -1;
}

uint32_t raft_voters(const struct raft_config *config)
{
    uint32_t places = 0;

    for (uint32_t i = 0; i < config->count; i++)
        if (config->members[i].role != RAFT_LEARNER)
            places |= 1U << i;
    return places;
}

bool raft_is_majority(const struct raft_config *config, uint32_t places)
{
    uint32_t voters = raft_voters(config);

    return __builtin_popcount(places & voters) > __builtin_popcount(voters) / 2;
}

bool raft_is_voter(const struct raft_config *config, uint32_t member)
{
    int place = raft_place_of(config, member);

    return place >= 0 && config->members[place].role != RAFT_LEARNER;
}

static bool add_member(struct raft_config *config, uint32_t id, uint8_t role)
{
    uint32_t at = 0;

    if (config->count == RAFT_MEMBERS_MAX)
        return false;
    while (at < config->count && config->members[at].id < id)
        at++;
    memmove(config->members + at + 1, config->members + at,
            (config->count - at) * sizeof config->members[0]);
    config->members[at] = (struct raft_member){.id = id, .role = role};
    config->count++;
    return true;
}

static void remove_member(struct raft_config *config, uint32_t at)
{
    config->count--;
    memmove(config->members + at, config->members + at + 1,
            (config->count - at) * sizeof config->members[0]);
    config->members[config->count] = (struct raft_member){0};
}

static bool apply(struct raft_config *config, const struct raft_change *change)
{
    int place = raft_place_of(config, change->member);

    if (change->member == 0 || change->role > RAFT_WITNESS)
        return false;
    if (change->kind == RAFT_REMOVE) {
        if (place >= 0)
            remove_member(config, (uint32_t)place);
        return place >= 0;
    }
    if (change->kind != RAFT_SET)
        return false;
    if (place < 0)
        return add_member(config, change->member, change->role);
    if (config->members[place].role == change->role)
        return false;
    config->members[place].role = change->role;
    return true;
}

/* Total, and the same on every node: a change that makes no sense changes nothing. */
bool raft_config_apply(struct raft_config *config, const struct raft_change *change)
{
    struct raft_config after = *config;
    int voters;

    if (!apply(&after, change))
        return false;
    voters = __builtin_popcount(raft_voters(&after));
    if (voters == 0 || voters > RAFT_VOTERS_MAX)
        return false;
    *config = after;
    return true;
}

/* A leader's knowledge follows the members to their new places. */
void raft_progress_realign(struct raft *raft, const struct raft_config *before, struct instant now)
{
    struct raft_progress progress[RAFT_MEMBERS_MAX] = {0};

    for (uint32_t i = 0; i < raft->config.count; i++) {
        int place = raft_place_of(before, raft->config.members[i].id);

        if (place >= 0) {
            progress[i] = raft->progress[place];
        } else {
            progress[i].heard = now;
            progress[i].due = true;
            progress[i].next = raft->last;
        }
    }
    memcpy(raft->progress, progress, sizeof progress);
}

/* A voter counts from the moment of the change, so it must not have to be waited for. */
static bool may_vote_soon(const struct raft *raft, uint32_t member, struct instant now)
{
    int place = raft_place_of(&raft->config, member);
    const struct raft_progress *progress = &raft->progress[place < 0 ? 0 : place];

    if (place < 0)
        return false;
    if (raft->config.members[place].role != RAFT_LEARNER)
        return true;
    return progress->match > 0 && progress->match + RAFT_BATCH_MAX >= raft->last &&
           !progress->full && ns_between(progress->heard, now) < raft->options.election_ns;
}

static enum raft_outcome judge(const struct raft *raft, const struct raft_change *change,
                               struct instant now)
{
    struct raft_config after = raft->config;

    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (raft->commit < raft->noop || raft->commit < raft->config_index)
        return RAFT_CHANGING;
    if (!raft_config_apply(&after, change))
        return RAFT_INVALID;
    if (change->kind == RAFT_SET && change->role != RAFT_LEARNER &&
        !may_vote_soon(raft, change->member, now))
        return RAFT_INVALID;
    return RAFT_ACCEPTED;
}

enum raft_outcome raft_change(struct raft *raft, const struct raft_change *change,
                              struct instant now, uint64_t *index)
{
    enum raft_outcome outcome;

    raft_enter(raft);
    outcome = judge(raft, change, now);
    if (outcome == RAFT_ACCEPTED && !raft_takes_entries(raft))
        outcome = RAFT_BUSY;
    if (outcome == RAFT_ACCEPTED) {
        struct raft_entry entry = {.term = raft->term, .kind = RAFT_CONFIG, .change = *change};

        raft_log_append(raft, &entry, now);
        *index = raft->last;
        raft_advance_commit(raft, now);
    }
    raft_leave(raft);
    return outcome;
}

const struct raft_config *raft_config_at(const struct raft *raft, uint64_t index)
{
    if (index >= raft->config_index)
        return &raft->config;
    for (uint32_t i = raft->eras; i-- > 0;)
        if (index >= raft->era[i].index)
            return &raft->era[i].config;
    return NULL;
}

const struct raft_progress *raft_progress_of(const struct raft *raft, uint32_t member)
{
    int place = raft_place_of(&raft->config, member);

    return raft->role == RAFT_LEADER && place >= 0 ? &raft->progress[place] : NULL;
}
