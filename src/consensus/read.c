/*
 * Confirms that nobody else led when a question was asked (ReadIndex, thesis 6.4). Never believes an answer to a message
 * that was sent before the question.
 */
#include "consensus/raft_parts.h"

#include <string.h>

enum raft_outcome raft_confirm(struct raft *raft, uint64_t id, struct instant now)
{
    enum raft_outcome outcome = RAFT_ACCEPTED;

    (void)now;
    raft_enter(raft);
    if (raft->role != RAFT_LEADER) {
        outcome = RAFT_NOT_LEADER;
    } else if (raft->commit < raft->noop || raft->reads + raft->reads_lost == RAFT_READS_MAX) {
        outcome = RAFT_BUSY;
    } else {
        raft->read[raft->reads++] = (struct raft_read){id, raft->round + 1, raft->commit};
        raft->round_wanted = true;
    }
    raft_leave(raft);
    return outcome;
}

void raft_reads_lose(struct raft *raft)
{
    must(raft->reads + raft->reads_lost <= RAFT_READS_MAX);
    for (uint32_t i = 0; i < raft->reads; i++)
        raft->read_lost[raft->reads_lost++] = raft->read[i].id;
    raft->reads = 0;
}

/* A majority is known to have followed this leader after the round began. */
static bool is_confirmed(const struct raft *raft, uint64_t round)
{
    uint32_t places = 0;

    if (round > raft->round)
        return false;
    for (uint32_t i = 0; i < raft->config.count; i++)
        if (raft->config.members[i].id == raft->options.self || raft->progress[i].round >= round)
            places |= 1U << i;
    return raft_is_majority(&raft->config, places);
}

void raft_reads_answer(struct raft *raft, struct raft_actions *actions)
{
    uint32_t done = 0;

    while (done < raft->reads && is_confirmed(raft, raft->read[done].round))
        done++;
    memcpy(actions->read, raft->read, done * sizeof raft->read[0]);
    actions->reads = done;
    raft->reads -= done;
    memmove(raft->read, raft->read + done, raft->reads * sizeof raft->read[0]);
    memcpy(actions->read_lost, raft->read_lost, raft->reads_lost * sizeof raft->read_lost[0]);
    actions->reads_lost = raft->reads_lost;
    raft->reads_lost = 0;
}
