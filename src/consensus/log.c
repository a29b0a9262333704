/*
 * The shape of the log: runs of equal terms and the memberships in it. Knows no bodies, and never walks entries: what it
 * does is bounded by the number of runs.
 */
#include "consensus/raft_parts.h"

#include <string.h>

uint64_t raft_last_term(const struct raft *raft)
{
    return raft->run[raft->runs - 1].term;
}

/* The run that an index from first - 1 on lies in. */
static uint32_t run_at(const struct raft *raft, uint64_t index)
{
    uint32_t low = 0, high = raft->runs;

    must(index >= raft->run[0].first);
    if (index >= raft->run[raft->runs - 1].first)
        return raft->runs - 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (raft->run[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
    if (index + 1 < raft->first || index > raft->last)
        return 0;
    return raft->run[run_at(raft, index)].term;
}

uint64_t raft_log_meeting(const struct raft *raft, uint64_t index, uint64_t term)
{
    uint32_t at;

    if (index > raft->last)
        index = raft->last;
    if (index + 1 < raft->first)
        return index;
    at = run_at(raft, index);
    while (at > 0 && raft->run[at].term > term)
        index = raft->run[at--].first - 1;
    return raft->run[at].term > term && index > 0 ? raft->run[at].first - 1 : index;
}

bool raft_wants_snapshot(const struct raft *raft)
{
    return raft->runs >= RAFT_RUNS_MAX * 3 / 4;
}

bool raft_log_has_room(const struct raft *raft, uint64_t after, const struct raft_entry *entries,
                       uint32_t count)
{
    uint32_t runs = run_at(raft, after) + 1;
    uint64_t term = raft->run[runs - 1].term;

    for (uint32_t i = 0; i < count; i++) {
        runs += entries[i].term != term;
        term = entries[i].term;
    }
    return runs <= RAFT_RUNS_MAX;
}

/* The oldest of the remembered goes when there are too many: it was committed long ago. */
static void remember_era(struct raft *raft)
{
    if (raft->eras == RAFT_ERAS_MAX) {
        memmove(raft->era, raft->era + 1, (RAFT_ERAS_MAX - 1) * sizeof raft->era[0]);
        raft->eras--;
    }
    raft->era[raft->eras++] = (struct raft_era){raft->config_index, raft->config};
}

/* A membership is in force from the moment that its entry is in the log (thesis, 4.1). */
static void begin_era(struct raft *raft, const struct raft_change *change, struct instant now)
{
    struct raft_config before = raft->config;

    remember_era(raft);
    raft->config_index = raft->last;
    raft_config_apply(&raft->config, change);
    if (raft->role == RAFT_LEADER)
        raft_progress_realign(raft, &before, now);
}

void raft_log_append(struct raft *raft, const struct raft_entry *entry, struct instant now)
{
    must(entry->term >= raft_last_term(raft));
    raft->last++;
    if (entry->term > raft_last_term(raft)) {
        must(raft->runs < RAFT_RUNS_MAX);
        raft->run[raft->runs++] = (struct raft_run){entry->term, raft->last};
    }
    if (entry->kind == RAFT_CONFIG)
        begin_era(raft, &entry->change, now);
}

/*
 * Nothing up to here may ever be cut: it is committed, or a later membership stands on it, which no leader proposes before the earlier
 * one is committed.
 */
uint64_t raft_log_floor(const struct raft *raft)
{
    uint64_t era = raft->eras > 0 ? raft->era[raft->eras - 1].index : 0;

    return era > raft->commit ? era : raft->commit;
}

void raft_log_cut(struct raft *raft, uint64_t keep)
{
    must(raft->role == RAFT_FOLLOWER);
    must(keep < raft->last);
    must(keep >= raft_log_floor(raft));
    raft->runs = run_at(raft, keep) + 1;
    raft->last = keep;
    if (raft->clean > keep)
        raft->clean = keep;
    if (raft->stored > keep)
        raft->stored = keep;
    if (raft->agreed > keep)
        raft->agreed = keep;
    if (raft->config_index > keep) {
        must(raft->eras > 0);
        raft->eras--;
        raft->config = raft->era[raft->eras].config;
        raft->config_index = raft->era[raft->eras].index;
    }
}

void raft_log_forget(struct raft *raft, uint64_t index, uint64_t keep_from)
{
    uint32_t at = run_at(raft, keep_from - 1);

    raft->snapshot_term = raft_term_at(raft, index);
    raft->snapshot_index = index;
    raft->runs -= at;
    memmove(raft->run, raft->run + at, raft->runs * sizeof raft->run[0]);
    raft->run[0].first = keep_from - 1;
    raft->first = keep_from;
}

void raft_log_replace(struct raft *raft, uint64_t index, uint64_t term,
                      const struct raft_config *config)
{
    raft->snapshot_index = raft->last = raft->stored = raft->clean = index;
    raft->snapshot_term = term;
    raft->first = index + 1;
    raft->runs = 1;
    raft->run[0] = (struct raft_run){term, index};
    raft->config = *config;
    raft->config_index = index;
    raft->eras = 0;
}

void raft_log_restore(struct raft *raft, const struct raft_restored *restored, struct instant now)
{
    raft_log_replace(raft, restored->snapshot_index, restored->snapshot_term,
                     &restored->snapshot_config);
    for (uint64_t i = restored->snapshot_index; i < restored->last; i++)
        raft_log_append(raft, &restored->entries[i - restored->snapshot_index], now);
    raft->stored = raft->clean = raft->last;
}
