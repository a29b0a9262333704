#include "base/must.h"
#include "cli/load.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* A plan over five seconds whose start is at 1000 ms, so that no figure is right by being zero. */
enum { START_MS = 1000, FOR_MS = 5000 };

struct story {
    struct load_plan plan;
    struct load_second seconds[FOR_MS / 1000 + 1];
    uint64_t marks[FOR_MS / 32 + 1];
};

static struct instant at_ms(double ms)
{
    return (struct instant){(int64_t)((START_MS + ms) * NS_PER_MS)};
}

static struct story *begin(uint64_t rate, int64_t timeout_ms)
{
    struct load_options options = {
        .rate = rate, .duration_ms = FOR_MS, .timeout_ms = timeout_ms, .connections = 1};
    struct story *story = calloc(1, sizeof *story);

    assert_true(load_seconds_needed(FOR_MS) <= ARRAY_LEN(story->seconds));
    assert_true(load_marks_needed(FOR_MS) <= ARRAY_LEN(story->marks));
    load_begin(&story->plan, &options, story->seconds, story->marks, at_ms(0));
    return story;
}

/* Takes one that is due at `intended_ms` and ends it at `ended_ms`. */
static void live(struct story *story, double intended_ms, double ended_ms,
                 enum load_outcome outcome)
{
    struct instant intended;

    assert_true(load_take(&story->plan, at_ms(ended_ms), &intended));
    assert_int_equal(intended.ns, at_ms(intended_ms).ns);
    load_finish(&story->plan, intended, at_ms(ended_ms), outcome, outcome == LOAD_OK ? 200 : 0);
}

static void every_request_is_due_at_its_own_exact_time(void **state)
{
    static const uint64_t rates[] = {1, 3, 7, 200, 333, 30011, 1000000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct story *story = begin(rates[i], 60000);
        struct instant intended, last = at_ms(-1);
        uint64_t number = 0;

        while (load_take(&story->plan, at_ms(FOR_MS), &intended)) {
            double exact = (double)number * 1e9 / (double)rates[i];

            assert_true(intended.ns > last.ns);
            assert_true((double)ns_between(at_ms(0), intended) <= exact);
            assert_true((double)ns_between(at_ms(0), intended) > exact - 1);
            last = intended;
            number++;
        }
        assert_int_equal(number, rates[i] * FOR_MS / 1000);
        assert_int_equal(load_next(&story->plan, at_ms(FOR_MS)).ns, NEVER.ns);
        free(story);
    }
}

static void nothing_is_sent_before_it_is_due(void **state)
{
    struct story *story = begin(100, 1000);
    struct instant intended;

    (void)state;
    assert_false(load_take(&story->plan, at_ms(-0.001), &intended));
    live(story, 0, 0, LOAD_OK);
    assert_false(load_take(&story->plan, at_ms(9.999), &intended));
    assert_int_equal(load_next(&story->plan, at_ms(9.999)).ns, at_ms(10).ns);
    live(story, 10, 10, LOAD_OK);
    free(story);
}

static void latency_counts_from_the_moment_a_request_was_due(void **state)
{
    struct story *story = begin(10, 5000);

    (void)state;
    /* The one connection hangs for a second; those that were due meanwhile have waited. */
    live(story, 0, 1000, LOAD_OK);
    live(story, 100, 1000, LOAD_OK);
    live(story, 200, 1000, LOAD_OK);
    assert_int_equal(histogram_quantile_ns(&story->plan.latency, 1), NS_PER_S);
    assert_int_equal(atomic_load(&story->plan.latency.sum_ns), (1000 + 900 + 800) * NS_PER_MS);
    free(story);
}

static void a_request_that_waits_for_the_whole_timeout_has_failed(void **state)
{
    struct story *story = begin(10, 250);
    struct instant intended;

    (void)state;
    assert_int_equal(load_waiting(&story->plan, at_ms(-1)), 0);
    assert_int_equal(load_waiting(&story->plan, at_ms(0)), 1);
    assert_int_equal(load_waiting(&story->plan, at_ms(249)), 3);
    load_expire(&story->plan, at_ms(249.9));
    assert_int_equal(story->plan.outcomes[LOAD_NO_CONNECTION], 0);
    load_expire(&story->plan, at_ms(250));
    assert_int_equal(story->plan.outcomes[LOAD_NO_CONNECTION], 1);
    assert_int_equal(load_waiting(&story->plan, at_ms(250)), 2);
    /* The one that is taken is the oldest that still has time. */
    assert_true(load_take(&story->plan, at_ms(500), &intended));
    assert_int_equal(intended.ns, at_ms(300).ns);
    assert_int_equal(story->plan.outcomes[LOAD_NO_CONNECTION], 3);
    free(story);
}

static void what_waits_at_the_end_expires_and_no_more_comes(void **state)
{
    struct story *story = begin(10, 250);

    (void)state;
    load_expire(&story->plan, at_ms(60000));
    assert_int_equal(story->plan.taken, 50);
    assert_int_equal(story->plan.outcomes[LOAD_NO_CONNECTION], 50);
    assert_int_equal(load_outstanding(&story->plan), 0);
    assert_int_equal(load_waiting(&story->plan, at_ms(60000)), 0);
    free(story);
}

static void waiting_is_what_taking_would_give(void **state)
{
    static const uint64_t rates[] = {1, 3, 7, 999, 1001};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        for (double ms = 0; ms < FOR_MS + 100; ms += 333.3333) {
            struct story *story = begin(rates[i], 60000);
            uint64_t waiting = load_waiting(&story->plan, at_ms(ms));
            struct instant intended;

            for (uint64_t n = 0; n < waiting; n++)
                assert_true(load_take(&story->plan, at_ms(ms), &intended));
            assert_false(load_take(&story->plan, at_ms(ms), &intended));
            free(story);
        }
}

static void a_closed_loop_always_has_a_request_until_the_end(void **state)
{
    struct story *story = begin(0, 1000);
    struct instant intended;

    (void)state;
    live(story, 0.5, 0.5, LOAD_OK);
    live(story, 4999.9, 4999.9, LOAD_OK);
    assert_int_equal(load_waiting(&story->plan, at_ms(1)), 0);
    assert_false(load_take(&story->plan, at_ms(FOR_MS), &intended));
    free(story);
}

static void an_early_end_forgets_what_was_not_yet_sent(void **state)
{
    struct story *story = begin(10, 5000);
    struct instant intended;

    (void)state;
    live(story, 0, 5, LOAD_OK);
    assert_true(load_take(&story->plan, at_ms(550), &intended));
    load_stop(&story->plan, at_ms(550)); /* 200 to 500 ms were waiting */
    assert_false(load_take(&story->plan, at_ms(600), &intended));
    assert_int_equal(load_outstanding(&story->plan), 1);
    load_abandon(&story->plan);
    assert_int_equal(load_outstanding(&story->plan), 0);
    assert_int_equal(story->plan.taken, 2);
    free(story);
}

/* ---- outages: g a good request, b a failed one, every 100 ms; how long was the longest outage, and when did it begin? */

static struct load_outage outage_of(const char *outcomes)
{
    struct story *story = begin(10, 60000);
    struct load_outage outage;

    for (int i = 0; outcomes[i]; i++)
        live(story, i * 100, i * 100 + 5, outcomes[i] == 'g' ? LOAD_OK : LOAD_TIMEOUT);
    outage = load_longest_outage(&story->plan);
    free(story);
    return outage;
}

static void an_outage_is_from_the_first_to_the_last_failure_in_a_row(void **state)
{
    static const struct {
        const char *outcomes;
        int64_t began_ms, length_ms;
    } rows[] = {
        {"", -1, 0},         {"gggg", -1, 0},      {"gbg", 100, 1},
        {"gbbbg", 100, 201}, {"bbgbbb", 300, 201}, {"bbbgbb", 0, 201},
        {"gbgbgbg", 100, 1}, {"bbbb", 0, 301},     {"ggbbgbbg", 200, 101},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct load_outage outage = outage_of(rows[i].outcomes);

        assert_int_equal(outage.began_ms, rows[i].began_ms);
        assert_int_equal(outage.length_ms, rows[i].length_ms);
    }
}

static void an_outage_does_not_depend_on_the_order_in_which_answers_come(void **state)
{
    struct story *story = begin(10, 60000);
    struct instant intended[6];
    static const int order[] = {5, 0, 3, 1, 4, 2};

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_true(load_take(&story->plan, at_ms(600), &intended[i]));
    for (int i = 0; i < 6; i++) {
        bool good = order[i] == 0 || order[i] == 5;

        load_finish(&story->plan, intended[order[i]], at_ms(1000 + i),
                    good ? LOAD_OK : LOAD_TIMEOUT, good ? 200 : 0);
    }
    assert_int_equal(load_longest_outage(&story->plan).began_ms, 100);
    assert_int_equal(load_longest_outage(&story->plan).length_ms, 301);
    free(story);
}

static void seconds_hold_what_was_due_in_them(void **state)
{
    struct story *story = begin(2, 60000);

    (void)state;
    live(story, 0, 1, LOAD_OK);
    live(story, 500, 4000, LOAD_RESET);
    live(story, 1000, 4000, LOAD_OK);
    assert_int_equal(story->seconds[0].due, 2);
    assert_int_equal(story->seconds[0].ok, 1);
    assert_int_equal(story->seconds[0].failed, 1);
    assert_int_equal(story->seconds[1].ok, 1);
    assert_int_equal(histogram_quantile_ns(&story->seconds[1].latency, 1), 3 * NS_PER_S);
    assert_int_equal(story->seconds[3].due, 0);
    free(story);
}

static void an_answer_counts_by_its_status_even_when_it_is_a_failure(void **state)
{
    static const struct {
        uint16_t status;
        enum load_outcome outcome;
    } rows[] = {{200, LOAD_OK},         {204, LOAD_OK},         {304, LOAD_OK},
                {400, LOAD_STATUS_4XX}, {429, LOAD_STATUS_4XX}, {500, LOAD_STATUS_5XX},
                {503, LOAD_STATUS_5XX}, {599, LOAD_STATUS_5XX}, {101, LOAD_OK}};
    struct story *story = begin(10, 60000);
    struct instant intended;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(load_outcome_of_status(rows[i].status), rows[i].outcome);
        assert_true(load_take(&story->plan, at_ms(4000), &intended));
        load_finish(&story->plan, intended, at_ms(4000), rows[i].outcome, rows[i].status);
    }
    assert_int_equal(load_answered(&story->plan), ARRAY_LEN(rows));
    assert_int_equal(load_failed(&story->plan), 5);
    assert_int_equal(story->plan.statuses[5], 3);
    assert_true(load_achieved_rate(&story->plan) == (double)ARRAY_LEN(rows) / 5);
    free(story);
}

static void groups_beyond_the_limit_count_as_none(void **state)
{
    struct story *story = begin(10, 1000);
    char name[16];

    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < LOAD_GROUPS_MAX + 3; i++) {
            snprintf(name, sizeof name, "b%d", i);
            load_group(&story->plan, bytes_of_string(name));
        }
    load_group(&story->plan, bytes_of(NULL, 0));
    assert_int_equal(story->plan.group_count, LOAD_GROUPS_MAX);
    assert_string_equal(story->plan.groups[1].name, "b1");
    assert_int_equal(story->plan.groups[1].answers, 2);
    assert_int_equal(story->plan.ungrouped, 7);
    free(story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_due_at_its_own_exact_time),
        cmocka_unit_test(nothing_is_sent_before_it_is_due),
        cmocka_unit_test(latency_counts_from_the_moment_a_request_was_due),
        cmocka_unit_test(a_request_that_waits_for_the_whole_timeout_has_failed),
        cmocka_unit_test(what_waits_at_the_end_expires_and_no_more_comes),
        cmocka_unit_test(waiting_is_what_taking_would_give),
        cmocka_unit_test(a_closed_loop_always_has_a_request_until_the_end),
        cmocka_unit_test(an_early_end_forgets_what_was_not_yet_sent),
        cmocka_unit_test(an_outage_is_from_the_first_to_the_last_failure_in_a_row),
        cmocka_unit_test(an_outage_does_not_depend_on_the_order_in_which_answers_come),
        cmocka_unit_test(seconds_hold_what_was_due_in_them),
        cmocka_unit_test(an_answer_counts_by_its_status_even_when_it_is_a_failure),
        cmocka_unit_test(groups_beyond_the_limit_count_as_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
