/*
 * The life of a managed process, as stories and walked at random.
 */
#include "base/rng.h"
#include "process/managed.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const char *const events[] = {
    [MANAGED_TICK] = "tick",       [MANAGED_START] = "start",
    [MANAGED_KILL] = "kill",       [MANAGED_STOP] = "stop",
    [MANAGED_OPEN] = "open",       [MANAGED_NOT_STARTED] = "not started",
    [MANAGED_STARTED] = "started", [MANAGED_MAIN_ENDED] = "main ended",
    [MANAGED_GONE] = "gone",
};
static const char *const actions[] = {
    [MANAGED_SPAWN] = "SPAWN",          [MANAGED_TERM] = "TERM",        [MANAGED_KILL_ALL] = "KILL",
    [MANAGED_TELL_STARTED] = "started", [MANAGED_TELL_ENDED] = "ended",
};

struct story {
    struct managed managed;
    uint64_t fence;
    int64_t now_ms;
    char text[2048];
};

static void at(struct story *s, int64_t now_ms, enum managed_event_kind kind)
{
    struct managed_event event = {kind, 1000};
    struct managed_actions out;
    size_t len = strlen(s->text);

    s->now_ms = now_ms;
    managed_step(&s->managed, &event, s->fence, (struct instant){now_ms * NS_PER_MS}, &out);
    len += (size_t)snprintf(s->text + len, sizeof s->text - len, "[%lld] %s%s", (long long)now_ms,
                            events[kind], out.count ? " ->" : "");
    for (uint32_t i = 0; i < out.count; i++)
        len += (size_t)snprintf(s->text + len, sizeof s->text - len, " %s", actions[out.at[i]]);
    snprintf(s->text + len, sizeof s->text - len, "\n");
}

static int64_t deadline_ms(const struct story *s)
{
    struct instant deadline = managed_deadline(&s->managed, s->fence);

    return deadline.ns == NEVER.ns ? -1 : deadline.ns / NS_PER_MS;
}

static void dies_with_its_fence_and_not_before(void **state)
{
    struct story s = {.fence = 5000 * NS_PER_MS};

    (void)state;
    at(&s, 1000, MANAGED_START);
    assert_int_equal(deadline_ms(&s), 5000);
    at(&s, 4999, MANAGED_TICK);
    s.fence = 6000 * NS_PER_MS; /* extended in time */
    at(&s, 5000, MANAGED_TICK);
    assert_int_equal(deadline_ms(&s), 6000);
    at(&s, 6000, MANAGED_TICK);
    assert_true(s.managed.fenced);
    at(&s, 6001, MANAGED_GONE);
    assert_true(s.managed.fenced);
    s.fence = FENCE_NEVER;
    at(&s, 6002, MANAGED_START);
    assert_false(s.managed.fenced);
    at(&s, 1000000, MANAGED_TICK);
    s.fence = 0; /* now */
    at(&s, 1000001, MANAGED_TICK);
    assert_string_equal(s.text, "[1000] start -> SPAWN started\n"
                                "[4999] tick\n"
                                "[5000] tick\n"
                                "[6000] tick -> KILL\n"
                                "[6001] gone -> ended\n"
                                "[6002] start -> SPAWN started\n"
                                "[1000000] tick\n"
                                "[1000001] tick -> KILL\n");
}

static void a_fence_cuts_an_orderly_stop_short(void **state)
{
    struct story s = {.fence = 1500 * NS_PER_MS};

    (void)state;
    at(&s, 1000, MANAGED_START);
    at(&s, 1000, MANAGED_STOP);
    assert_int_equal(deadline_ms(&s), 1500);
    at(&s, 1500, MANAGED_TICK);
    at(&s, 1501, MANAGED_GONE);
    assert_string_equal(s.text, "[1000] start -> SPAWN started\n"
                                "[1000] stop -> TERM\n"
                                "[1500] tick -> KILL\n"
                                "[1501] gone -> ended\n");
}

static void an_end_is_told_when_nothing_is_left(void **state)
{
    struct story s = {.fence = FENCE_NEVER};

    (void)state;
    at(&s, 1000, MANAGED_START);
    at(&s, 2000, MANAGED_MAIN_ENDED);
    assert_int_equal(deadline_ms(&s), 2002);
    at(&s, 2002, MANAGED_TICK);
    assert_int_equal(deadline_ms(&s), 2006);
    at(&s, 2006, MANAGED_TICK);
    at(&s, 2007, MANAGED_GONE);
    assert_int_equal(deadline_ms(&s), -1);
    assert_string_equal(s.text, "[1000] start -> SPAWN started\n"
                                "[2000] main ended -> KILL\n"
                                "[2002] tick -> KILL\n"
                                "[2006] tick -> KILL\n"
                                "[2007] gone -> ended\n");
}

static void every_order_is_answered(void **state)
{
    struct story s = {.fence = FENCE_NEVER};

    (void)state;
    at(&s, 1, MANAGED_KILL);
    at(&s, 2, MANAGED_START);
    at(&s, 3, MANAGED_NOT_STARTED);
    at(&s, 4, MANAGED_START);
    at(&s, 5, MANAGED_START); /* it runs already */
    at(&s, 6, MANAGED_KILL);
    at(&s, 7, MANAGED_START); /* as soon as that has ended */
    at(&s, 8, MANAGED_GONE);
    assert_string_equal(s.text, "[1] kill -> ended\n"
                                "[2] start -> SPAWN started\n"
                                "[3] not started -> ended\n"
                                "[4] start -> SPAWN started\n"
                                "[5] start -> started\n"
                                "[6] kill -> KILL\n"
                                "[7] start\n"
                                "[8] gone -> ended SPAWN started\n");
}

static void a_program_is_started_anew(void **state)
{
    struct story s = {.managed.renewed = true, .fence = FENCE_NEVER};

    (void)state;
    at(&s, 1, MANAGED_START);
    at(&s, 2, MANAGED_START);
    at(&s, 3, MANAGED_GONE);
    assert_string_equal(s.text, "[1] start -> SPAWN started\n"
                                "[2] start -> KILL\n"
                                "[3] gone -> ended SPAWN started\n");
}

static void what_was_closed_is_not_started(void **state)
{
    struct story s = {.fence = FENCE_NEVER};

    (void)state;
    at(&s, 1, MANAGED_START);
    at(&s, 2, MANAGED_STOP);
    at(&s, 3, MANAGED_START);
    at(&s, 1002, MANAGED_TICK);
    at(&s, 1003, MANAGED_GONE);
    at(&s, 1004, MANAGED_START);
    at(&s, 1005, MANAGED_OPEN);
    at(&s, 1006, MANAGED_START);
    assert_string_equal(s.text, "[1] start -> SPAWN started\n"
                                "[2] stop -> TERM\n"
                                "[3] start\n"
                                "[1002] tick -> KILL\n"
                                "[1003] gone -> ended\n"
                                "[1004] start -> ended\n"
                                "[1005] open\n"
                                "[1006] start -> SPAWN started\n");
}

static void a_start_elsewhere_is_told_when_it_is_answered(void **state)
{
    struct story s = {.managed.elsewhere = true, .fence = 5000 * NS_PER_MS};

    (void)state;
    at(&s, 1, MANAGED_START);
    at(&s, 2, MANAGED_START); /* asked again */
    at(&s, 3, MANAGED_STARTED);
    at(&s, 4, MANAGED_START);
    at(&s, 5, MANAGED_KILL);
    at(&s, 6, MANAGED_START);
    at(&s, 7, MANAGED_GONE);
    at(&s, 8, MANAGED_MAIN_ENDED); /* it failed to start */
    at(&s, 9, MANAGED_STARTED);    /* of a moment that has passed */
    at(&s, 10, MANAGED_GONE);
    at(&s, 11, MANAGED_START);
    at(&s, 5000, MANAGED_TICK); /* its lease ends while it is being started */
    assert_true(s.managed.fenced);
    assert_string_equal(s.text, "[1] start -> SPAWN\n"
                                "[2] start\n"
                                "[3] started -> started\n"
                                "[4] start -> started\n"
                                "[5] kill -> KILL\n"
                                "[6] start\n"
                                "[7] gone -> ended SPAWN\n"
                                "[8] main ended -> KILL\n"
                                "[9] started\n"
                                "[10] gone -> ended\n"
                                "[11] start -> SPAWN\n"
                                "[5000] tick -> KILL\n");
}

static void what_somebody_else_may_have_started_is_ended_too(void **state)
{
    struct story s = {.managed.elsewhere = true, .fence = 100 * NS_PER_MS};

    (void)state;
    at(&s, 1, MANAGED_KILL);
    at(&s, 2, MANAGED_GONE);
    assert_int_equal(deadline_ms(&s), 100);
    at(&s, 100, MANAGED_TICK);
    at(&s, 101, MANAGED_GONE);
    assert_int_equal(deadline_ms(&s), -1); /* once is enough */
    at(&s, 102, MANAGED_TICK);
    at(&s, 103, MANAGED_STOP);
    s.fence = FENCE_NEVER;
    at(&s, 104, MANAGED_GONE);
    assert_string_equal(s.text, "[1] kill -> KILL\n"
                                "[2] gone -> ended\n"
                                "[100] tick -> KILL\n"
                                "[101] gone -> ended\n"
                                "[102] tick\n"
                                "[103] stop -> TERM\n"
                                "[104] gone -> ended\n");
}

/* What the outside has seen of one run. */
struct seen {
    bool elsewhere;
    bool alive; /* spawned and not gone */
    bool told;  /* ... and told as started */
};

static void watch(struct seen *seen, const struct managed_actions *out, uint64_t fence, int64_t now)
{
    for (uint32_t i = 0; i < out->count; i++) {
        switch (out->at[i]) {
        case MANAGED_SPAWN:
            assert_false(seen->alive); /* never two at once */
            seen->alive = true;
            break;
        case MANAGED_TELL_STARTED:
            assert_true(seen->alive);
            seen->told = true;
            break;
        case MANAGED_TELL_ENDED:
            assert_false(seen->alive);
            seen->told = false;
            break;
        case MANAGED_TERM:
        case MANAGED_KILL_ALL:
            assert_true(seen->alive || seen->elsewhere);
            seen->alive = true; /* for all that is known */
            break;
        }
    }
    (void)fence;
    (void)now;
}

static void a_walk_never_runs_two_nor_outlives_its_fence(void **state)
{
    struct rng rng;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct managed managed = {.renewed = seed % 3 == 0, .elsewhere = seed % 3 == 1};
        struct seen seen = {.elsewhere = managed.elsewhere};
        uint64_t fence = FENCE_NEVER;
        int64_t now = 0;

        rng_seed(&rng, seed);
        for (int i = 0; i < 400; i++) {
            struct managed_event event = {
                (enum managed_event_kind)rng_below(&rng, MANAGED_GONE + 1),
                (int64_t)rng_below(&rng, 100)};
            struct managed_actions out;

            now += (int64_t)rng_below(&rng, 20) * NS_PER_MS;
            if (rng_below(&rng, 8) == 0)
                fence = rng_below(&rng, 3) == 0 ? FENCE_NEVER
                                                : (uint64_t)now + rng_below(&rng, 50) * NS_PER_MS;
            if (event.kind == MANAGED_NOT_STARTED || event.kind == MANAGED_GONE)
                seen.alive = false; /* it is so, and then it is said */
            managed_step(&managed, &event, fence, (struct instant){now}, &out);
            watch(&seen, &out, fence, now);
            assert_int_equal(seen.alive, managed.state != MANAGED_ABSENT);
            event.kind = MANAGED_TICK;
            managed_step(&managed, &event, fence, (struct instant){now}, &out);
            watch(&seen, &out, fence, now);
            if (seen.alive && fence <= (uint64_t)now)
                assert_int_equal(managed.state, MANAGED_KILLED);
            assert_true(managed.state == MANAGED_ABSENT || seen.told || managed.elsewhere);
            assert_true(managed.state != MANAGED_RUNNING || seen.told != managed.starting);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dies_with_its_fence_and_not_before),
        cmocka_unit_test(a_fence_cuts_an_orderly_stop_short),
        cmocka_unit_test(an_end_is_told_when_nothing_is_left),
        cmocka_unit_test(every_order_is_answered),
        cmocka_unit_test(a_program_is_started_anew),
        cmocka_unit_test(what_was_closed_is_not_started),
        cmocka_unit_test(a_start_elsewhere_is_told_when_it_is_answered),
        cmocka_unit_test(what_somebody_else_may_have_started_is_ended_too),
        cmocka_unit_test(a_walk_never_runs_two_nor_outlives_its_fence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
