/*
 * Every event, several deep from every interesting beginning, and long walks by seed, over a group of three members that write, copy, promise, promote, die,
 * begin again, fall silent and are late with their words. Their logs are real, if short: what was acknowledged has to be in the log of whoever is
 * named next. Then everything is made well, and there has to be a primary within the time.
 */
#include "failover/parts.h"
#include "failover/phases.h"
#include "unit.h"

#include "base/must.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 3, LOG_MAX = 24, TRAIL_MAX = 128 };

/* Entry i was written in epoch log[i]: (epoch, place) names it. */
struct real {
    uint8_t log[LOG_MAX];
    uint32_t len;
    uint64_t promised, incarnation;
    bool up, linked, role_primary, loading;
};

struct model {
    struct failover f;
    struct failover_view view;
    struct instant now;
    bool out;
    struct failover_action proposal;
    uint64_t epochs, versions;
    struct real real[MEMBERS];
    uint8_t
        acked[LOG_MAX]; /* epoch of the entry at that place that was acknowledged; 0: none was */
    bool lossy;         /* loss was accepted, or an engine lied: acknowledged writes may be gone */
};

static const char *trail[TRAIL_MAX];
static uint32_t trail_len;

static void fail_with(const struct model *m, const char *what)
{
    printf("%s, in phase %s, after", what, failover_phase_name(m->f.phase));
    for (uint32_t i = 0; i < trail_len; i++)
        printf(" %s", trail[i]);
    printf("\n%s, primary %u, in sync", group_mode_name((enum group_mode)m->view.body.mode),
           m->view.body.primary);
    for (uint32_t i = 0; i < m->view.body.in_sync.count; i++)
        printf(" %u", m->view.body.in_sync.lives[i].member);
    printf("%s, epoch %u\n", m->view.body.degraded ? ", degraded" : "", (unsigned)m->view.epoch);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        printf("  %c promised %u, %s, log", (char)('a' + i), (unsigned)m->real[i].promised,
               m->real[i].up ? "up" : "down");
        for (uint32_t at = 0; at < m->real[i].len; at++)
            printf(" %u%s", m->real[i].log[at], m->acked[at] == m->real[i].log[at] ? "!" : "");
        printf("\n");
    }
    fflush(stdout);
    fail();
}

#define CLAIM(m, claim)                                                                            \
    do {                                                                                           \
        if (!(claim))                                                                              \
            fail_with(m, #claim);                                                                  \
    } while (0)

/* ---- the document ---- */

static struct life life_of(const struct model *m, uint32_t i)
{
    return (struct life){i + 1, m->real[i].incarnation};
}

static void set_body(struct model *m, const struct group_body *body)
{
    if (!life_equal(group_primary(&m->view.body), group_primary(body)) || !m->view.exists)
        m->view.epoch = ++m->epochs;
    m->view.exists = true;
    m->view.body = *body;
    m->view.version = ++m->versions;
}

static bool holder(const struct group_body *body, struct life life)
{
    return life_set_has(&body->in_sync, life) || life_set_has(&body->eligible, life);
}

/* The document's own rules, which refuse what breaks them: a proposal that is based on what is there has to keep them. */
static void check_rules(const struct model *m, const struct failover_action *a)
{
    const struct group_body *after = &a->body, *before = &m->view.body;

    CLAIM(m, !after->primary || life_set_find(&after->in_sync, after->primary) >= 0);
    CLAIM(m, !after->target || life_set_find(&after->in_sync, after->target) >= 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        int in_sync = life_set_find(&after->in_sync, i + 1);
        int eligible = life_set_find(&after->eligible, i + 1);
        struct life life = life_of(m, i);

        CLAIM(m, in_sync < 0 || eligible < 0);
        CLAIM(m, in_sync < 0 || life_set_has(&after->in_sync, life));
        CLAIM(m, eligible < 0 || life_set_has(&after->eligible, life));
        if (m->view.exists && !a->unclean && !after->primary)
            CLAIM(m, (in_sync < 0 && eligible < 0) || holder(before, life));
    }
}

static void check_named(struct model *m, const struct failover_action *a)
{
    uint32_t place = a->body.primary - 1;
    const struct real *winner = &m->real[place];

    CLAIM(m, m->view.body.primary == 0);
    CLAIM(m, winner->promised == m->view.epoch);
    CLAIM(m, !winner->loading);
    CLAIM(m, member_frozen(&m->view, &m->view.members[place]));
    CLAIM(m, a->unclean || holder(&m->view.body, life_of(m, place)));
    CLAIM(m, !a->unclean || m->f.rules.unclean || m->f.order.accept_loss);
    if (a->unclean)
        m->lossy = true;
    for (uint32_t i = 0; !m->lossy && m->view.body.mode != GROUP_ASYNC && i < LOG_MAX; i++)
        CLAIM(m, m->acked[i] == 0 || (i < winner->len && winner->log[i] == m->acked[i]));
}

static void step(struct model *m)
{
    struct failover_actions actions;

    failover_step(&m->f, &m->view, m->now, &actions);
    for (uint32_t i = 0; i < actions.count; i++) {
        const struct failover_action *a = &actions.actions[i];

        if (a->kind != FAILOVER_UPDATE && a->kind != FAILOVER_CREATE)
            continue;
        CLAIM(m, m->view.able);
        CLAIM(m, a->kind == FAILOVER_CREATE || a->version == m->view.version);
        check_rules(m, a);
        if (m->view.exists && a->body.primary && a->body.primary != m->view.body.primary)
            check_named(m, a);
        m->out = true;
        m->proposal = *a;
    }
    CLAIM(m, m->f.deadline.ns > m->now.ns);
    if (m->view.able && m->f.phase != FAILOVER_WATCHING)
        CLAIM(m, m->f.deadline.ns != NEVER.ns);
}

/* ---- what members do ---- */

static uint32_t primary_of(const struct model *m)
{
    return m->view.body.primary ? m->view.body.primary - 1 : UINT32_MAX;
}

static bool acts(const struct model *m, uint32_t i)
{
    return primary_of(m) == i && m->real[i].up &&
           life_equal(group_primary(&m->view.body), life_of(m, i));
}

static void report(struct model *m, uint32_t i)
{
    struct failover_member *seen = &m->view.members[i];
    const struct real *r = &m->real[i];

    if (!r->up)
        return;
    seen->health = FAILOVER_ALIVE;
    seen->heard = true;
    seen->heard_at = m->now;
    seen->report =
        (struct group_report){.life = life_of(m, i),
                              .epoch = m->view.epoch,
                              .version = m->view.version,
                              .state = ENGINE_RUNNING,
                              .role = r->role_primary ? ENGINE_PRIMARY : ENGINE_SECONDARY,
                              .linked = r->linked,
                              .loading = r->loading,
                              .promised = r->promised,
                              .position = {r->len ? r->log[r->len - 1] : 0, r->len}};
}

static void promise(struct model *m, uint32_t i)
{
    struct real *r = &m->real[i];

    if (!r->up || m->view.body.primary)
        return;
    r->promised = m->view.epoch;
    r->linked = r->role_primary = false;
    report(m, i);
}

/* It takes what the primary has, and takes back what it had besides. */
static void copy(struct model *m, uint32_t i)
{
    uint32_t p = primary_of(m);
    struct real *r = &m->real[i];

    if (p == UINT32_MAX || p == i || !r->up || !acts(m, p) || r->promised > m->view.epoch ||
        !m->real[p].role_primary)
        return;
    memcpy(r->log, m->real[p].log, sizeof r->log);
    r->len = m->real[p].len;
    r->linked = true;
    r->loading = r->role_primary = false;
}

static void load(struct model *m, uint32_t i)
{
    struct real *r = &m->real[i];

    if (!r->up || acts(m, i) || !m->view.body.primary ||
        life_set_find(&m->view.body.in_sync, i + 1) >= 0 ||
        life_set_find(&m->view.body.eligible, i + 1) >= 0)
        return;
    r->len = 0;
    r->loading = true;
    r->linked = false;
}

static void promote(struct model *m)
{
    uint32_t p = primary_of(m);
    struct group_body body = m->view.body;

    if (p == UINT32_MAX || !acts(m, p))
        return;
    m->real[p].role_primary = true;
    report(m, p);
    body.serving = true;
    if (!m->view.body.serving)
        set_body(m, &body);
}

static void step_down(struct model *m)
{
    uint32_t p = primary_of(m);
    struct group_body body = m->view.body;

    if (p == UINT32_MAX || !acts(m, p))
        return;
    m->real[p].role_primary = false;
    body.primary = body.target = 0;
    body.serving = false;
    set_body(m, &body);
}

static bool has_all_of(const struct model *m, uint32_t i, uint32_t p)
{
    return m->real[i].len == m->real[p].len &&
           memcmp(m->real[i].log, m->real[p].log, m->real[p].len) == 0;
}

static void hand_over(struct model *m)
{
    uint32_t p = primary_of(m);
    struct group_body body = m->view.body;

    if (!body.target || !acts(m, p) || !has_all_of(m, body.target - 1, p) ||
        m->real[body.target - 1].loading)
        return;
    m->real[p].role_primary = false;
    body.primary = body.target;
    body.target = 0;
    body.serving = false;
    set_body(m, &body);
}

/* One write, to the primary and to those of `to`; acknowledged as the mode says. */
static void write_to(struct model *m, uint32_t to)
{
    uint32_t p = primary_of(m), copies = 0, behind = 0, at;
    const struct group_body *body = &m->view.body;

    if (p == UINT32_MAX || !acts(m, p) || !body->serving || body->target ||
        !m->real[p].role_primary || m->real[p].len == LOG_MAX)
        return;
    at = m->real[p].len;
    m->real[p].log[m->real[p].len++] = (uint8_t)m->view.epoch;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        bool in_sync = life_set_has(&body->in_sync, life_of(m, i));

        if (i == p)
            continue;
        if ((to >> i & 1) && m->real[i].up && m->real[i].linked)
            copy(m, i);
        copies += in_sync && has_all_of(m, i, p);
        behind += life_set_find(&body->in_sync, i + 1) >= 0 && !(in_sync && has_all_of(m, i, p));
    }
    if ((body->mode == GROUP_SYNC && behind == 0 && body->in_sync.count >= body->min_in_sync) ||
        (body->mode == GROUP_SEMI_SYNC && (copies >= body->acks || body->degraded)) ||
        body->mode == GROUP_ASYNC)
        for (uint32_t i = 0; i <= at; i++)
            m->acked[i] = m->real[p].log[i];
}

/* The primary's own books: who has caught up is taken in. */
static void join(struct model *m, uint32_t i)
{
    uint32_t p = primary_of(m);
    struct group_body body = m->view.body;

    if (p == UINT32_MAX || p == i || !acts(m, p) || !m->real[i].up || !m->real[i].linked ||
        !m->real[p].role_primary || !has_all_of(m, i, p))
        return;
    life_set_put(&body.in_sync, life_of(m, i));
    life_set_drop(&body.eligible, i + 1);
    if (body.in_sync.count >= body.min_in_sync)
        body.eligible = (struct life_set){0};
    set_body(m, &body);
}

/* ... and who is behind is taken out, in sync. (Under semi-sync the others must have all first: join does as much.) */
static void leave(struct model *m, uint32_t i)
{
    uint32_t p = primary_of(m);
    struct group_body body = m->view.body;

    if (p == UINT32_MAX || p == i || !acts(m, p) || !body.serving || body.mode != GROUP_SYNC ||
        life_set_find(&body.in_sync, i + 1) < 0)
        return;
    life_set_drop(&body.in_sync, i + 1);
    if (body.target == i + 1)
        body.target = 0;
    if (body.in_sync.count < body.min_in_sync)
        life_set_put(&body.eligible, life_of(m, i));
    set_body(m, &body);
}

static void degrade(struct model *m)
{
    uint32_t p = primary_of(m);
    struct group_body body = m->view.body;

    if (p == UINT32_MAX || !acts(m, p) || body.mode != GROUP_SEMI_SYNC || !body.serving)
        return;
    body.degraded = true;
    set_body(m, &body);
}

static void die(struct model *m, uint32_t i)
{
    m->real[i].up = m->real[i].linked = m->real[i].role_primary = false;
    m->view.members[i].health = FAILOVER_DEAD;
}

static void fall_silent(struct model *m, uint32_t i)
{
    m->view.members[i].health = FAILOVER_SUSPECTED;
}

/* As cluster/document does it: who began again uncleanly leaves the sets, but for the primary. */
static void begin_again(struct model *m, uint32_t i)
{
    struct group_body body = m->view.body;
    struct real *r = &m->real[i];

    r->incarnation++;
    r->up = true;
    r->linked = r->role_primary = false;
    m->view.members[i].life = life_of(m, i);
    m->view.members[i].health = FAILOVER_ALIVE;
    m->view.members[i].heard = false;
    if (!m->view.exists || body.primary == i + 1)
        return;
    group_forget(&body, i + 1);
    if (body.target == i + 1)
        body.target = 0;
    set_body(m, &body);
}

/* ---- the driver, the leader, time ---- */

static void done(struct model *m)
{
    uint32_t p = primary_of(m);
    bool good, takes_away;

    if (!m->out)
        return;
    good = m->view.exists && m->proposal.version == m->view.version;
    takes_away = good && m->view.body.primary && !m->proposal.body.primary;
    if (takes_away && m->view.members[p].health == FAILOVER_ALIVE && m->real[p].up &&
        life_equal(group_primary(&m->view.body), life_of(m, p)))
        return; /* its lease is extended */
    for (uint32_t i = 0; good && i < MEMBERS; i++)
        good = life_set_find(&m->proposal.body.in_sync, i + 1) < 0 ||
               life_set_has(&m->proposal.body.in_sync, life_of(m, i));
    m->out = false;
    if (good) {
        if (takes_away)
            m->real[p].role_primary = false;
        set_body(m, &m->proposal.body);
    }
    failover_proposed(&m->f, good, m->now);
}

static void refused(struct model *m)
{
    if (m->out)
        failover_proposed(&m->f, false, m->now);
    m->out = false;
}

static void another_leader(struct model *m)
{
    struct failover_rules rules = m->f.rules;

    failover_init(&m->f, &rules);
    m->out = false;
}

static void order(struct model *m, enum failover_order_kind kind, uint32_t to)
{
    struct failover_order asked = {.number = 1, .kind = kind, .to = to};

    if (m->f.order.kind == ORDER_NONE)
        failover_ordered(&m->f, &asked, m->now);
}

static void pass_ms(struct model *m, int64_t ms)
{
    m->now = after_ms(m->now, ms);
}

#define EACH(name, call)                                                                           \
    static void name##_a(struct model *m)                                                          \
    {                                                                                              \
        call(m, 0);                                                                                \
    }                                                                                              \
    static void name##_b(struct model *m)                                                          \
    {                                                                                              \
        call(m, 1);                                                                                \
    }                                                                                              \
    static void name##_c(struct model *m)                                                          \
    {                                                                                              \
        call(m, 2);                                                                                \
    }

EACH(on_report, report)
EACH(on_promise, promise)
EACH(on_copy, copy)
EACH(on_load, load)
EACH(on_join, join)
EACH(on_leave, leave)
EACH(on_death, die)
EACH(on_silence, fall_silent)
EACH(on_begin, begin_again)

static void write_none(struct model *m)
{
    write_to(m, 0);
}

static void write_a_b(struct model *m)
{
    write_to(m, 3);
}

static void write_c(struct model *m)
{
    write_to(m, 4);
}

static void write_all(struct model *m)
{
    write_to(m, 7);
}

static void switchover(struct model *m)
{
    order(m, ORDER_SWITCHOVER, UINT32_MAX);
}

static void failover_by_order(struct model *m)
{
    order(m, ORDER_FAILOVER, UINT32_MAX);
}

static void failover_to_c(struct model *m)
{
    order(m, ORDER_FAILOVER, 2);
}

static void pause_or_resume(struct model *m)
{
    m->view.paused = !m->view.paused;
}

static void beat(struct model *m)
{
    pass_ms(m, 100);
}

static void promise_time(struct model *m)
{
    pass_ms(m, 500);
}

static void timeout(struct model *m)
{
    pass_ms(m, 10000);
}

#define THREE(name)                                                                                \
    {#name "_a", name##_a}, {#name "_b", name##_b},                                                \
    {                                                                                              \
#name "_c", name##_c                                                                       \
    }

static const struct event {
    const char *name;
    void (*happen)(struct model *m);
} events[] = {
    {"done", done},
    {"promote", promote},
    {"write_all", write_all},
    {"write_a_b", write_a_b},
    {"write_c", write_c},
    {"write_none", write_none},
    THREE(on_promise),
    THREE(on_report),
    THREE(on_copy),
    THREE(on_join),
    THREE(on_death),
    THREE(on_begin),
    THREE(on_silence),
    {"beat", beat},
    {"promise_time", promise_time},
    {"timeout", timeout},
    {"step_down", step_down},
    {"hand_over", hand_over},
    {"switchover", switchover},
    {"another_leader", another_leader},
    {"refused", refused},
    {"degrade", degrade},
    THREE(on_leave),
    THREE(on_load),
    {"failover_by_order", failover_by_order},
    {"failover_to_c", failover_to_c},
    {"pause_or_resume", pause_or_resume},
};
enum { EVENTS = sizeof events / sizeof *events };

static void happen(struct model *m, const struct event *event)
{
    must(trail_len < TRAIL_MAX);
    trail[trail_len++] = event->name;
    event->happen(m);
    step(m);
}

/* ---- beginnings ---- */

static void begin(struct model *m, enum group_mode mode, uint8_t min_in_sync)
{
    struct failover_rules rules = {.heartbeat_ms = 100,
                                   .timeout_ms = 10000,
                                   .lease_ms = 1000,
                                   .promise_ms = 500,
                                   .flaps = 3,
                                   .flap_window_ms = 600000,
                                   .max_lag_bytes = 100};
    struct group_body body = {
        .primary = 1, .mode = (uint8_t)mode, .acks = 1, .min_in_sync = min_in_sync};

    *m = (struct model){.now = {NS_PER_S}};
    m->view = (struct failover_view){.count = MEMBERS, .able = true, .wanted = body};
    for (uint32_t i = 0; i < MEMBERS; i++) {
        m->real[i] = (struct real){.up = true, .incarnation = 1, .linked = i != 0};
        m->view.members[i] = (struct failover_member){
            .name = {(char)('a' + i)}, .life = life_of(m, i), .priority = 100, .zone = i};
        life_set_put(&body.in_sync, life_of(m, i));
    }
    failover_init(&m->f, &rules);
    set_body(m, &body);
    trail_len = 0;
    promote(m);
    for (uint32_t i = 0; i < MEMBERS; i++)
        report(m, i);
    write_all(m);
    for (uint32_t i = 0; i < MEMBERS; i++)
        report(m, i);
    step(m);
}

static const struct event *named(const char *name)
{
    for (uint32_t i = 0; i < EVENTS; i++)
        if (strcmp(events[i].name, name) == 0)
            return &events[i];
    never("an event has no such name");
}

/* ---- exploring ---- */

static uint64_t explored;

static void explore(const struct model *m, uint32_t depth, uint32_t deepest)
{
    /* Bounded by `deepest`: a stack of copies instead of recursion. */
    static struct model stack[8];
    uint32_t next[8] = {0};
    uint32_t base = trail_len;

    must(deepest < 8 && depth == 0);
    stack[0] = *m;
    while (1) {
        if (depth == deepest || next[depth] == EVENTS) {
            if (depth == 0)
                return;
            next[depth] = 0;
            depth--;
            trail_len = base + depth;
            continue;
        }
        stack[depth + 1] = stack[depth];
        happen(&stack[depth + 1], &events[next[depth]++]);
        explored++;
        depth++;
    }
}

static const struct {
    enum group_mode mode;
    uint8_t min_in_sync;
    const char *events[10];
} beginnings[] = {
    {GROUP_SYNC, 1, {0}},
    {GROUP_SYNC, 2, {"on_death_a", "done", "on_promise_b", "promise_time"}},
    {GROUP_SYNC, 2, {"on_death_a", "done", "on_promise_b", "promise_time", "done", "promote"}},
    {GROUP_SYNC, 1, {"switchover", "done"}},
    {GROUP_SYNC, 1, {"on_leave_b", "on_leave_c", "write_none", "on_death_a", "done"}},
    {GROUP_SEMI_SYNC, 1, {"write_a_b"}},
    {GROUP_SEMI_SYNC, 1, {"write_c", "on_death_a", "done", "on_promise_b"}},
    {GROUP_SEMI_SYNC, 1, {"write_a_b", "on_begin_b"}},
    {GROUP_SEMI_SYNC, 1, {"degrade", "write_none", "on_death_a", "done"}},
    {GROUP_SEMI_SYNC, 1, {"write_c", "on_begin_a", "timeout", "done"}},
    {GROUP_ASYNC, 1, {"write_none", "on_death_a", "done"}},
};

static void from_every_beginning(uint32_t deepest)
{
    for (uint32_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct model m;

        begin(&m, beginnings[i].mode, beginnings[i].min_in_sync);
        for (uint32_t e = 0; beginnings[i].events[e]; e++)
            happen(&m, named(beginnings[i].events[e]));
        explore(&m, 0, deepest);
    }
}

static void nothing_breaks_three_events_deep(void **state)
{
    (void)state;
    from_every_beginning(3);
    assert_true(explored > 500000);
}

/* ---- walks, and what has to follow when all is well ---- */

static bool hopeful(const struct model *m)
{
    const struct life_set *in_sync = &m->view.body.in_sync;
    struct life primary = group_primary(&m->view.body);
    struct group_body body;

    for (uint32_t i = 0; i < in_sync->count; i++)
        if (!life_equal(in_sync->lives[i], life_of(m, in_sync->lives[i].member - 1)) &&
            in_sync->lives[i].member != primary.member)
            return false;
    /* All that are in sync are there; and if the primary's run is over, others are known to have all. */
    body_isolated(&m->view, &body);
    if (primary.member && !life_equal(primary, life_of(m, primary.member - 1)))
        in_sync = &body.in_sync;
    return in_sync->count > 0;
}

/* Whoever runs as it did is there again, says what is, and does what the document says. */
static void all_is_well(struct model *m)
{
    m->view.paused = false;
    m->view.able = true;
    for (uint32_t i = 0; i < MEMBERS; i++)
        m->real[i].up = true;
}

static void behave(struct model *m)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (m->view.body.primary)
            copy(m, i);
        else
            promise(m, i);
        report(m, i);
    }
    if (m->view.body.primary)
        promote(m);
    if (m->view.body.target)
        hand_over(m);
    for (uint32_t i = 0; i < MEMBERS; i++)
        if (m->view.body.serving && m->view.body.mode == GROUP_SEMI_SYNC)
            join(m, i);
    step(m);
    done(m);
    step(m);
    pass_ms(m, 100);
}

static void has_a_primary_within_the_time(struct model *m)
{
    bool hope;

    all_is_well(m);
    hope = hopeful(m);
    for (int i = 0; i < 450; i++)
        behave(m);
    if (hope)
        CLAIM(m, m->view.body.primary && m->view.body.serving);
}

static void walk(uint64_t seed, uint32_t length)
{
    struct rng rng;
    struct model m;
    const struct group_body *body = &m.view.body;

    rng_seed(&rng, seed);
    begin(&m, (enum group_mode)(seed % GROUP_MODES), (uint8_t)(1 + seed / 3 % 2));
    for (uint32_t i = 0; i < length; i++) {
        /* What leads on comes more often than what disturbs. */
        uint32_t bound = rng_below(&rng, 3) ? 18 : EVENTS;

        happen(&m, &events[rng_below(&rng, bound)]);
        CLAIM(&m, !body->primary || life_set_find(&body->in_sync, body->primary) >= 0);
    }
    has_a_primary_within_the_time(&m);
}

static void walks_end_with_a_primary(void **state)
{
    const char *wanted = getenv("WALKS"); /* more of them, by hand */
    uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : 20000;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        walk(seed, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_breaks_three_events_deep),
        cmocka_unit_test(walks_end_with_a_primary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
