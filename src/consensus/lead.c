/*
 * The leader's side: what it knows of each member, what is committed by that, and when it had better not lead.
 *
 * It commits only by counting copies of an entry of its own term (figure 8 of the paper), and itself only up to what its own disk holds.
 */
#include "consensus/raft_parts.h"

#include <string.h>

void raft_lead(struct raft *raft, struct instant now)
{
    struct raft_entry noop = {.term = raft->term, .kind = RAFT_NOOP};

    must(raft->role == RAFT_CANDIDATE);
    raft->role = RAFT_LEADER;
    raft->leader = raft->options.self;
    raft->round = 0;
    raft->round_wanted = true;
    raft->transfer_to = raft->transfer_before = 0;
    raft->handover_from = now;
    memset(raft->progress, 0, sizeof raft->progress);
    for (uint32_t i = 0; i < raft->config.count; i++) {
        raft->progress[i].next = raft->last + 1;
        raft->progress[i].heard = now;
    }
    raft_log_append(raft, &noop, now);
    raft->noop = raft->last;
    raft->deadline = after_ns(now, raft->options.heartbeat_ns);
    raft_advance_commit(raft, now);
}

bool raft_takes_entries(const struct raft *raft)
{
    return raft->transfer_to == 0 && !raft->full && raft->last - raft->commit < RAFT_TAIL_MAX &&
           raft->last + 1 < RAFT_NUMBER_MAX;
}

enum raft_outcome raft_propose(struct raft *raft, struct instant now, uint64_t *index)
{
    enum raft_outcome outcome = RAFT_ACCEPTED;

    raft_enter(raft);
    if (raft->role != RAFT_LEADER) {
        outcome = RAFT_NOT_LEADER;
    } else if (!raft_takes_entries(raft)) {
        outcome = RAFT_BUSY;
    } else {
        struct raft_entry entry = {.term = raft->term, .kind = RAFT_COMMAND};

        raft_log_append(raft, &entry, now);
        *index = raft->last;
    }
    raft_leave(raft);
    return outcome;
}

/* ---- counting ---- */

static uint64_t match_of(const struct raft *raft, uint32_t place)
{
    bool self = raft->config.members[place].id == raft->options.self;

    return self ? raft->stored : raft->progress[place].match;
}

/* The last index that a majority of the voters holds. */
static uint64_t majority_match(const struct raft *raft)
{
    uint64_t match[RAFT_VOTERS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < raft->config.count; i++) {
        uint64_t value = match_of(raft, i);
        uint32_t at = count;

        if (raft->config.members[i].role == RAFT_LEARNER)
            continue;
        for (; at > 0 && match[at - 1] < value; at--)
            match[at] = match[at - 1];
        match[at] = value;
        count++;
    }
    must(count > 0);
    return match[count / 2];
}

/* ---- handing over ---- */

static bool is_reluctant(const struct raft *raft)
{
    int place = raft_place_of(&raft->config, raft->options.self);

    return raft->tilted || raft->full ||
           (place >= 0 && raft->config.members[place].role == RAFT_WITNESS);
}

static bool can_take_over(const struct raft *raft, uint32_t place, struct instant now)
{
    const struct raft_member *member = &raft->config.members[place];
    const struct raft_progress *progress = &raft->progress[place];

    return member->role == RAFT_VOTER && member->id != raft->options.self && !progress->full &&
           !(raft->tilted && progress->tilted) && progress->match > 0 &&
           ns_between(progress->heard, now) < raft->options.election_ns;
}

/* The voter that is furthest; of equals not the one that was tried before. 0: nobody. */
static uint32_t best_heir(const struct raft *raft, struct instant now)
{
    uint32_t best = 0;
    uint64_t furthest = 0;

    for (uint32_t i = 0; i < raft->config.count; i++) {
        uint64_t match = raft->progress[i].match;
        bool tried_before = best != 0 && best == raft->transfer_before;

        if (!can_take_over(raft, i, now))
            continue;
        if (match > furthest || (match == furthest && tried_before)) {
            best = raft->config.members[i].id;
            furthest = match;
        }
    }
    return best;
}

/* Its log is complete and on its disk: it may begin. Said again with each beat until somebody else leads. */
void raft_transfer_step(struct raft *raft, uint32_t place)
{
    if (raft->transfer_to == 0 || raft->config.members[place].id != raft->transfer_to)
        return;
    if (raft->progress[place].match == raft->last)
        raft_owe(raft, raft->transfer_to)->timeout_now = true;
}

static void begin_transfer(struct raft *raft, uint32_t to, struct instant now)
{
    raft->transfer_to = raft->transfer_before = to;
    raft->transfer_until = after_ns(now, raft->options.election_ns);
    raft->handover_from = after_ns(raft->transfer_until, raft->options.election_ns);
    raft_transfer_step(raft, (uint32_t)raft_place_of(&raft->config, to));
}

/* What a node that should not lead does about it: as soon as somebody has nearly caught up, that one is waited for. */
void raft_hand_over(struct raft *raft, struct instant now)
{
    uint32_t heir;
    const struct raft_progress *progress;

    if (!is_reluctant(raft) || raft->transfer_to != 0 || !passed(raft->handover_from, now))
        return;
    heir = best_heir(raft, now);
    if (heir == 0)
        return;
    progress = &raft->progress[raft_place_of(&raft->config, heir)];
    if (progress->match + RAFT_BATCH_MAX >= raft->last)
        begin_transfer(raft, heir, now);
}

enum raft_outcome raft_transfer(struct raft *raft, uint32_t to, struct instant now)
{
    enum raft_outcome outcome = RAFT_ACCEPTED;

    raft_enter(raft);
    if (raft->role != RAFT_LEADER)
        outcome = RAFT_NOT_LEADER;
    else if (raft->transfer_to != 0)
        outcome = to == 0 || to == raft->transfer_to ? RAFT_ACCEPTED : RAFT_BUSY;
    else if (to == 0 && (to = best_heir(raft, now)) == 0)
        outcome = RAFT_BUSY;
    else if (to == raft->options.self || !raft_is_voter(&raft->config, to))
        outcome = RAFT_INVALID;
    else
        begin_transfer(raft, to, now);
    raft_leave(raft);
    return outcome;
}

/* Its own removal is committed: somebody else leads, at best at once (thesis, 4.2.2). */
static void leave_office(struct raft *raft, struct instant now)
{
    uint32_t heir = best_heir(raft, now);
    bool complete =
        heir != 0 && raft->progress[raft_place_of(&raft->config, heir)].match == raft->last;

    raft_follow(raft, raft->term, 0, now);
    if (complete)
        raft_owe(raft, heir)->timeout_now = true;
}

void raft_advance_commit(struct raft *raft, struct instant now)
{
    uint64_t held = majority_match(raft);

    if (held > raft->commit && raft_term_at(raft, held) == raft->term)
        raft->commit = held;
    if (raft->commit >= raft->config_index && raft->commit >= raft->noop &&
        !raft_is_voter(&raft->config, raft->options.self))
        leave_office(raft, now);
}

/* ---- beats ---- */

/* When the newest answers of a majority will be too old. A little later than the soonest of its followers would give it up. */
struct instant raft_quorum_until(const struct raft *raft)
{
    struct instant heard[RAFT_VOTERS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < raft->config.count; i++) {
        bool self = raft->config.members[i].id == raft->options.self;
        struct instant at = self ? NEVER : raft->progress[i].heard;
        uint32_t place = count;

        if (raft->config.members[i].role == RAFT_LEARNER)
            continue;
        for (; place > 0 && heard[place - 1].ns < at.ns; place--)
            heard[place] = heard[place - 1];
        heard[place] = at;
        count++;
    }
    must(count > 0);
    if (heard[count / 2].ns == NEVER.ns)
        return NEVER;
    return after_ns(heard[count / 2], raft->options.election_ns + raft->options.heartbeat_ns / 4);
}

static bool must_step_down(const struct raft *raft, struct instant now)
{
    return !raft_has_quorum(raft, now) || (raft->full && passed(raft->full_until, now));
}

/* At once when its time is up, and not with the next beat: its followers, which it can tell, need not wait longer than it does itself. */
bool raft_resign(struct raft *raft, struct instant now)
{
    bool resigns = must_step_down(raft, now);

    if (resigns)
        raft_follow(raft, raft->term, 0, now);
    return resigns;
}

void raft_beat(struct raft *raft, struct instant now)
{
    if (raft->transfer_to != 0 && passed(raft->transfer_until, now))
        raft->transfer_to = 0;
    raft_hand_over(raft, now);
    for (uint32_t i = 0; i < raft->config.count; i++)
        raft_transfer_step(raft, i);
    raft->round_wanted = true;
    raft->deadline = after_ns(now, raft->options.heartbeat_ns);
}

/* ---- answers ---- */

void raft_progress_probe(struct raft *raft, struct raft_progress *progress, uint64_t next)
{
    progress->next = next;
    progress->under_way = 0;
    progress->asked = false;
    progress->due = true;
    progress->state = next < raft->first ? RAFT_SNAPSHOTTING : RAFT_PROBE;
}

static void arrived(struct raft_progress *progress)
{
    uint32_t done = 0;

    while (done < progress->under_way && progress->ends[done] <= progress->match)
        done++;
    progress->under_way = (uint8_t)(progress->under_way - done);
    memmove(progress->ends, progress->ends + done, progress->under_way * sizeof progress->ends[0]);
}

static void note_accepted(struct raft *raft, struct raft_progress *progress, uint64_t index)
{
    if (index > progress->match)
        progress->match = index;
    if (progress->next <= progress->match)
        progress->next = progress->match + 1;
    if (progress->state == RAFT_SNAPSHOTTING) {
        if (progress->match + 1 >= raft->first)
            raft_progress_probe(raft, progress, progress->match + 1);
        return;
    }
    progress->state = progress->next < raft->first ? RAFT_SNAPSHOTTING : RAFT_REPLICATE;
    progress->asked = false;
    arrived(progress);
}

/* A refusal that names nothing before what is being tried already is an old one. */
static void note_refused(struct raft *raft, struct raft_progress *progress,
                         const struct raft_message *message)
{
    uint64_t next;

    if (message->index < progress->match || progress->state == RAFT_SNAPSHOTTING)
        return;
    next = raft_log_meeting(raft, message->index, message->index_term) + 1;
    if (next <= progress->match)
        next = progress->match + 1;
    if (progress->state == RAFT_PROBE && next >= progress->next)
        return;
    raft_progress_probe(raft, progress, next);
}

static void note_full(struct raft *raft, struct raft_progress *progress, bool full)
{
    if (progress->full && !full)
        raft_progress_probe(raft, progress, progress->match + 1);
    progress->full = full;
}

void raft_on_append_reply(struct raft *raft, const struct raft_message *message, struct instant now)
{
    int place = raft_place_of(&raft->config, message->from);
    struct raft_progress *progress = &raft->progress[place < 0 ? 0 : place];

    if (raft->role != RAFT_LEADER || message->term != raft->term || place < 0 ||
        message->round > raft->round || (message->granted && message->index > raft->last))
        return;
    progress->heard = now;
    if (message->round > progress->round)
        progress->round = message->round;
    if (!message->granted) {
        note_refused(raft, progress, message);
        return;
    }
    note_accepted(raft, progress, message->index);
    note_full(raft, progress, message->full);
    raft_transfer_step(raft, (uint32_t)place);
    raft_hand_over(raft, now);
    raft_advance_commit(raft, now);
}
