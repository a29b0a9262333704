/*
 * A replica in a world that does whatever it may: the cluster's document and its copy of it, proposals that are lost, late or come true twice asked, leases, an
 * engine that obeys and does not say so, a supervisor that keeps the fence. What must never be is asserted after every step.
 */
#pragma once

#include "base/must.h"
#include "replication/replica_state.h"
#include "unit.h"

#include <string.h>

enum { WORLD_SELF = 1, WORLD_RUN = 7, WORLD_LEASE_MS = 2000, TRIES = 4 };

enum world_event {
    W_TIME,
    W_ANSWER_DONE,
    W_ANSWER_REFUSED,
    W_ANSWER_LOST,   /* it was done, and that is not known */
    W_ANSWER_BROKEN, /* it was not done */
    W_ANSWER_OTHER,  /* diverged; behind */
    W_STATUS,
    W_STATUS_BROKEN,
    W_GRANT,
    W_DROP,
    W_SEE,
    W_COMES_TRUE, /* the oldest try that still can */
    W_SAID_DONE,
    W_SAID_UNKNOWN,
    W_SAID_STALE,
    W_SAID_REFUSED,
    W_TAKEN,
    W_NAMED,
    W_OTHER_NAMED,
    W_TARGET,
    W_ENDS,
    W_RUNS,
    W_PROBE_GOOD,
    W_PROBE_BAD,
    W_TWO_DETACHES,
    W_THREE_DETACHES,
    W_ATTACHES,
    W_WRITES,
    W_TWO_RECEIVES,
    W_THREE_RECEIVES,
    W_MODE,
    W_LEAVES,
    W_EVENTS,
};

struct world_try {
    bool live;
    uint64_t epoch, version;
    struct group_body body;
};

struct world {
    struct replica replica;
    struct instant now;
    /* The cluster's. */
    uint64_t epoch, version, epochs;
    struct group_body body;
    struct life_set lives;
    struct world_try tries[TRIES];
    uint32_t tried; /* the last one's place + 1; 0: nothing awaits an answer */
    bool came_true; /* the last one has */
    struct instant granted;
    uint64_t seen; /* version of its copy */
    /* The node's. */
    bool runs, asked_to_run, asked_to_end;
    struct instant fence;
    bool ordered, status, probing, left, may_change_mode;
    struct engine_order order;
    bool could_write;
    struct engine_needs needs[2]; /* that it has; while it is asked, both */
    uint32_t needs_count;
    uint64_t acknowledged; /* to clients, in this epoch */
    struct engine_status engine;
};

static inline struct life world_self(void)
{
    return (struct life){WORLD_SELF, WORLD_RUN};
}

static inline bool world_owner(const struct world *w)
{
    return w->body.primary == WORLD_SELF;
}

/* ---- what must never be ---- */

static inline uint64_t world_offset(const struct world *w, uint32_t member)
{
    for (uint32_t i = 0; i < w->engine.follower_count; i++)
        if (w->engine.followers[i].member == member)
            return w->engine.followers[i].position.offset;
    return 0;
}

static inline uint32_t world_holders(const struct world *w, const struct life_set *set,
                                     uint64_t offset)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < set->count; i++)
        count +=
            set->lives[i].member != WORLD_SELF && world_offset(w, set->lives[i].member) >= offset;
    return count;
}

/* How far an engine with these needs has acknowledged by now. */
static inline uint64_t world_acknowledged(const struct world *w, const struct engine_needs *needs)
{
    uint64_t own = w->engine.position.offset, best = 0;
    const struct life_set *set = &needs->members;
    uint32_t enough =
        needs->mode == GROUP_SYNC && set->count > needs->acks ? set->count : needs->acks;

    if (needs->mode == GROUP_ASYNC || enough == 0)
        return own;
    for (uint32_t i = 0; i < set->count; i++) {
        uint64_t offset = world_offset(w, set->lives[i].member);

        if (offset > best && offset <= own && world_holders(w, set, offset) >= enough)
            best = offset;
    }
    return best;
}

/* Whoever may succeed, by the document as it is, has what was acknowledged, or meets somebody who has. */
static inline void world_check_data(struct world *w)
{
    struct life_set others = w->body.in_sync;
    uint32_t holders;

    for (uint32_t i = 0; i < w->needs_count; i++) {
        uint64_t acknowledged = world_acknowledged(w, &w->needs[i]);

        if (acknowledged > w->acknowledged)
            w->acknowledged = acknowledged;
    }
    if (w->body.degraded || w->body.mode == GROUP_ASYNC)
        return;
    life_set_drop(&others, WORLD_SELF);
    holders = world_holders(w, &others, w->acknowledged);
    if (w->body.mode == GROUP_SEMI_SYNC && holders >= w->body.acks)
        return;
    must(holders == others.count);
    must(world_holders(w, &w->body.eligible, w->acknowledged) == w->body.eligible.count);
}

static inline void world_check(struct world *w)
{
    const struct replica *r = &w->replica;
    struct group_report report;

    /* Who may write is the document's primary, with a fence before or at the end of what it was granted. */
    if (w->could_write) {
        must(world_owner(w));
        must(w->fence.ns != INT64_MAX);
        must(w->fence.ns <= w->granted.ns);
        world_check_data(w);
    }
    replica_report(r, &report);
    if (report.promised == report.epoch && r->body.primary == 0 && report.epoch != 0) {
        must(w->engine.promised >= report.promised);
        must(!w->could_write);
    }
    /* It waits for something that comes by itself; or it has left, and what ended is not started again. */
    must(replica_next_deadline(r).ns != INT64_MAX || w->ordered || w->status || w->tried > 0 ||
         w->asked_to_run || w->asked_to_end || replica_left(r) ||
         (r->leaving && r->process == PROCESS_UNKNOWN));
    must(replica_next_deadline(r).ns > r->now.ns);
}

/* ---- actions ---- */

static inline void world_ask(struct world *w, const struct engine_order *order)
{
    must(!w->ordered);
    must(!w->status);
    if (order->verb == ENGINE_STATUS) {
        w->status = true;
        return;
    }
    w->order = *order;
    w->ordered = true;
    if (order->verb != ENGINE_PROMOTE) {
        must(order->verb == ENGINE_DEMOTE || !w->could_write);
        return;
    }
    must(order->epoch == w->replica.epoch);
    must(life_equal(group_primary(&w->replica.body), world_self()));
    must(w->granted.ns > w->now.ns);
    w->could_write = true;
    must(w->needs_count < 2);
    w->needs[w->needs_count++] = order->needs;
}

static inline void world_propose(struct world *w, const struct replica_action *action)
{
    uint32_t place = 0;

    must(w->tried == 0);
    if (action->body.primary != WORLD_SELF)
        must(!w->could_write);
    while (place < TRIES - 1 && w->tries[place].live)
        place++;
    w->tries[place] = (struct world_try){true, action->epoch, action->version, action->body};
    w->tried = place + 1;
    w->came_true = false;
}

static inline void world_fence(struct world *w, struct instant until)
{
    if (until.ns == INT64_MAX)
        must(!w->could_write);
    w->fence = until;
}

static inline void world_act(struct world *w, const struct replica_action *action)
{
    switch (action->kind) {
    case REPLICA_ASK:
        world_ask(w, &action->order);
        break;
    case REPLICA_CANCEL:
        must(w->ordered);
        break;
    case REPLICA_START:
        w->asked_to_run = true;
        break;
    case REPLICA_KILL:
        w->asked_to_end = true;
        break;
    case REPLICA_FENCE:
        world_fence(w, action->until);
        break;
    case REPLICA_PROBE:
    case REPLICA_VERIFY:
        must(!w->probing);
        w->probing = true;
        break;
    case REPLICA_PROPOSE:
        world_propose(w, action);
        break;
    case REPLICA_REPORT:
    case REPLICA_TELL:
        break;
    }
}

static inline void world_step(struct world *w, const struct replica_event *event)
{
    static struct replica_actions actions;

    replica_step(&w->replica, event, w->now, &actions);
    for (uint32_t i = 0; i < actions.count; i++)
        world_act(w, &actions.actions[i]);
    world_check(w);
}

/* ---- events ---- */

static inline void world_tell_process(struct world *w, bool running)
{
    struct replica_event event = {.kind = REPLICA_PROCESS, .running = running};

    w->runs = running;
    w->asked_to_run = w->asked_to_end = false;
    if (!running) {
        uint64_t promised = w->engine.promised;

        w->could_write = false;
        w->needs_count = 0;
        w->engine.promised = promised;
        w->engine.role = ENGINE_NEITHER;
        w->engine.writable = w->engine.linked = false;
        w->engine.epoch = 0;
    }
    world_step(w, &event);
}

static inline void world_obey(struct world *w)
{
    const struct engine_order *order = &w->order;

    if (!w->runs)
        return;
    w->engine.epoch = order->epoch;
    w->engine.linked = order->verb == ENGINE_FOLLOW;
    w->engine.primary = order->verb == ENGINE_FOLLOW ? order->primary : 0;
    if (order->verb == ENGINE_PROMISE && order->epoch > w->engine.promised)
        w->engine.promised = order->epoch;
    if (order->verb == ENGINE_FOLLOW)
        w->engine.role = ENGINE_SECONDARY;
    if (order->verb == ENGINE_DEMOTE) {
        w->engine.writable = w->could_write = false;
        w->needs_count = 0;
    }
    if (order->verb == ENGINE_PROMOTE) {
        w->engine.role = ENGINE_PRIMARY;
        w->engine.writable = true;
        w->engine.position.epoch = order->epoch;
        w->engine.position.offset++;
        w->needs[0] = order->needs;
        w->needs_count = 1;
    }
}

/* What an order that was not done leaves. */
static inline void world_ignore(struct world *w)
{
    if (w->order.verb == ENGINE_PROMOTE && w->needs_count > 0)
        w->needs_count--;
}

static inline void world_answer(struct world *w, enum engine_outcome outcome, bool done)
{
    struct engine_answer answer = {
        .verb = w->order.verb, .epoch = w->order.epoch, .outcome = outcome};
    struct replica_event event = {.kind = REPLICA_ANSWERED, .answer = &answer};

    if (done)
        world_obey(w);
    else
        world_ignore(w);
    w->ordered = false;
    answer.status = w->engine;
    world_step(w, &event);
}

static inline void world_answer_status(struct world *w, enum engine_outcome outcome)
{
    struct engine_answer answer = {.verb = ENGINE_STATUS, .outcome = outcome, .status = w->engine};
    struct replica_event event = {.kind = REPLICA_ANSWERED, .answer = &answer};

    w->status = false;
    world_step(w, &event);
}

static inline void world_changed(struct world *w, struct group_body body)
{
    struct life before = group_primary(&w->body);

    w->body = body;
    w->version++;
    if (!life_equal(before, group_primary(&w->body))) {
        w->epoch = ++w->epochs;
        w->acknowledged = 0;
    }
}

static inline struct world_try *world_possible(struct world *w)
{
    for (uint32_t i = 0; i < TRIES; i++)
        if (w->tries[i].live && w->tries[i].version == w->version && w->tries[i].epoch == w->epoch)
            return &w->tries[i];
    return NULL;
}

static inline void world_come_true(struct world *w, struct world_try *try)
{
    w->came_true = w->tried > 0 && try == &w->tries[w->tried - 1];
    try->live = false;
    world_changed(w, try->body);
}

static inline void world_said(struct world *w, enum proposal_outcome outcome)
{
    struct replica_event event = {.kind = REPLICA_PROPOSED, .outcome = outcome};

    if (outcome != PROPOSAL_UNKNOWN)
        w->tries[w->tried - 1].live = false;
    w->tried = 0;
    world_step(w, &event);
}

static inline void world_grant(struct world *w, struct instant until)
{
    struct replica_event event = {.kind = REPLICA_LEASE, .epoch = w->epoch, .until = until};

    if (until.ns > w->granted.ns)
        w->granted = until;
    world_step(w, &event);
}

static inline void world_see(struct world *w)
{
    struct replica_event event = {.kind = REPLICA_DOCUMENT,
                                  .epoch = w->epoch,
                                  .version = w->version,
                                  .body = &w->body,
                                  .life = world_self(),
                                  .lives = &w->lives};

    w->seen = w->version;
    world_step(w, &event);
}

static inline void world_time(struct world *w)
{
    struct replica_event event = {.kind = REPLICA_TICK};
    struct instant next = replica_next_deadline(&w->replica);

    w->now = earlier(next, w->could_write ? w->fence : NEVER);
    if (w->could_write && passed(w->fence, w->now))
        world_tell_process(w, false);
    else
        world_step(w, &event);
}

static inline void world_name(struct world *w, uint32_t member)
{
    struct group_body body = w->body;

    body.primary = member;
    body.serving = false;
    body.target = 0;
    world_changed(w, body);
}

static inline bool world_can_answer(const struct world *w, uint32_t event)
{
    enum engine_verb verb = w->order.verb;

    if (!w->ordered)
        return false;
    if (event == W_ANSWER_OTHER)
        return verb == ENGINE_FOLLOW || verb == ENGINE_REWIND;
    return event == W_ANSWER_BROKEN || w->runs;
}

static inline bool world_can(struct world *w, uint32_t event)
{
    const struct world_try *last = w->tried > 0 ? &w->tries[w->tried - 1] : NULL;
    bool current = last && last->version == w->version && last->epoch == w->epoch;

    switch ((enum world_event)event) {
    case W_TIME:
        return replica_next_deadline(&w->replica).ns != INT64_MAX;
    case W_ANSWER_DONE:
    case W_ANSWER_REFUSED:
    case W_ANSWER_LOST:
    case W_ANSWER_BROKEN:
    case W_ANSWER_OTHER:
        return world_can_answer(w, event);
    case W_STATUS:
        return w->status && w->runs;
    case W_STATUS_BROKEN:
        return w->status;
    case W_GRANT:
        return w->seen == w->version && life_equal(group_primary(&w->body), world_self());
    case W_DROP:
        return w->replica.lease.ns != 0;
    case W_SEE:
        return w->seen != w->version;
    case W_COMES_TRUE:
        return world_possible(w) != NULL;
    case W_SAID_DONE:
        return last && w->came_true;
    case W_SAID_UNKNOWN:
        return last != NULL;
    case W_SAID_STALE:
        return last && !current && !w->came_true;
    case W_SAID_REFUSED:
        return last && current && !w->came_true;
    case W_TAKEN:
        return w->body.primary != 0 && (!world_owner(w) || passed(w->granted, w->now));
    case W_NAMED:
        return w->body.primary == 0 && life_set_has(&w->body.in_sync, world_self());
    case W_OTHER_NAMED:
        return w->body.primary == 0 && life_set_find(&w->body.in_sync, 2) >= 0;
    case W_TARGET:
        return world_owner(w) && w->body.serving && w->body.target == 0 &&
               life_set_find(&w->body.in_sync, 2) >= 0;
    case W_ENDS:
        return w->runs || w->asked_to_run;
    case W_RUNS:
        return !w->runs && w->asked_to_run;
    case W_PROBE_GOOD:
    case W_PROBE_BAD:
        return w->probing;
    case W_TWO_DETACHES:
    case W_THREE_DETACHES:
        return w->engine.follower_count == 2 &&
               w->engine.followers[event - W_TWO_DETACHES].attached;
    case W_ATTACHES:
    case W_WRITES:
        return w->engine.role == ENGINE_PRIMARY && w->could_write;
    case W_TWO_RECEIVES:
    case W_THREE_RECEIVES:
        return w->could_write && w->engine.follower_count == 2 &&
               w->engine.followers[event - W_TWO_RECEIVES].attached;
    case W_MODE:
        return w->may_change_mode;
    case W_LEAVES:
        return !w->left;
    case W_EVENTS:
        break;
    }
    return false;
}

static inline void world_attach(struct world *w)
{
    w->engine.follower_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        w->engine.followers[i].member = i + 2;
        w->engine.followers[i].attached = true;
    }
}

/* The file has another mode. A stricter one begins degraded: the primary says when it is kept. */
static inline void world_change_mode(struct world *w)
{
    struct group_body body = w->body;

    body.mode = (uint8_t)((body.mode + 1) % GROUP_MODES);
    body.degraded = body.degraded || body.mode == GROUP_SYNC;
    world_changed(w, body);
}

static inline void world_do_data(struct world *w, enum world_event event)
{
    if (event == W_ATTACHES)
        world_attach(w);
    else if (event == W_WRITES)
        w->engine.position.offset++;
    else if (event == W_MODE)
        world_change_mode(w);
    else if (event == W_TWO_DETACHES || event == W_THREE_DETACHES)
        w->engine.followers[event - W_TWO_DETACHES].attached = false;
    else
        w->engine.followers[event - W_TWO_RECEIVES].position = w->engine.position;
    world_check(w);
}

static inline void world_probed(struct world *w, bool answered)
{
    struct replica_event event = {.kind = REPLICA_PROBED, .answered = answered};

    w->probing = false;
    world_step(w, &event);
}

static inline void world_leave(struct world *w)
{
    struct replica_event event = {.kind = REPLICA_LEAVE};

    w->left = true;
    world_step(w, &event);
}

static inline void world_do_answer(struct world *w, enum world_event event)
{
    if (event == W_ANSWER_DONE)
        world_answer(w, ENGINE_DONE, true);
    else if (event == W_ANSWER_REFUSED)
        world_answer(w, w->order.verb == ENGINE_DEMOTE ? ENGINE_BROKEN : ENGINE_REFUSED, false);
    else if (event == W_ANSWER_OTHER)
        world_answer(w, w->order.verb == ENGINE_FOLLOW ? ENGINE_DIVERGED : ENGINE_BEHIND, false);
    else
        world_answer(w, ENGINE_BROKEN, event == W_ANSWER_LOST);
}

static inline void world_do_document(struct world *w, enum world_event event)
{
    struct group_body body = w->body;

    if (event == W_COMES_TRUE) {
        world_come_true(w, world_possible(w));
    } else if (event == W_TARGET) {
        body.target = 2;
        world_changed(w, body);
    } else {
        world_name(w, event == W_TAKEN ? 0 : event == W_NAMED ? WORLD_SELF : 2);
    }
    world_check(w);
}

static inline void world_do(struct world *w, uint32_t event)
{
    switch ((enum world_event)event) {
    case W_TIME:
        world_time(w);
        break;
    case W_ANSWER_DONE:
    case W_ANSWER_REFUSED:
    case W_ANSWER_LOST:
    case W_ANSWER_BROKEN:
    case W_ANSWER_OTHER:
        world_do_answer(w, event);
        break;
    case W_STATUS:
    case W_STATUS_BROKEN:
        world_answer_status(w, event == W_STATUS ? ENGINE_DONE : ENGINE_BROKEN);
        break;
    case W_GRANT:
        world_grant(w, after_ms(w->now, WORLD_LEASE_MS));
        break;
    case W_DROP:
        world_grant(w, (struct instant){0});
        break;
    case W_SEE:
        world_see(w);
        break;
    case W_SAID_DONE:
    case W_SAID_STALE:
    case W_SAID_REFUSED:
    case W_SAID_UNKNOWN:
        world_said(w, event == W_SAID_DONE      ? PROPOSAL_DONE
                      : event == W_SAID_STALE   ? PROPOSAL_STALE
                      : event == W_SAID_REFUSED ? PROPOSAL_REFUSED
                                                : PROPOSAL_UNKNOWN);
        break;
    case W_COMES_TRUE:
    case W_TAKEN:
    case W_NAMED:
    case W_OTHER_NAMED:
    case W_TARGET:
        world_do_document(w, event);
        break;
    case W_ENDS:
    case W_RUNS:
        world_tell_process(w, event == W_RUNS);
        break;
    case W_PROBE_GOOD:
    case W_PROBE_BAD:
        world_probed(w, event == W_PROBE_GOOD);
        break;
    case W_TWO_DETACHES:
    case W_THREE_DETACHES:
    case W_ATTACHES:
    case W_WRITES:
    case W_TWO_RECEIVES:
    case W_THREE_RECEIVES:
    case W_MODE:
        world_do_data(w, event);
        break;
    case W_LEAVES:
        world_leave(w);
        break;
    case W_EVENTS:
        break;
    }
}

static const char *const world_names[W_EVENTS] = {"time passes",
                                                  "answer: done",
                                                  "answer: refused",
                                                  "answer lost, done",
                                                  "answer lost, not done",
                                                  "diverged or behind",
                                                  "status",
                                                  "no status",
                                                  "lease granted",
                                                  "lease dropped",
                                                  "sees the document",
                                                  "a proposal comes true",
                                                  "said: done",
                                                  "said: unknown",
                                                  "said: stale",
                                                  "said: refused",
                                                  "taken away",
                                                  "named",
                                                  "another named",
                                                  "target set",
                                                  "process ends",
                                                  "process runs",
                                                  "probe answered",
                                                  "probe not answered",
                                                  "2 detaches",
                                                  "3 detaches",
                                                  "both attach",
                                                  "a write",
                                                  "2 receives",
                                                  "3 receives",
                                                  "another mode",
                                                  "its node stops"};
