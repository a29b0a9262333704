/*
 * A group of a few members and its document, to tell failover stories with. The document applies what is proposed at once, or when it is let.
 */
#pragma once

#include "failover/failover_state.h"
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { A, B, C, D, NAMES = 4, STORY_MAX = 16384 };

struct world {
    struct failover f;
    struct failover_view view;
    struct instant now;
    bool held; /* the lease of the primary still runs: nothing takes it away */
    bool out;
    struct failover_action proposal;
    uint64_t epochs, versions;
    char story[STORY_MAX];
    size_t len;
    struct failover_actions actions; /* of the last step */
    uint32_t answers;
    bool done;
    char answer[GROUP_SENTENCE_MAX];
    uint32_t records;
    struct failover_record record;
};

static inline void world_say(struct world *w, const char *format, ...) PRINTF(2, 3);
static inline void world_say(struct world *w, const char *format, ...)
{
    va_list arguments;
    int len;

    len = snprintf(w->story + w->len, STORY_MAX - w->len, "[%5lld] ",
                   (long long)(w->now.ns / NS_PER_MS));
    w->len += (size_t)len;
    va_start(arguments, format);
    len = vsnprintf(w->story + w->len, STORY_MAX - w->len, format, arguments);
    va_end(arguments);
    w->len += (size_t)len;
    assert_true(w->len + 2 < STORY_MAX);
    w->story[w->len++] = '\n';
    w->story[w->len] = '\0';
}

static inline struct failover_rules world_rules(void)
{
    return (struct failover_rules){.heartbeat_ms = 100,
                                   .timeout_ms = 10000,
                                   .lease_ms = 1000,
                                   .promise_ms = 500,
                                   .flaps = 3,
                                   .flap_window_ms = 600000,
                                   .max_lag_bytes = 1000};
}

static inline struct group_body world_wanted(enum group_mode mode, uint8_t acks)
{
    return (struct group_body){.mode = (uint8_t)mode, .acks = acks, .min_in_sync = 1};
}

static inline void world_init_with(struct world *w, const struct failover_rules *rules,
                                   struct group_body wanted, uint32_t count)
{
    *w = (struct world){.now = {1000 * NS_PER_MS}};
    w->view = (struct failover_view){.count = count, .able = true, .wanted = wanted};
    for (uint32_t i = 0; i < count; i++) {
        struct failover_member *m = &w->view.members[i];

        *m = (struct failover_member){.name = {(char)('a' + i)},
                                      .life = {i + 1, 1},
                                      .health = FAILOVER_ALIVE,
                                      .priority = 100,
                                      .zone = i + 1,
                                      .heard = true,
                                      .heard_at = w->now};
        m->report = (struct group_report){.life = m->life, .state = ENGINE_RUNNING};
    }
    failover_init(&w->f, rules);
}

static inline void world_init(struct world *w, enum group_mode mode, uint8_t acks, uint32_t count)
{
    struct failover_rules rules = world_rules();

    world_init_with(w, &rules, world_wanted(mode, acks), count);
}

static inline struct failover_member *member(struct world *w, uint32_t place)
{
    return &w->view.members[place];
}

static inline const char *set_text(const struct life_set *set, char *text)
{
    text[0] = '\0';
    for (uint32_t i = 0; i < set->count; i++)
        sprintf(text + strlen(text), "%c", (char)('a' + set->lives[i].member - 1));
    return text;
}

static inline const char *body_text(const struct group_body *body, char *text)
{
    char in_sync[32], eligible[32];

    sprintf(text, "primary %c in sync %s%s%s%s%s%s%s",
            body->primary ? (char)('a' + body->primary - 1) : '0',
            set_text(&body->in_sync, in_sync), body->eligible.count ? " eligible " : "",
            set_text(&body->eligible, eligible), body->target ? " target " : "",
            body->target ? (char[]){(char)('a' + body->target - 1), 0} : "",
            body->degraded ? " degraded" : "", body->unclean ? " unclean" : "");
    return text;
}

/* As the document does it: the epoch is the holder's. */
static inline void world_apply(struct world *w, const struct failover_action *action)
{
    struct life before = w->view.exists ? group_primary(&w->view.body) : (struct life){0};
    struct life after = group_primary(&action->body);

    w->view.body = action->body;
    w->view.version = ++w->versions;
    if (!w->view.exists || !life_equal(before, after))
        w->view.epoch = ++w->epochs;
    w->view.exists = true;
}

static inline void world_tell(struct world *w, const struct failover_action *a)
{
    const struct failover_record *r = &a->record;
    char text[128];

    switch (a->kind) {
    case FAILOVER_CREATE:
        world_say(w, "create %s", body_text(&a->body, text));
        break;
    case FAILOVER_UPDATE:
        world_say(w, "update %s", body_text(&a->body, text));
        break;
    case FAILOVER_TELL:
        world_say(w, "%s: %s", code_find((uint16_t)a->code)->name, a->sentence);
        break;
    case FAILOVER_ANSWER:
        world_say(w, "answer %" PRIu64 " %s: %s", a->number, a->done ? "done" : "refused",
                  a->sentence);
        w->answers++;
        w->done = a->done;
        strcpy(w->answer, a->sentence);
        break;
    case FAILOVER_RECORD:
        world_say(w, "%s: %s", code_find((uint16_t)a->code)->name, a->sentence);
        w->records++;
        w->record = *r;
        break;
    }
}

/* One step, and what it asks for. */
static inline void step(struct world *w)
{
    failover_step(&w->f, &w->view, w->now, &w->actions);
    for (uint32_t i = 0; i < w->actions.count; i++) {
        const struct failover_action *a = &w->actions.actions[i];

        world_tell(w, a);
        if (a->kind == FAILOVER_CREATE || a->kind == FAILOVER_UPDATE) {
            assert_false(w->out);
            w->out = true;
            w->proposal = *a;
        }
    }
}

static inline bool takes_away(const struct world *w)
{
    return w->view.exists && w->view.body.primary && w->proposal.body.primary == 0;
}

/* What is out is done or found stale, unless it has to wait for a lease. */
static inline bool decide_proposal(struct world *w)
{
    bool good = !w->view.exists ? w->proposal.kind == FAILOVER_CREATE
                                : w->proposal.version == w->view.version;

    if (!w->out || (good && w->held && takes_away(w)))
        return false;
    w->out = false;
    if (good)
        world_apply(w, &w->proposal);
    failover_proposed(&w->f, good, w->now);
    return true;
}

/* Until nothing more happens now. */
static inline void run(struct world *w)
{
    step(w);
    for (int i = 0; i < 20 && decide_proposal(w); i++)
        step(w);
}

/* Members that are alive report at every heartbeat. */
static inline void beat(struct world *w)
{
    for (uint32_t i = 0; i < w->view.count; i++)
        if (w->view.members[i].health == FAILOVER_ALIVE)
            w->view.members[i].heard_at = w->now;
}

static inline void wait_ms(struct world *w, int64_t ms)
{
    struct instant end = after_ms(w->now, ms);

    while (!passed(end, w->now)) {
        w->now = earlier(end, after_ms(w->now, 100));
        beat(w);
        run(w);
    }
}

/* ---- what members do ---- */

static inline void says(struct world *w, uint32_t place, enum engine_state state)
{
    member(w, place)->report.state = (uint8_t)state;
    member(w, place)->report.epoch = w->view.epoch;
    member(w, place)->report.version = w->view.version;
}

static inline void promises(struct world *w, uint32_t place, uint64_t offset)
{
    struct group_report *r = &member(w, place)->report;

    r->epoch = r->promised = w->view.epoch;
    r->role = ENGINE_NEITHER;
    r->linked = false;
    r->position = (struct position){r->position.epoch, offset};
}

static inline void dies(struct world *w, uint32_t place)
{
    member(w, place)->health = FAILOVER_DEAD;
}

/* The primary, or its agent, says so in the document. */
static inline void steps_down(struct world *w)
{
    struct failover_action action = {.body = w->view.body};

    action.body.primary = action.body.target = 0;
    action.body.serving = false;
    world_apply(w, &action);
}

static inline void serves(struct world *w)
{
    struct failover_action action = {.body = w->view.body};
    uint32_t primary = w->view.body.primary - 1;

    assert_true(w->view.body.primary != 0);
    member(w, primary)->report.epoch = w->view.epoch;
    member(w, primary)->report.role = ENGINE_PRIMARY;
    action.body.serving = true;
    world_apply(w, &action);
}

/* All others follow the primary, and are in sync, at `offset`. */
static inline void follows_all(struct world *w, uint64_t offset)
{
    struct failover_action action = {.body = w->view.body};

    for (uint32_t i = 0; i < w->view.count; i++) {
        struct failover_member *m = member(w, i);

        if (m->health != FAILOVER_ALIVE)
            continue;
        m->report.epoch = w->view.epoch;
        m->report.position = (struct position){w->view.epoch, offset};
        m->report.linked = m->life.member != w->view.body.primary;
        m->report.role = m->report.linked ? ENGINE_SECONDARY : ENGINE_PRIMARY;
        life_set_put(&action.body.in_sync, m->life);
        life_set_drop(&action.body.eligible, m->life.member);
    }
    world_apply(w, &action);
}

/* `a` is primary and serves, all are in sync at `offset`. */
static inline void world_serving(struct world *w, uint64_t offset)
{
    run(w);
    assert_int_equal(w->view.body.primary, A + 1);
    serves(w);
    run(w);
    follows_all(w, offset);
    run(w);
    wait_ms(w, 1000);
    assert_int_equal(failover_phase_of(&w->f), FAILOVER_WATCHING);
    w->len = 0;
    w->story[0] = '\0';
    w->records = 0;
}

static inline void world_serves(struct world *w, enum group_mode mode, uint8_t acks, uint32_t count,
                                uint64_t offset)
{
    world_init(w, mode, acks, count);
    world_serving(w, offset);
}

static inline struct failover_order order_of(enum failover_order_kind kind, uint32_t to,
                                             bool accept_loss)
{
    return (struct failover_order){.number = 1, .kind = kind, .to = to, .accept_loss = accept_loss};
}
