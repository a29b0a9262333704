#include "base/rng.h"
#include "topology/moment.h"
#include "unit.h"

#include <stdio.h>
#include <time.h>

static struct moment at(int64_t wall_ms, uint32_t counter)
{
    return (struct moment){wall_ms, counter};
}

static void assert_moment(struct moment moment, int64_t wall_ms, uint32_t counter)
{
    assert_int_equal(moment.wall_ms, wall_ms);
    assert_int_equal(moment.counter, counter);
}

static void follows_the_wall_clock(void **state)
{
    (void)state;
    assert_moment(moment_next(at(1000, 7), 1001), 1001, 0);
}

static void counts_within_a_millisecond_and_while_the_clock_lags(void **state)
{
    (void)state;
    assert_moment(moment_next(at(1000, 0), 1000), 1000, 1);
    assert_moment(moment_next(at(1000, 1), 400), 1000, 2);
}

static void a_full_counter_goes_on_in_the_next_millisecond(void **state)
{
    (void)state;
    assert_moment(moment_next(at(1000, UINT32_MAX), 1000), 1001, 0);
}

static void follows_a_clock_that_was_set_back_far(void **state)
{
    int64_t year_ms = 365LL * 86400000;

    (void)state;
    assert_moment(moment_next(at(year_ms, 3), 5000), 5000, 0);
    assert_moment(moment_next(at(5000 + MOMENT_AHEAD_MAX_MS, 3), 5000), 5000 + MOMENT_AHEAD_MAX_MS,
                  4);
}

static void what_was_heard_is_not_forgotten(void **state)
{
    bool far;

    (void)state;
    assert_moment(moment_merge(at(1000, 0), at(3000, 9), 900, &far), 3000, 9);
    assert_false(far);
    assert_moment(moment_merge(at(3000, 9), at(3000, 8), 900, &far), 3000, 9);
    assert_moment(moment_merge(at(3000, 9), at(10, 0), 900, &far), 3000, 9);
}

static void a_peer_far_ahead_is_not_followed(void **state)
{
    bool far;

    (void)state;
    assert_moment(moment_merge(at(1000, 1), at(1000 + MOMENT_AHEAD_MAX_MS, 0), 1000, &far),
                  1000 + MOMENT_AHEAD_MAX_MS, 0);
    assert_false(far);
    assert_moment(moment_merge(at(1000, 1), at(1001 + MOMENT_AHEAD_MAX_MS, 0), 1000, &far), 1000,
                  1);
    assert_true(far);
    assert_moment(moment_merge(at(1000, 1), at(INT64_MAX, 0), 1000, &far), 1000, 1);
    assert_true(far);
    assert_moment(moment_merge(at(1000, 1), at(-1, 0), 1000, &far), 1000, 1);
    assert_true(far);
}

/* Nodes with clocks that are apart send each other what happened: the moment of a receipt is after that of the sending. */
static void an_effect_is_after_its_cause(void **state)
{
    enum { NODES = 4, STEPS = 20000 };
    struct moment last[NODES] = {{0}};
    int64_t skew[NODES] = {0, -20000, 20000, 35};
    int64_t now = 1000000;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < STEPS; i++) {
        uint64_t from = rng_below(&rng, NODES), to = rng_below(&rng, NODES);
        struct moment cause;
        bool far;

        now += (int64_t)rng_below(&rng, 3);
        last[from] = cause = moment_next(last[from], now + skew[from]);
        last[to] = moment_merge(last[to], cause, now + skew[to], &far);
        last[to] = moment_next(last[to], now + skew[to]);
        assert_false(far);
        assert_true(moment_compare(cause, last[to]) < 0 || from == to);
    }
}

static void prints_as_the_calendar_says(void **state)
{
    char text[MOMENT_TEXT_MAX];

    (void)state;
    assert_string_equal(moment_print(at(0, 0), text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(moment_print(at(951782399999, 0), text), "2000-02-28T23:59:59.999Z");
    assert_string_equal(moment_print(at(951782400000, 0), text), "2000-02-29T00:00:00.000Z");
    assert_string_equal(moment_print(at(1795388400123, 5), text), "2026-11-22T23:00:00.123Z");
    assert_string_equal(moment_print(at(INT64_MAX, 0), text), "9999-12-31T23:59:59.999Z");
    assert_string_equal(moment_print(at(-5, 0), text), "1970-01-01T00:00:00.000Z");
}

static void prints_as_the_library_does(void **state)
{
    char text[MOMENT_TEXT_MAX], expected[48];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (int i = 0; i < 20000; i++) {
        int64_t ms = rng_between(&rng, 0, 253402300799999);
        time_t seconds = (time_t)(ms / 1000);
        struct tm when;
        size_t len;

        assert_non_null(gmtime_r(&seconds, &when));
        len = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &when);
        snprintf(expected + len, sizeof expected - len, ".%03dZ", (int)(ms % 1000));
        assert_string_equal(moment_print(at(ms, 0), text), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_wall_clock),
        cmocka_unit_test(counts_within_a_millisecond_and_while_the_clock_lags),
        cmocka_unit_test(a_full_counter_goes_on_in_the_next_millisecond),
        cmocka_unit_test(follows_a_clock_that_was_set_back_far),
        cmocka_unit_test(what_was_heard_is_not_forgotten),
        cmocka_unit_test(a_peer_far_ahead_is_not_followed),
        cmocka_unit_test(an_effect_is_after_its_cause),
        cmocka_unit_test(prints_as_the_calendar_says),
        cmocka_unit_test(prints_as_the_library_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
