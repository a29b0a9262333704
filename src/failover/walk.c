/*
 * The time and the counts of one change of the primary.
 */
#include "failover/parts.h"

#include "base/must.h"

#include <stdio.h>

/* ---- memory ---- */

static struct failover_memory *memory_for(struct failover *f, struct life life)
{
    struct failover_memory *free = NULL;

    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++) {
        if (f->memory[i].life.member == life.member)
            return &f->memory[i];
        if (!free && f->memory[i].life.member == 0)
            free = &f->memory[i];
    }
    return free;
}

static void forget_strangers(struct failover *f, const struct failover_view *view)
{
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++)
        if (f->memory[i].life.member && view_place(view, f->memory[i].life.member) == NOBODY_WINS)
            f->memory[i] = (struct failover_memory){0};
}

/* Positions only grow in one epoch of a primary, once a member follows it: what is said of an earlier one may have been taken back. */
static bool grows(const struct failover_view *view, const struct group_report *r)
{
    if (!view->exists || !view->body.serving || r->epoch != view->epoch)
        return false;
    return r->life.member == view->body.primary ? r->role == ENGINE_PRIMARY : r->linked;
}

static void remember_one(struct step *s, const struct failover_member *m, bool calm)
{
    struct failover_memory *memory = memory_for(s->f, m->life);
    const struct group_report *r = &m->report;

    must(memory);
    if (!life_equal(memory->life, m->life))
        *memory = (struct failover_memory){.life = m->life};
    if (calm) {
        memory->held = r->held;
        memory->expired = r->expired;
    }
    if (!grows(s->view, r))
        return;
    if (memory->epoch != r->epoch || position_compare(r->position, memory->high) > 0) {
        memory->epoch = r->epoch;
        memory->high = r->position;
    }
    if (position_compare(r->position, s->f->best) > 0)
        s->f->best = r->position;
}

void remember(struct step *s)
{
    bool calm = s->view->exists && s->view->body.serving && !s->view->body.target &&
                !s->f->walk.on && s->f->record_at.ns == NEVER.ns;

    forget_strangers(s->f, s->view);
    if (s->view->exists && s->view->body.serving && s->f->served != s->view->epoch) {
        s->f->served = s->view->epoch;
        s->f->best = (struct position){0};
    }
    for (uint32_t i = 0; i < s->view->count; i++) {
        const struct failover_member *m = &s->view->members[i];

        if (m->life.member && m->heard && life_equal(m->report.life, m->life))
            remember_one(s, m, calm);
    }
}

/* ---- the walk ---- */

void walk_begin(struct step *s, enum failover_cause cause, uint32_t from)
{
    struct failover *f = s->f;
    uint32_t place = view_place(s->view, from);
    struct failover_walk *walk = &f->walk;

    must(!walk->on);
    *walk = (struct failover_walk){.on = true,
                                   .epoch = s->view->exists ? s->view->epoch : 0,
                                   .cause = cause,
                                   .from = from,
                                   .zone = place == NOBODY_WINS ? 0 : s->view->members[place].zone,
                                   .planned = cause >= CAUSE_SWITCHOVER,
                                   .noticed = s->now,
                                   .since = s->now,
                                   .span = SPAN_DECIDE,
                                   .failed_at = NEVER};
    walk->known[SPAN_DETECT] = walk->planned || (from && f->well_at.ns > 0);
    if (walk->known[SPAN_DETECT] && !walk->planned && f->well_at.ns < s->now.ns)
        walk->spent_ns[SPAN_DETECT] = ns_between(f->well_at, s->now);
}

void walk_to(struct step *s, enum failover_span span)
{
    struct failover_walk *walk = &s->f->walk;

    if (!walk->on || walk->span == span)
        return;
    walk->spent_ns[walk->span] += ns_between(walk->since, s->now);
    walk->known[walk->span] = true;
    walk->span = span;
    walk->since = s->now;
}

void walk_drop(struct step *s)
{
    s->f->walk = (struct failover_walk){.failed_at = NEVER};
}

static int64_t take_ms(const struct failover_walk *walk, enum failover_span span, int64_t *total)
{
    if (!walk->known[span])
        return -1;
    *total += walk->spent_ns[span] / NS_PER_MS;
    return walk->spent_ns[span] / NS_PER_MS;
}

static void keep_total(struct failover *f, int64_t total_ms)
{
    if (f->total_count == FAILOVER_TOTALS_MAX) {
        for (uint32_t i = 1; i < FAILOVER_TOTALS_MAX; i++)
            f->totals_ms[i - 1] = f->totals_ms[i];
        f->total_count--;
    }
    f->totals_ms[f->total_count++] = total_ms;
}

void walk_finish(struct step *s)
{
    struct failover *f = s->f;
    struct failover_walk *walk = &f->walk;
    struct failover_record *r = &f->record;

    walk_to(s, SPAN_VERIFY);
    walk->spent_ns[SPAN_VERIFY] += ns_between(walk->since, s->now);
    walk->known[SPAN_VERIFY] = true;
    *r = (struct failover_record){.epoch = s->view->epoch,
                                  .cause = walk->cause,
                                  .from = walk->from,
                                  .to = s->view->body.primary,
                                  .planned = walk->planned,
                                  .unclean = walk->unclean,
                                  .lost_bytes = walk->lost_bytes};
    r->detect_ms = take_ms(walk, SPAN_DETECT, &r->total_ms);
    r->decide_ms = take_ms(walk, SPAN_DECIDE, &r->total_ms);
    r->fence_ms = take_ms(walk, SPAN_FENCE, &r->total_ms);
    r->promise_ms = take_ms(walk, SPAN_PROMISE, &r->total_ms);
    r->promote_ms = take_ms(walk, SPAN_PROMOTE, &r->total_ms);
    r->verify_ms = take_ms(walk, SPAN_VERIFY, &r->total_ms);
    if (!walk->planned && walk->known[SPAN_DETECT])
        keep_total(f, r->total_ms);
    f->record_at = after_ms(s->now, 2 * f->rules.heartbeat_ms);
    walk_drop(s);
}

/* ---- the record ---- */

static uint64_t more(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static void count_clients(const struct step *s, struct failover_record *r)
{
    for (uint32_t i = 0; i < s->view->count; i++) {
        const struct failover_member *m = &s->view->members[i];
        const struct failover_memory *memory = memory_for(s->f, m->life);

        if (!m->heard || !memory || !life_equal(memory->life, m->report.life))
            continue;
        r->waited += more(m->report.held, memory->held);
        r->failed += more(m->report.expired, memory->expired);
    }
}

static void say_record(const struct step *s, struct failover_action *action)
{
    const struct failover_record *r = &action->record;
    char to[MEMBER_TEXT_MAX], from[MEMBER_TEXT_MAX];

    if (r->cause == CAUSE_FIRST) {
        snprintf(action->sentence, sizeof action->sentence,
                 "%s is primary in epoch %llu: the group is new", view_name(s->view, r->to, to),
                 (unsigned long long)r->epoch);
        return;
    }
    snprintf(action->sentence, sizeof action->sentence,
             "%s is primary in epoch %llu after %s: %lld ms (%s)%s", view_name(s->view, r->to, to),
             (unsigned long long)r->epoch,
             r->from ? view_name(s->view, r->from, from) : "nobody knows whom",
             (long long)r->total_ms, failover_cause_name(r->cause),
             r->unclean ? "; acknowledged writes may be lost" : "");
}

void walk_record(struct step *s)
{
    struct failover *f = s->f;
    struct failover_action *action;

    if (!passed(f->record_at, s->now)) {
        wake_at(s, f->record_at);
        return;
    }
    f->record_at = NEVER;
    action = act(s, FAILOVER_RECORD);
    action->record = f->record;
    action->about = f->record.to;
    action->code = f->record.planned ? FACT_SWITCHOVER_DONE : FACT_FAILOVER_DONE;
    if (f->record.cause == CAUSE_FIRST)
        action->code = FACT_GROUP_CREATED;
    count_clients(s, &action->record);
    say_record(s, action);
}
