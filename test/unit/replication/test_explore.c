/*
 * Every event that may come, some steps deep, from the beginnings that matter; and long walks at random. What is asserted stands in world.h. A claim that fails
 * prints the way to it.
 */
#include "world.h"

#include "base/rng.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 16, WALK = 400, WAY_MAX = 1024 };

static const struct replica_rules rules = {
    .status_ms = 200,
    .timeout_ms = 700,
    .demote_ms = 300,
    .copy_ms = 60000,
    .stuck_ms = 900,
    .verify_ms = 1100,
    .managed = true,
    .probed = true,
    .durable = true,
    .restart_attempts = 2,
    .restart_window_ms = 5000,
    .max_lag_bytes = 1000,
    .lag_ms = 1300,
    .degrade_ms = 800,
};

static uint32_t way[WAY_MAX], ways;
static enum replica_state states[WAY_MAX]; /* before each */
static const struct world *last;
static uint64_t steps;
static bool taken[REPLICA_STATES][REPLICA_STATES];

/* Runs inside abort, which `must` has called: nothing is interrupted. NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c) */
static void say_set(const char *word, const struct life_set *set)
{
    fprintf(stderr, " %s {", word);
    for (uint32_t i = 0; i < set->count; i++)
        fprintf(stderr, " %u", set->lives[i].member);
    fprintf(stderr, " }");
}

static void say_world(const struct world *w)
{
    fprintf(stderr, "%s%s, min %u:", group_mode_name(w->body.mode),
            w->body.degraded ? " degraded" : "", w->body.min_in_sync);
    say_set("in sync", &w->body.in_sync);
    say_set("eligible", &w->body.eligible);
    for (uint32_t i = 0; i < w->needs_count; i++) {
        fprintf(stderr, "; needs %s %u of", group_mode_name(w->needs[i].mode), w->needs[i].acks);
        say_set("", &w->needs[i].members);
    }
    fprintf(stderr, "; at %llu, acknowledged %llu, 2 at %llu, 3 at %llu\n",
            (unsigned long long)w->engine.position.offset, (unsigned long long)w->acknowledged,
            (unsigned long long)world_offset(w, 2), (unsigned long long)world_offset(w, 3));
}

static void say_way(int number)
{
    (void)number;
    if (last)
        say_world(last);
    fprintf(stderr, "after %llu steps:\n", (unsigned long long)steps);
    for (uint32_t i = 0; i < ways; i++)
        fprintf(stderr, "  %s: %s\n", replica_state_name(states[i]), world_names[way[i]]);
}
/* NOLINTEND(bugprone-signal-handler,cert-sig30-c) */

static void go(struct world *w, uint32_t event)
{
    enum replica_state before = replica_state_of(&w->replica);

    must(ways < WAY_MAX);
    states[ways] = before;
    way[ways++] = event;
    steps++;
    last = w;
    world_do(w, event);
    taken[before][replica_state_of(&w->replica)] = true;
}

static void follow_way(struct world *w, const uint32_t *events, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        must(world_can(w, events[i]));
        go(w, events[i]);
    }
}

#define GOES(w, ...)                                                                               \
    follow_way(w, (const uint32_t[]){__VA_ARGS__}, ARRAY_LEN(((const uint32_t[]){__VA_ARGS__})))

/* ---- beginnings ---- */

static void begin(struct world *w, enum group_mode mode, uint8_t min_in_sync)
{
    ways = 0;
    *w = (struct world){.now = {NS_PER_S}, .epoch = 5, .epochs = 5, .version = 1};
    w->lives.count = 3;
    for (uint32_t i = 0; i < 3; i++)
        w->lives.lives[i] = (struct life){i + 1, i == 0 ? WORLD_RUN : 1};
    w->body = (struct group_body){
        .mode = (uint8_t)mode, .acks = 1, .min_in_sync = min_in_sync, .in_sync = w->lives};
    w->engine = (struct engine_status){.state = ENGINE_RUNNING, .position = {4, 1000}};
    w->engine.follower_count = 2;
    for (uint32_t i = 0; i < 2; i++)
        w->engine.followers[i] = (struct engine_follower){i + 2, false, w->engine.position};
    w->fence = NEVER;
    replica_init(&w->replica, &rules);
}

static void begin_new(struct world *w)
{
    begin(w, GROUP_SEMI_SYNC, 1);
}

static void begin_running(struct world *w, enum group_mode mode, uint8_t min_in_sync)
{
    begin(w, mode, min_in_sync);
    world_tell_process(w, true);
    GOES(w, W_STATUS, W_SEE);
}

static void begin_frozen(struct world *w)
{
    begin_running(w, GROUP_SEMI_SYNC, 1);
    GOES(w, W_ANSWER_DONE);
}

static void begin_serving(struct world *w, enum group_mode mode, uint8_t min_in_sync)
{
    begin_running(w, mode, min_in_sync);
    GOES(w, W_ANSWER_DONE, W_NAMED, W_SEE, W_GRANT, W_ANSWER_DONE, W_ATTACHES, W_TWO_RECEIVES,
         W_THREE_RECEIVES, W_PROBE_GOOD, W_COMES_TRUE, W_SAID_DONE, W_SEE);
    must(replica_state_of(&w->replica) == REPLICA_SERVING);
}

static void begin_semi_sync(struct world *w)
{
    begin_serving(w, GROUP_SEMI_SYNC, 1);
}

static void begin_sync(struct world *w)
{
    begin_serving(w, GROUP_SYNC, 2);
}

static void begin_strict(struct world *w)
{
    begin_serving(w, GROUP_SYNC, 3);
}

static void begin_switching(struct world *w)
{
    begin_serving(w, GROUP_SYNC, 3);
    GOES(w, W_TARGET, W_SEE);
}

static void begin_following(struct world *w)
{
    begin_running(w, GROUP_ASYNC, 1);
    GOES(w, W_ANSWER_DONE, W_OTHER_NAMED, W_SEE, W_ANSWER_DONE);
}

/* The agent of a primary began again, under the fence that the one before left. */
static void begin_again(struct world *w)
{
    begin(w, GROUP_SEMI_SYNC, 1);
    w->body.primary = WORLD_SELF;
    w->body.in_sync.lives[0].incarnation = WORLD_RUN - 1;
    w->body.serving = true;
    w->engine.role = ENGINE_PRIMARY;
    w->engine.writable = w->could_write = true;
    w->engine.epoch = w->epoch;
    w->needs[0] =
        (struct engine_needs){.mode = GROUP_SEMI_SYNC, .acks = 1, .members = {2, {{2, 1}, {3, 1}}}};
    w->needs_count = 1;
    w->fence = w->granted = after_ms(w->now, 900);
    world_attach(w);
    world_tell_process(w, true);
}

static void (*const beginnings[])(struct world *) = {begin_new,  begin_frozen,    begin_semi_sync,
                                                     begin_sync, begin_switching, begin_following,
                                                     begin_again};

/* ---- every way ---- */

static struct world levels[DEPTH_MAX + 1];

static void explore(void (*beginning)(struct world *), uint32_t depth)
{
    uint32_t next[DEPTH_MAX + 1] = {0}, deep = 0, first;

    beginning(&levels[0]);
    first = ways;
    for (;;) {
        uint32_t event = next[deep]++;

        if (event == W_EVENTS) {
            if (deep == 0)
                return;
            deep--;
            continue;
        }
        ways = first + deep;
        if (deep == depth || !world_can(&levels[deep], event))
            continue;
        levels[deep + 1] = levels[deep];
        go(&levels[deep + 1], event);
        deep++;
        next[deep] = 0;
    }
}

static uint32_t from_environment(const char *name, uint32_t normal)
{
    const char *text = getenv(name);

    return text ? (uint32_t)strtoul(text, NULL, 10) : normal;
}

static void no_way_is_unsafe(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(beginnings); i++)
        explore(beginnings[i], from_environment("DEPTH", 5));
    assert_true(steps > 100000);
}

/* ---- long ways ---- */

static uint32_t any_event(struct world *w, struct rng *rng)
{
    uint32_t event;

    /* Most of the time all is well. */
    do
        event = rng_chance(rng, 0.3) ? W_TIME : (uint32_t)rng_below(rng, W_EVENTS);
    while (!world_can(w, event) || (event == W_LEAVES && !rng_chance(rng, 0.02)) ||
           (event == W_ENDS && !rng_chance(rng, 0.2)) ||
           ((event == W_ANSWER_BROKEN || event == W_STATUS_BROKEN || event == W_PROBE_BAD) &&
            !rng_chance(rng, 0.3)));
    return event;
}

static void no_long_way_is_unsafe(void **state)
{
    uint32_t first = from_environment("FIRST", 1), seeds = from_environment("SEEDS", 2000);

    (void)state;
    for (uint32_t seed = first; seed < first + seeds; seed++) {
        struct rng rng;

        rng_seed(&rng, seed);
        beginnings[seed % ARRAY_LEN(beginnings)](&levels[0]);
        levels[0].may_change_mode = seed % 3 == 0;
        for (uint32_t i = 0; i < WALK; i++)
            go(&levels[0], any_event(&levels[0], &rng));
    }
    assert_true(steps > 500000);
}

/* Nothing but secondaries that come, lag and go, modes that change, and proposals and orders that are lost. */
static bool about_books(uint32_t event)
{
    return (event >= W_TWO_DETACHES && event <= W_MODE) || event == W_COMES_TRUE ||
           event == W_SEE || event == W_ANSWER_DONE || event == W_ANSWER_LOST ||
           event == W_ANSWER_BROKEN || (event >= W_SAID_DONE && event <= W_SAID_REFUSED);
}

static uint32_t book_event(struct world *w, struct rng *rng)
{
    uint32_t event;

    if (world_can(w, W_GRANT) && rng_chance(rng, 0.2))
        return W_GRANT;
    if (world_can(w, W_PROBE_GOOD))
        return W_PROBE_GOOD;
    if (w->status && rng_chance(rng, 0.8))
        return W_STATUS;
    if (rng_chance(rng, 0.25))
        return W_TIME;
    do
        event = (uint32_t)rng_below(rng, W_EVENTS);
    while (!about_books(event) || !world_can(w, event) ||
           ((event == W_ANSWER_BROKEN || event == W_ANSWER_LOST || event == W_SAID_UNKNOWN ||
             event == W_TWO_DETACHES || event == W_THREE_DETACHES || event == W_MODE) &&
            !rng_chance(rng, 0.2)));
    return event;
}

static void books_are_always_safe(void **state)
{
    static void (*const from[])(struct world *) = {begin_semi_sync, begin_sync, begin_strict};
    uint32_t first = from_environment("FIRST", 1), seeds = from_environment("SEEDS", 2000);

    (void)state;
    for (uint32_t seed = first; seed < first + seeds; seed++) {
        struct rng rng;

        rng_seed(&rng, seed);
        from[seed % ARRAY_LEN(from)](&levels[0]);
        levels[0].may_change_mode = seed % 4 == 0;
        for (uint32_t i = 0; i < WALK && levels[0].could_write; i++)
            go(&levels[0], book_event(&levels[0], &rng));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_way_is_unsafe),
        cmocka_unit_test(no_long_way_is_unsafe),
        cmocka_unit_test(books_are_always_safe),
    };

    signal(SIGABRT, say_way);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
