#include "base/buf.h"
#include "health/verdict.h"
#include "unit.h"

enum { DEPTH = 12 };

static const struct verdict_rules usual = {.unhealthy_threshold = 3, .healthy_threshold = 2};

/* The letter of each outcome (g good, b bad), and the state where it changed. */
static const char *tell(const char *outcomes, const struct verdict_rules *rules)
{
    static const char *const names[] = {"?", "UP", "DOWN"};
    static char story[256];
    struct verdict verdict = {0};
    struct buf out;

    buf_over(&out, story, sizeof story);
    for (; *outcomes; outcomes++) {
        buf_add_byte(&out, (uint8_t)*outcomes);
        if (verdict_step(&verdict, rules, *outcomes == 'g'))
            buf_print(&out, "[%s]", names[verdict.state]);
    }
    buf_add_byte(&out, 0);
    return story;
}

static void the_first_good_check_brings_a_backend_up(void **state)
{
    (void)state;
    assert_string_equal(tell("g", &usual), "g[UP]");
    assert_string_equal(tell("bbg", &usual), "bbg[UP]");
}

static void first_failures_count_to_the_threshold(void **state)
{
    (void)state;
    assert_string_equal(tell("bb", &usual), "bb");
    assert_string_equal(tell("bbbb", &usual), "bbb[DOWN]b");
}

static void only_failures_in_a_row_take_a_backend_down(void **state)
{
    (void)state;
    assert_string_equal(tell("gbbgbbgbbb", &usual), "g[UP]bbgbbgbbb[DOWN]");
}

static void only_successes_in_a_row_bring_a_backend_back(void **state)
{
    (void)state;
    assert_string_equal(tell("bbbgbgbgg", &usual), "bbb[DOWN]gbgbgg[UP]");
}

static void a_threshold_of_one_believes_every_check(void **state)
{
    static const struct verdict_rules quick = {.unhealthy_threshold = 1, .healthy_threshold = 1};

    (void)state;
    assert_string_equal(tell("bgbg", &quick), "b[DOWN]g[UP]b[DOWN]g[UP]");
}

/* The plain model: the verdict is the last run of equal outcomes that was long enough. */
static enum verdict_state plainly(uint32_t outcomes, int count, const struct verdict_rules *rules)
{
    enum verdict_state state = VERDICT_UNKNOWN;
    uint32_t run = 0;

    for (int i = 0; i < count; i++) {
        bool good = outcomes >> i & 1;
        bool same = i > 0 && good == (outcomes >> (i - 1) & 1);

        run = same ? run + 1 : 1;
        if (good && (state == VERDICT_UNKNOWN || run >= rules->healthy_threshold))
            state = VERDICT_UP;
        if (!good && run >= rules->unhealthy_threshold)
            state = VERDICT_DOWN;
    }
    return state;
}

static void every_sequence_of_outcomes_gives_the_verdict_of_the_plain_model(void **state)
{
    (void)state;
    for (uint32_t rule = 0; rule < 16; rule++) {
        struct verdict_rules rules = {1 + rule % 4, 1 + rule / 4};

        for (uint32_t outcomes = 0; outcomes < 1u << DEPTH; outcomes++) {
            struct verdict verdict = {0};

            for (int i = 0; i < DEPTH; i++) {
                enum verdict_state before = verdict.state;
                bool changed = verdict_step(&verdict, &rules, outcomes >> i & 1);

                assert_int_equal(changed, before != verdict.state);
                assert_int_equal(verdict.state, plainly(outcomes, i + 1, &rules));
                assert_true(verdict.surprises == 0 || !changed);
            }
        }
    }
}

/* ---- pace ---- */

static const struct pace second = {.interval_ns = NS_PER_S, .jitter = 1000};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void a_check_is_never_later_than_an_interval_after_the_last(void **state)
{
    struct verdict calm = {.state = VERDICT_UP};
    struct rng rng;
    int64_t earliest = INT64_MAX, latest = 0;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 10000; i++) {
        struct instant next = pace_next(&second, &calm, at_ms(5000), at_ms(5100), &rng);

        earliest = next.ns < earliest ? next.ns : earliest;
        latest = next.ns > latest ? next.ns : latest;
    }
    assert_in_range(latest, at_ms(5990).ns, at_ms(6000).ns);
    assert_in_range(earliest, at_ms(5900).ns, at_ms(5910).ns);
}

static void a_surprise_halves_the_interval(void **state)
{
    static const struct pace steady = {.interval_ns = NS_PER_S};
    struct verdict wavering = {.state = VERDICT_UP, .surprises = 1};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    assert_int_equal(pace_next(&steady, &wavering, at_ms(0), at_ms(10), &rng).ns, at_ms(500).ns);
    assert_int_equal(pace_next(&steady, &wavering, at_ms(0), at_ms(700), &rng).ns, at_ms(700).ns);
}

/* A backend changes between two checks that take `takes_ns` each; how long until the verdict says so, at worst. */
static int64_t time_to_truth_ns(const struct pace *pace, uint32_t threshold, int64_t takes_ns,
                                struct rng *rng)
{
    struct verdict_rules rules = {threshold, threshold};
    struct verdict verdict = {.state = VERDICT_UP};
    struct instant changed = {1}, began = {0}, ended = {1};

    for (;;) {
        began = pace_next(pace, &verdict, began, ended, rng);
        ended = after_ns(began, takes_ns);
        if (verdict_step(&verdict, &rules, false))
            return ns_between(changed, ended);
    }
}

static void the_verdict_is_true_within_threshold_times_interval(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (uint32_t threshold = 2; threshold <= 10; threshold++)
        for (int round = 0; round < 1000; round++) {
            int64_t takes_ns = rng_between(&rng, 0, second.interval_ns / 2);

            assert_true(time_to_truth_ns(&second, threshold, takes_ns, &rng) <=
                        threshold * second.interval_ns);
        }
}

static void a_failure_elsewhere_brings_the_check_forward_but_not_too_often(void **state)
{
    (void)state;
    /* Newer than the check: at once, when a quarter of the interval has passed. */
    assert_int_equal(pace_hurry(&second, at_ms(1000), at_ms(0), at_ms(399), at_ms(400)).ns,
                     at_ms(400).ns);
    assert_int_equal(pace_hurry(&second, at_ms(1000), at_ms(0), at_ms(99), at_ms(100)).ns,
                     at_ms(250).ns);
    /* The check has seen it already. */
    assert_int_equal(pace_hurry(&second, at_ms(1000), at_ms(100), at_ms(99), at_ms(400)).ns,
                     at_ms(1000).ns);
    /* Never later. */
    assert_int_equal(pace_hurry(&second, at_ms(200), at_ms(0), at_ms(99), at_ms(100)).ns,
                     at_ms(200).ns);
}

static void a_restarted_asker_goes_on_where_the_interval_was(void **state)
{
    static const struct pace steady = {.interval_ns = NS_PER_S};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    assert_int_equal(pace_resume(&steady, at_ms(900), at_ms(1000), &rng).ns, at_ms(1900).ns);
    for (int i = 0; i < 1000; i++)
        assert_in_range(pace_resume(&steady, at_ms(0), at_ms(5000), &rng).ns, at_ms(5000).ns,
                        at_ms(6000).ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_good_check_brings_a_backend_up),
        cmocka_unit_test(first_failures_count_to_the_threshold),
        cmocka_unit_test(only_failures_in_a_row_take_a_backend_down),
        cmocka_unit_test(only_successes_in_a_row_bring_a_backend_back),
        cmocka_unit_test(a_threshold_of_one_believes_every_check),
        cmocka_unit_test(every_sequence_of_outcomes_gives_the_verdict_of_the_plain_model),
        cmocka_unit_test(a_check_is_never_later_than_an_interval_after_the_last),
        cmocka_unit_test(a_surprise_halves_the_interval),
        cmocka_unit_test(the_verdict_is_true_within_threshold_times_interval),
        cmocka_unit_test(a_failure_elsewhere_brings_the_check_forward_but_not_too_often),
        cmocka_unit_test(a_restarted_asker_goes_on_where_the_interval_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
