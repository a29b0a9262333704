#include "failover/elect.h"

#include "base/must.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- of one member ---- */

uint32_t view_place(const struct failover_view *view, uint32_t member)
{
    for (uint32_t i = 0; member && i < view->count; i++)
        if (view->members[i].life.member == member)
            return i;
    return NOBODY_WINS;
}

const char *view_name(const struct failover_view *view, uint32_t member, char *text)
{
    uint32_t place = view_place(view, member);

    if (place != NOBODY_WINS && view->members[place].name[0])
        return view->members[place].name;
    snprintf(text, MEMBER_TEXT_MAX, "member %" PRIu32, member);
    return text;
}

bool member_frozen(const struct failover_view *view, const struct failover_member *member)
{
    return member->heard && life_equal(member->report.life, member->life) &&
           view->body.primary == 0 && member->report.epoch == view->epoch &&
           member->report.promised == view->epoch;
}

static const struct failover_memory *memory_of(const struct failover *f, struct life life)
{
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++)
        if (life.member && life_equal(f->memory[i].life, life))
            return &f->memory[i];
    return NULL;
}

bool member_short(const struct failover *f, const struct failover_view *view,
                  const struct failover_member *member)
{
    const struct failover_memory *memory = memory_of(f, member->life);

    return memory && memory->epoch == f->served && member_frozen(view, member) &&
           position_compare(member->report.position, memory->high) < 0;
}

bool member_well(const struct failover_member *member)
{
    return member->health == FAILOVER_ALIVE && member->heard && !member->report.loading &&
           member->report.state == ENGINE_RUNNING;
}

bool member_flaps(const struct failover *f, uint32_t member, struct instant now)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < FAILOVER_LOSSES_MAX; i++)
        if (f->losses[i].member == member &&
            !passed(after_ms(f->losses[i].at, f->rules.flap_window_ms), now))
            count++;
    return f->rules.flaps > 0 && count >= f->rules.flaps;
}

uint64_t member_behind(const struct failover *f, struct position position)
{
    if (position_compare(position, f->best) >= 0)
        return 0;
    if (f->best.offset > position.offset)
        return f->best.offset - position.offset;
    return UINT64_MAX;
}

/* ---- whether it may be chosen ---- */

struct question {
    const struct failover *f;
    const struct failover_view *view;
    enum elect_question kind;
    struct instant now;
    bool has_best; /* somebody who counts has promised, and `best` is the most advanced of these */
    struct position best;
    const char *best_name;
};

static bool frozen_asked(const struct question *q)
{
    return q->kind == ELECT_NOW || q->kind == ELECT_UNCLEAN;
}

static bool say(char *why, const char *format, ...) PRINTF(2, 3);

static bool say(char *why, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, GROUP_SENTENCE_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* By the document and the file. */
static bool named_rightly(const struct question *q, const struct failover_member *m, char *why)
{
    const struct group_body *body = &q->view->body;
    bool in_sync = life_set_has(&body->in_sync, m->life);
    bool eligible = body->mode == GROUP_SYNC && life_set_has(&body->eligible, m->life);

    if (m->life.member == 0)
        return say(why, "is no member of the cluster yet");
    if (body->primary && body->primary == m->life.member)
        return say(why, "is the primary");
    if (m->priority == 0)
        return say(why, "is never to be primary: its priority is 0");
    if (q->kind == ELECT_UNCLEAN || in_sync)
        return true;
    if (eligible && q->kind != ELECT_HANDOVER)
        return true;
    if (life_set_find(&body->in_sync, m->life.member) >= 0 ||
        life_set_find(&body->eligible, m->life.member) >= 0)
        return say(why, "began again, and has not said what it still has");
    return say(why, "is not in sync");
}

/* By what is heard of it. */
static bool present(const struct question *q, const struct failover_member *m, char *why)
{
    const struct group_report *r = &m->report;

    if (m->health == FAILOVER_DEAD)
        return say(why, "is dead");
    if (m->health != FAILOVER_ALIVE)
        return say(why, "is not heard from");
    if (!m->heard)
        return say(why, "has said nothing of its engine since it began");
    if (m->maintenance)
        return say(why, "is in maintenance");
    if (r->loading)
        return say(why, "is in the middle of a copy");
    if (r->state != ENGINE_RUNNING)
        return say(why, "has an engine that is %s%s%.90s",
                   engine_state_name((enum engine_state)r->state), r->sentence[0] ? ": " : "",
                   r->sentence);
    if (r->refused && r->epoch == q->view->epoch)
        return say(why, "refused%s%.120s", r->sentence[0] ? ": " : "", r->sentence);
    if (q->f->walk.on && life_set_has(&q->f->walk.failed, m->life))
        return say(why, "did not take over a moment ago");
    return true;
}

static bool near_enough(const struct question *q, const struct failover_member *m, char *why)
{
    uint64_t behind = member_behind(q->f, m->report.position);

    if (q->kind == ELECT_UNCLEAN || q->view->body.mode != GROUP_ASYNC ||
        behind <= q->f->rules.max_lag_bytes)
        return true;
    if (behind == UINT64_MAX)
        return say(why, "is behind by nobody knows how much, and max_lag is %" PRIu64 " bytes",
                   q->f->rules.max_lag_bytes);
    return say(why, "is %" PRIu64 " bytes behind, and max_lag is %" PRIu64, behind,
               q->f->rules.max_lag_bytes);
}

/* By its data. */
static bool advanced(const struct question *q, const struct failover_member *m, char *why)
{
    if (!frozen_asked(q)) {
        if (q->kind == ELECT_HANDOVER && !m->report.linked)
            return say(why, "does not receive from the primary");
        return near_enough(q, m, why);
    }
    if (!member_frozen(q->view, m))
        return say(why, "has not promised epoch %" PRIu64 " yet", q->view->epoch);
    if (q->kind == ELECT_NOW && member_short(q->f, q->view, m))
        return say(why, "has less than it had before");
    if (q->kind == ELECT_NOW && q->view->body.mode == GROUP_SEMI_SYNC && q->has_best &&
        position_compare(m->report.position, q->best) < 0)
        return say(why, "is behind %s", q->best_name);
    return near_enough(q, m, why);
}

/* ---- whose promises count ---- */

/* Holds it what was acknowledged, as the mode says, and can that be relied upon? */
static bool counts(const struct question *q, const struct failover_member *m)
{
    if (!life_set_has(&q->view->body.in_sync, m->life) &&
        !(q->view->body.mode == GROUP_SYNC && life_set_has(&q->view->body.eligible, m->life)))
        return false;
    if (q->kind == ELECT_OUTLOOK)
        return m->life.member != q->view->body.primary && member_well(m);
    return member_frozen(q->view, m) && !m->report.loading && !member_short(q->f, q->view, m);
}

static uint32_t needed(const struct group_body *body)
{
    uint32_t copies = body->degraded ? 0 : body->acks;

    if (body->mode != GROUP_SEMI_SYNC || body->in_sync.count <= copies + 1)
        return 1;
    return body->in_sync.count - copies;
}

/* The last primary acknowledged nothing that it has not itself. The one before may lack what a candidate acknowledged that failed then. */
static bool is_former(const struct question *q, const struct failover_member *m)
{
    return q->f->last && m->life.member == q->f->last;
}

static void count(struct question *q, struct elected *out)
{
    bool former = false;

    out->needed = needed(&q->view->body);
    for (uint32_t i = 0; i < q->view->count; i++) {
        const struct failover_member *m = &q->view->members[i];

        if (!counts(q, m))
            continue;
        out->counted++;
        former = former || (frozen_asked(q) && is_former(q, m));
        if (!q->has_best || position_compare(m->report.position, q->best) > 0) {
            q->has_best = true;
            q->best = m->report.position;
            q->best_name = m->name;
        }
    }
    out->enough = out->counted >= out->needed || former;
}

/* ---- who is the best ---- */

/* Of the primary that is replaced; 0: not known. */
static uint32_t zone_of(const struct question *q)
{
    uint32_t place = view_place(q->view, q->view->body.primary);

    if (place != NOBODY_WINS)
        return q->view->members[place].zone;
    return q->f->walk.on ? q->f->walk.zone : 0;
}

static int by(int64_t a, int64_t b)
{
    return a == b ? 0 : a > b ? 1 : -1;
}

/* What is written meanwhile makes whoever was heard of last the longest: before positions are frozen, all who keep up are as long as each other. */
static int by_data(const struct question *q, const struct failover_member *m,
                   const struct failover_member *n)
{
    bool moves = q->kind == ELECT_OUTLOOK;

    if (moves && (m->current || n->current))
        return by(m->current, n->current);
    return position_compare(m->report.position, n->report.position);
}

/* In sync everybody who may be chosen has all that was acknowledged; else how far its data goes comes before all. */
static bool better(const struct question *q, uint32_t a, uint32_t b)
{
    const struct failover_member *m = &q->view->members[a], *n = &q->view->members[b];
    const struct life_set *in_sync = &q->view->body.in_sync;
    bool data_first = q->kind == ELECT_UNCLEAN || q->view->body.mode != GROUP_SYNC;
    int order = 0;

    if (data_first && q->kind != ELECT_HANDOVER)
        order = by_data(q, m, n);
    if (order == 0)
        order = by(member_flaps(q->f, n->life.member, q->now),
                   member_flaps(q->f, m->life.member, q->now));
    if (order == 0)
        order = by(life_set_has(in_sync, m->life), life_set_has(in_sync, n->life));
    if (order == 0 && q->kind != ELECT_HANDOVER)
        order = by_data(q, m, n);
    if (order == 0)
        order = by(m->priority, n->priority);
    if (order == 0)
        order = by(m->zone == zone_of(q), n->zone == zone_of(q));
    if (order == 0)
        order = by_data(q, m, n);
    return order > 0;
}

/* Two that took different ways since an epoch before may differ by more than their lengths do. */
static uint64_t missing(const struct failover *f, struct position position)
{
    return position.epoch < f->best.epoch ? UINT64_MAX : member_behind(f, position);
}

/* What of acknowledged writes may be missing from it, by what was last heard of all. */
static uint64_t loss_of(const struct question *q, const struct elected *out,
                        const struct failover_member *m)
{
    const struct group_body *body = &q->view->body;

    if (q->kind == ELECT_HANDOVER)
        return 0;
    if (q->kind == ELECT_UNCLEAN || body->mode == GROUP_ASYNC || !out->enough)
        return missing(q->f, m->report.position);
    return 0;
}

/* Could it still come to count or to win, by promising? */
static bool may_still(const struct question *q, const struct failover_member *m)
{
    char why[GROUP_SENTENCE_MAX];

    return frozen_asked(q) && named_rightly(q, m, why) && present(q, m, why) &&
           !member_frozen(q->view, m);
}

static void explain(const struct question *q, struct elected *out)
{
    char *why = out->outlook.why_nobody;
    const char *before = "";

    if ((q->kind == ELECT_NOW || q->kind == ELECT_OUTLOOK) && !out->enough && out->counted > 0)
        snprintf(why, GROUP_SENTENCE_MAX,
                 "%" PRIu32 " of %" PRIu32 " members in sync %s promise%s, %" PRIu32 " %s: ",
                 out->needed, q->view->body.in_sync.count,
                 q->kind == ELECT_NOW ? "must have" : "would have to",
                 q->kind == ELECT_NOW ? "d" : "", out->counted,
                 q->kind == ELECT_OUTLOOK ? "would"
                 : out->counted == 1      ? "has"
                                          : "have");
    for (uint32_t i = 0; i < q->view->count; i++) {
        size_t len = strlen(why);

        if (!out->outlook.candidates[i].why[0])
            continue;
        snprintf(why + len, GROUP_SENTENCE_MAX - len, "%s%s %s", before, q->view->members[i].name,
                 out->outlook.candidates[i].why);
        before = "; ";
    }
    if (!why[0])
        snprintf(why, GROUP_SENTENCE_MAX, "the group has no members");
}

static int64_t expected(const struct failover *f)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < f->total_count; i++)
        sum += f->totals_ms[i];
    if (f->total_count)
        return sum / f->total_count;
    return f->rules.lease_ms + f->rules.promise_ms + 3 * f->rules.heartbeat_ms;
}

void elect(const struct failover *f, const struct failover_view *view, enum elect_question question,
           struct instant now, struct elected *out)
{
    struct question q = {.f = f, .view = view, .kind = question, .now = now};
    struct failover_outlook *outlook = &out->outlook;

    *out = (struct elected){.outlook = {.winner = NOBODY_WINS}};
    count(&q, out);
    for (uint32_t i = 0; i < view->count; i++) {
        const struct failover_member *m = &view->members[i];
        struct failover_candidate *c = &outlook->candidates[i];

        c->position = m->report.position;
        c->frozen = member_frozen(view, m);
        c->loss_bytes = loss_of(&q, out, m);
        c->eligible =
            named_rightly(&q, m, c->why) && present(&q, m, c->why) && advanced(&q, m, c->why);
        out->pending = out->pending || may_still(&q, m);
        if (c->eligible && (outlook->winner == NOBODY_WINS || better(&q, i, outlook->winner)))
            outlook->winner = i;
    }
    if (question != ELECT_UNCLEAN && question != ELECT_HANDOVER && !out->enough)
        outlook->winner = NOBODY_WINS;
    if (outlook->winner == NOBODY_WINS)
        explain(&q, out);
    else
        outlook->loss_bytes = outlook->candidates[outlook->winner].loss_bytes;
    outlook->expected_ms = expected(f);
}
