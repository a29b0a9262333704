/*
 * A replica and the world around it, told as a story: what happens, and what it does about it, with the milliseconds. The engine is a status that tests change
 * and orders change as they say; it answers STATUS at once unless it is mute, and all else when the test says so.
 */
#pragma once

#include "base/must.h"
#include "replication/replica_state.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { SELF = 1, RUN = 7 };

struct story {
    struct replica replica;
    int64_t now_ms;
    bool mute;       /* the engine answers no STATUS */
    bool unanswered; /* it was asked for one, and still is */
    bool silent;     /* it answers no probe */
    bool unprobed;   /* it was probed, and has not answered */
    struct engine_status engine;
    struct engine_order order; /* under way, other than STATUS */
    bool ordered;
    uint64_t epoch, version;
    struct group_body body; /* as the document has it */
    struct life_set lives;
    struct replica_action proposal; /* the last one */
    struct group_report report;
    char story[16384];
};

static struct story s;

static inline struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void say(const char *format, ...) PRINTF(1, 2);

static void say(const char *format, ...)
{
    size_t len = strlen(s.story);
    va_list args;

    va_start(args, format);
    vsnprintf(s.story + len, sizeof s.story - len, format, args);
    va_end(args);
}

static inline void say_set(const char *word, const struct life_set *set)
{
    say("%s{", word);
    for (uint32_t i = 0; i < set->count; i++)
        say(i == 0 ? "%u" : " %u", set->lives[i].member);
    say("}");
}

static inline void say_order(const struct engine_order *order)
{
    say(" %s", engine_verb_name(order->verb));
    if (order->primary)
        say(" %u", order->primary);
    if (order->target)
        say(" to %u", order->target);
    if (order->verb == ENGINE_PROMOTE) {
        say(" %s", group_mode_name(order->needs.mode));
        if (order->needs.acks)
            say(" %u of", order->needs.acks);
        if (order->needs.members.count)
            say_set(" ", &order->needs.members);
    }
    say(" in %u;", (unsigned)order->epoch);
}

static inline void say_proposal(const struct replica_action *action)
{
    const struct group_body *body = &action->body;

    say(" propose primary %u", body->primary);
    if (body->target)
        say(" target %u", body->target);
    say_set(" in sync ", &body->in_sync);
    if (body->eligible.count)
        say_set(" eligible ", &body->eligible);
    say("%s%s%s: %s;", body->serving ? " serving" : "", body->degraded ? " degraded" : "",
        action->kept ? " kept" : "", action->sentence);
    must(action->yields == !life_equal(group_primary(body), group_primary(&s.body)));
}

static const char *const fact_names[] = {
    "engine died", "engine stuck", "engine back", "given up", "fenced",       "diverged",
    "copied",      "degraded",     "healed",      "joined",   "left the set",
};

static inline void say_fence(struct instant until)
{
    if (until.ns == INT64_MAX)
        say(" fence never;");
    else
        say(" fence %d;", (int)(until.ns / NS_PER_MS));
}

static inline void say_action(const struct replica_action *action)
{
    switch (action->kind) {
    case REPLICA_ASK:
        say_order(&action->order);
        break;
    case REPLICA_CANCEL:
        say(" cancel;");
        break;
    case REPLICA_START:
        say(" start;");
        break;
    case REPLICA_KILL:
        say(" kill;");
        break;
    case REPLICA_FENCE:
        say_fence(action->until);
        break;
    case REPLICA_PROBE:
        say(" probe;");
        break;
    case REPLICA_VERIFY:
        say(" verify;");
        break;
    case REPLICA_PROPOSE:
        say_proposal(action);
        break;
    case REPLICA_REPORT:
        break;
    case REPLICA_TELL:
        say(" (%s%s%s);", fact_names[action->fact], action->sentence[0] ? ": " : "",
            action->sentence);
        break;
    }
}

/* STATUS, PROBE and REPORT go without saying. */
static inline bool worth_saying(const struct replica_action *action)
{
    return action->kind != REPLICA_REPORT && action->kind != REPLICA_PROBE &&
           (action->kind != REPLICA_ASK || action->order.verb != ENGINE_STATUS);
}

static inline bool take_action(const struct replica_action *action)
{
    if (action->kind == REPLICA_PROPOSE)
        s.proposal = *action;
    if (action->kind == REPLICA_PROBE)
        s.unprobed = true;
    if (action->kind != REPLICA_ASK)
        return false;
    if (action->order.verb == ENGINE_STATUS)
        return s.unanswered = true;
    s.order = action->order;
    s.ordered = true;
    return false;
}

static inline void happens(const char *what, const struct replica_event *event)
{
    struct replica_actions actions;
    bool said = false;

    replica_step(&s.replica, event, at_ms(s.now_ms), &actions);
    for (uint32_t i = 0; i < actions.count; i++) {
        if (worth_saying(&actions.actions[i])) {
            if (!said)
                say("[%5d] %s ->", (int)s.now_ms, what);
            said = true;
            say_action(&actions.actions[i]);
        }
        (void)take_action(&actions.actions[i]);
    }
    if (said)
        say("\n");
    replica_report(&s.replica, &s.report);
    assert_true(replica_next_deadline(&s.replica).ns > at_ms(s.now_ms).ns);
}

static inline void give_answer(const char *what, const struct engine_order *order,
                               enum engine_outcome outcome, const char *sentence)
{
    struct engine_answer answer = {
        .verb = order->verb, .epoch = order->epoch, .outcome = outcome, .status = s.engine};
    struct replica_event event = {.kind = REPLICA_ANSWERED, .answer = &answer};

    snprintf(answer.sentence, sizeof answer.sentence, "%s", sentence);
    happens(what, &event);
}

static inline void answer_status(void)
{
    const struct engine_order order = {.verb = ENGINE_STATUS};

    while (s.unanswered && !s.mute) {
        s.unanswered = false;
        give_answer("status", &order, ENGINE_DONE, "");
    }
}

static inline void answer_probe(void)
{
    const struct replica_event event = {.kind = REPLICA_PROBED, .answered = true};

    if (!s.unprobed || s.silent)
        return;
    s.unprobed = false;
    happens("probed", &event);
}

static inline void event(const char *what, struct replica_event event)
{
    happens(what, &event);
    answer_status();
    answer_probe();
}

/* What an order that is done does to an engine. */
static inline void obey(const struct engine_order *order)
{
    s.engine.epoch = order->epoch;
    if (order->verb == ENGINE_PROMISE)
        s.engine.promised = order->epoch;
    if (order->verb == ENGINE_PROMOTE) {
        s.engine.role = ENGINE_PRIMARY;
        s.engine.writable = true;
        s.engine.position.epoch = order->epoch;
    }
    if (order->verb == ENGINE_DEMOTE)
        s.engine.writable = false;
    s.engine.linked = order->verb == ENGINE_FOLLOW;
    s.engine.primary = order->verb == ENGINE_FOLLOW ? order->primary : 0;
    if (order->verb == ENGINE_FOLLOW)
        s.engine.role = ENGINE_SECONDARY;
}

static inline void answers(enum engine_outcome outcome, const char *sentence)
{
    struct engine_order order = s.order;

    assert_true(s.ordered);
    s.ordered = false;
    if (outcome == ENGINE_DONE)
        obey(&order);
    give_answer(engine_outcome_name(outcome), &order, outcome, sentence);
    answer_status();
    answer_probe();
}

static inline void done(void)
{
    answers(ENGINE_DONE, "");
}

/* A status that had no answer fails now. */
static inline void status_breaks(void)
{
    const struct engine_order order = {.verb = ENGINE_STATUS};

    assert_true(s.unanswered);
    s.unanswered = false;
    give_answer("no status", &order, ENGINE_BROKEN, "no answer");
    answer_status();
}

/* INT64_MAX: it waits for others alone. */
static inline int64_t next_ms(void)
{
    struct instant next = replica_next_deadline(&s.replica);

    return next.ns == NEVER.ns ? INT64_MAX : (next.ns + NS_PER_MS - 1) / NS_PER_MS;
}

static inline void passes(int64_t ms)
{
    int64_t until = s.now_ms + ms;
    int64_t next = next_ms();

    while (next <= until) {
        s.now_ms = next;
        event("time", (struct replica_event){.kind = REPLICA_TICK});
        next = next_ms();
    }
    s.now_ms = until;
}

/* The document, as `s` has it, was applied in a new version. */
static inline void document(void)
{
    s.version++;
    event("document", (struct replica_event){.kind = REPLICA_DOCUMENT,
                                             .epoch = s.epoch,
                                             .version = s.version,
                                             .body = &s.body,
                                             .life = {SELF, RUN},
                                             .lives = &s.lives});
}

static inline void lease(int64_t until_ms)
{
    event("lease", (struct replica_event){
                       .kind = REPLICA_LEASE, .epoch = s.epoch, .until = at_ms(until_ms)});
}

static inline void process(bool running)
{
    if (!running)
        s.engine = (struct engine_status){
            .state = ENGINE_RUNNING, .promised = s.engine.promised, .position = s.engine.position};
    event(running ? "runs" : "ended", (struct replica_event){.kind = REPLICA_PROCESS,
                                                             .running = running,
                                                             .sentence = "killed by signal 9"});
}

static inline void probed(bool answered)
{
    event("probed", (struct replica_event){.kind = REPLICA_PROBED, .answered = answered});
}

static inline void proposed(enum proposal_outcome outcome)
{
    static const char *const names[] = {"done", "stale", "refused", "unknown"};

    event(names[outcome], (struct replica_event){.kind = REPLICA_PROPOSED, .outcome = outcome});
}

/* The document takes the last proposal on, in a new epoch when the primary's run is another. */
static inline void accepted(void)
{
    if (!life_equal(group_primary(&s.body), group_primary(&s.proposal.body)))
        s.epoch++;
    s.body = s.proposal.body;
    event("done", (struct replica_event){.kind = REPLICA_PROPOSED, .outcome = PROPOSAL_DONE});
    document();
}

static const struct replica_rules story_rules = {
    .status_ms = 200,
    .timeout_ms = 1000,
    .demote_ms = 300,
    .copy_ms = 60000,
    .stuck_ms = 1000,
    .verify_ms = 2000,
    .managed = true,
    .probed = true,
    .durable = true,
    .restart_attempts = 2,
    .restart_window_ms = 60000,
    .max_lag_bytes = 1000,
    .lag_ms = 2000,
    .degrade_ms = 1500,
};

/* Before anything is known; epoch 5 without a primary is what the document will say. */
static inline void begins(const struct replica_rules *rules)
{
    s = (struct story){.now_ms = 1000, .epoch = 5, .version = 10};
    s.lives.count = 3;
    for (uint32_t i = 0; i < 3; i++)
        s.lives.lives[i] = (struct life){i + 1, i == 0 ? RUN : 1};
    s.body = (struct group_body){
        .mode = GROUP_SEMI_SYNC, .acks = 1, .min_in_sync = 1, .in_sync = s.lives};
    s.engine = (struct engine_status){.state = ENGINE_RUNNING, .position = {4, 1000}};
    replica_init(&s.replica, rules);
}

static inline void forget_the_story(void)
{
    s.story[0] = 0;
}

static inline enum replica_state state_now(void)
{
    return replica_state_of(&s.replica);
}

/* In epoch 5 without a primary, promised. */
static inline void freezes(const struct replica_rules *rules)
{
    begins(rules);
    process(true);
    document();
    done();
    assert_int_equal(state_now(), REPLICA_FROZEN);
    forget_the_story();
}

/* Both secondaries follow, and have everything. */
static inline void attach(uint32_t member, uint64_t offset)
{
    struct engine_follower *follower = &s.engine.followers[s.engine.follower_count];

    for (uint32_t i = 0; i < s.engine.follower_count; i++)
        if (s.engine.followers[i].member == member)
            follower = &s.engine.followers[i];
    if (follower == &s.engine.followers[s.engine.follower_count])
        s.engine.follower_count++;
    *follower = (struct engine_follower){member, true, {s.engine.position.epoch, offset}};
}

static inline void detach(uint32_t member)
{
    for (uint32_t i = 0; i < s.engine.follower_count; i++)
        if (s.engine.followers[i].member == member)
            s.engine.followers[i].attached = false;
}

/* It serves as the primary of epoch 6. */
static inline void serves_until(const struct replica_rules *rules, int64_t until_ms)
{
    freezes(rules);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(until_ms);
    s.engine.position.epoch = 6;
    attach(2, 1000);
    attach(3, 1000);
    done();
    if (rules->probed)
        probed(true);
    accepted();
    assert_int_equal(state_now(), REPLICA_SERVING);
    passes(400);
    forget_the_story();
}

static inline void serves(const struct replica_rules *rules)
{
    serves_until(rules, 60000);
}
