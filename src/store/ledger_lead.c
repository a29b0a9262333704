/*
 * The primary's part: who follows, who has what, what is committed.
 */
#include "store/ledger_parts.h"

struct ledger_follower *ledger_core_follower(struct ledger_core *core, uint32_t member)
{
    for (uint32_t i = 0; i < core->follower_count; i++)
        if (core->followers[i].member == member)
            return &core->followers[i];
    return NULL;
}

/* ---- who follows ---- */

static enum ledger_verdict judge(const struct ledger_core *core, const struct history *theirs,
                                 uint64_t *common)
{
    if (!history_common(&core->history, theirs, common) || *common < core->history.base.offset)
        return LEDGER_BEHIND;
    return *common == theirs->end ? LEDGER_ATTACHED : LEDGER_DIVERGED;
}

void ledger_lead_follow(struct ledger_core *core, const struct ledger_message *message,
                        const struct history *theirs, struct instant now,
                        struct ledger_message *answer)
{
    struct ledger_follower *follower = ledger_core_follower(core, message->from);
    uint64_t common = 0;

    *answer = (struct ledger_message){.type = LEDGER_ATTACH,
                                      .verdict = LEDGER_NOT_IT,
                                      .from = core->self,
                                      .to = message->from,
                                      .epoch = message->epoch,
                                      .session = message->session};
    if (!ledger_is_primary(core) || core->epoch != message->epoch || !follower)
        return;
    answer->verdict = (uint8_t)judge(core, theirs, &common);
    answer->end = common;
    follower->attached = answer->verdict == LEDGER_ATTACHED;
    if (!follower->attached)
        return;
    follower->session = message->session;
    follower->sent = follower->confirmed = common;
    follower->told = 0;
    follower->stamp = message->stamp;
    follower->beat_at = now;
    follower->silent_at = after_ms(now, LEDGER_SILENT_MS);
}

void ledger_lead_confirm(struct ledger_core *core, const struct ledger_message *message,
                         struct instant now)
{
    struct ledger_follower *follower = ledger_core_follower(core, message->from);

    if (!ledger_is_primary(core) || message->epoch != core->epoch || !follower ||
        !follower->attached || follower->session != message->session ||
        message->end > follower->sent)
        return;
    follower->silent_at = after_ms(now, LEDGER_SILENT_MS);
    if (message->end > follower->confirmed)
        follower->confirmed = message->end;
    if (message->stamp > follower->stamp)
        follower->stamp = message->stamp;
}

void ledger_lead_empty(struct ledger_core *core, const struct ledger_message *message)
{
    struct ledger_follower *follower = ledger_core_follower(core, message->from);

    if (follower)
        follower->attached = false;
}

/* ---- what is shipped ---- */

/* Members are told of what is committed and executed here: none shows what a read at the primary does not. */
static void head(const struct ledger_core *core, const struct ledger_follower *follower,
                 struct ledger_message *message)
{
    uint64_t mark = core->executed - core->executed % LEDGER_MARK_EVERY;
    const struct ledger_mark *kept = &core->marks[mark / LEDGER_MARK_EVERY % LEDGER_MARKS];

    *message = (struct ledger_message){.claims = core->leased,
                                       .from = core->self,
                                       .to = follower->member,
                                       .epoch = core->epoch,
                                       .session = follower->session,
                                       .committed = core->executed,
                                       .end = follower->sent,
                                       .stamp = follower->stamp};
    if (mark > 0 && kept->position == mark) {
        message->mark = mark;
        message->hash = kept->hash;
    }
}

void ledger_core_records(const struct ledger_core *core, const struct ledger_follower *follower,
                         uint64_t first, uint64_t to, struct ledger_message *message)
{
    must(first > core->history.base.offset && first <= to && to <= core->history.end);
    head(core, follower, message);
    message->type = LEDGER_RECORDS;
    message->first = first;
    message->before = history_epoch(&core->history, first - 1);
    message->record_epoch = history_epoch(&core->history, first);
    for (uint32_t i = 0; i < core->history.count; i++)
        if (core->history.runs[i].first > first && core->history.runs[i].first <= to)
            to = core->history.runs[i].first - 1;
    message->count = to - first + 1;
}

static void said(struct ledger_core *core, struct ledger_follower *follower, struct instant now)
{
    follower->told = core->executed;
    follower->beat_at = after_ms(now, LEDGER_BEAT_MS);
}

void ledger_core_shipped(struct ledger_core *core, struct ledger_follower *follower, uint64_t to,
                         struct instant now)
{
    must(to >= follower->sent && to <= core->history.end);
    follower->sent = to;
    said(core, follower, now);
}

/* What was committed is told at the latest so long after the last word. */
static struct instant beat_due(const struct ledger_core *core,
                               const struct ledger_follower *follower)
{
    struct instant at = follower->beat_at;

    if (follower->told < core->executed)
        at.ns -= (LEDGER_BEAT_MS - LEDGER_TELL_MS) * NS_PER_MS;
    return at;
}

void ledger_lead_beat(struct ledger_core *core, struct instant now, struct ledger_actions *actions)
{
    for (uint32_t i = 0; i < core->follower_count && ledger_is_primary(core); i++) {
        struct ledger_follower *follower = &core->followers[i];

        if (passed(follower->silent_at, now))
            follower->attached = false;
        if (!follower->attached || !passed(beat_due(core, follower), now))
            continue;
        must(actions->sends < LEDGER_SENDS_MAX);
        head(core, follower, &actions->send[actions->sends]);
        actions->send[actions->sends++].type = LEDGER_BEAT;
        said(core, follower, now);
    }
}

struct instant ledger_lead_deadline(const struct ledger_core *core)
{
    struct instant next = NEVER;

    for (uint32_t i = 0; i < core->follower_count && ledger_is_primary(core); i++)
        if (core->followers[i].attached)
            next = earlier(next, beat_due(core, &core->followers[i]));
    return next;
}

/* ---- what is committed ---- */

/* Of the members that count, so many as there are; who is not attached has confirmed nothing that can be relied on. */
static uint32_t confirmed(const struct ledger_core *core, uint64_t positions[GROUP_MEMBERS_MAX])
{
    const struct life_set *members = &core->needs.members;
    uint32_t count = 0;

    for (uint32_t i = 0; i < members->count; i++) {
        uint64_t position = 0;

        if (members->lives[i].member == core->self)
            continue;
        for (uint32_t j = 0; j < core->follower_count; j++)
            if (core->followers[j].member == members->lives[i].member &&
                core->followers[j].attached)
                position = core->followers[j].confirmed;
        positions[count++] = position;
    }
    return count;
}

/* The `nth` greatest, from 1; 0 when there are not so many. */
static uint64_t nth_greatest(const uint64_t positions[], uint32_t count, uint32_t nth)
{
    uint64_t best = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t reach = 0;

        for (uint32_t j = 0; j < count; j++)
            reach += positions[j] >= positions[i];
        if (reach >= nth && positions[i] > best)
            best = positions[i];
    }
    return best;
}

static uint64_t covered(const struct ledger_core *core)
{
    uint64_t positions[GROUP_MEMBERS_MAX], by_others = UINT64_MAX;
    uint32_t count = confirmed(core, positions);

    if (core->needs.mode == GROUP_SYNC)
        by_others = count < core->needs.acks ? 0
                    : count == 0             ? UINT64_MAX
                                             : nth_greatest(positions, count, count);
    else if (core->needs.mode == GROUP_SEMI_SYNC && core->needs.acks > 0)
        by_others = nth_greatest(positions, count, core->needs.acks);
    return by_others < core->durable ? by_others : core->durable;
}

/* What is older than the own epoch is never counted: it is committed with the epoch's first record. */
bool ledger_lead_could_commit(const struct ledger_core *core)
{
    uint64_t position;

    if (!ledger_is_primary(core))
        return false;
    position = covered(core);
    return position >= core->start && position > core->committed;
}

void ledger_lead_started(struct ledger_core *core)
{
    core->changed = true;
    for (uint32_t i = 0; i < core->follower_count; i++)
        core->followers[i].beat_at = (struct instant){0}; /* their clients wait for it */
}

void ledger_lead_commit(struct ledger_core *core)
{
    uint64_t position = covered(core);

    must(ledger_is_primary(core));
    if (position < core->start || position <= core->committed)
        return;
    must(history_epoch(&core->history, position) == core->epoch);
    core->changed = core->changed || core->committed < core->start;
    core->committed = position;
}
