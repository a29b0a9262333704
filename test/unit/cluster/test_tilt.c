#include "base/must.h"
#include "base/rng.h"
#include "cluster/tilt.h"
#include "unit.h"

static const struct tilt_rules rules = {
    .drift_ppm = 10000,
    .slack_ns = 5 * NS_PER_MS,
    .pause_ns = 500 * NS_PER_MS,
    .wall_ns = NS_PER_S,
    .steady_ns = 2 * NS_PER_S,
};

struct node {
    struct tilt tilt;
    struct tilt_look now;
};

static struct node *begun(void)
{
    static struct node node;

    node.now = (struct tilt_look){
        .boot = {1000 * NS_PER_S}, .mono = {400 * NS_PER_S}, .wall_ns = 1700000000 * NS_PER_S};
    struct tilt_verdict verdict;

    tilt_init(&node.tilt, &rules);
    tilt_step(&node.tilt, &node.now, &verdict);
    assert_int_equal(verdict.cause, TILT_NONE);
    return &node;
}

/* So much passes on each clock, and then a turn comes so late. */
static struct tilt_verdict pass(struct node *node, int64_t boot_ms, int64_t mono_ms,
                                int64_t wall_ms, int64_t late_ms)
{
    struct tilt_verdict verdict;

    node->now.boot.ns += boot_ms * NS_PER_MS;
    node->now.mono.ns += mono_ms * NS_PER_MS;
    node->now.wall_ns += wall_ms * NS_PER_MS;
    node->now.late_ns = late_ms * NS_PER_MS;
    tilt_step(&node->tilt, &node->now, &verdict);
    return verdict;
}

static void equal_clocks_and_punctual_turns_are_no_tilt(void **state)
{
    struct node *node = begun();

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pass(node, 200, 200, 200, 10).cause, TILT_NONE);
    assert_int_equal(tilt_fast(&node->tilt).ns, node->now.boot.ns);
    assert_int_equal(tilt_slow(&node->tilt).ns, node->now.boot.ns);
    assert_int_equal(tilt_next_deadline(&node->tilt).ns, NEVER.ns);
}

static void a_late_turn_tilts_until_all_was_well_for_a_while(void **state)
{
    struct node *node = begun();
    struct tilt_verdict verdict = pass(node, 800, 800, 800, 600);

    (void)state;
    assert_int_equal(verdict.cause, TILT_PAUSED);
    assert_int_equal(verdict.size_ns, 600 * NS_PER_MS);
    assert_true(verdict.drop);
    assert_true(verdict.began);
    assert_int_equal(tilt_next_deadline(&node->tilt).ns, node->now.boot.ns + 2 * NS_PER_S);
    assert_false(pass(node, 1999, 1999, 1999, 0).ended);
    verdict = pass(node, 900, 900, 900, 501);
    assert_true(verdict.drop);
    assert_false(verdict.began);
    assert_false(pass(node, 1999, 1999, 1999, 0).ended);
    assert_true(pass(node, 1, 1, 1, 0).ended);
    assert_false(node->tilt.tilted);
}

static void what_the_clocks_did_wrong_is_named_and_measured(void **state)
{
    static const struct {
        int64_t boot_ms, mono_ms, wall_ms;
        enum tilt_cause cause;
        int64_t size_ms;
    } rows[] = {
        {3600200, 200, 3600200, TILT_SUSPENDED, 3600000},
        {-3600000, 200, 200, TILT_JUMPED, -3600000},
        {200, -1, 200, TILT_JUMPED, -1},
        {200, 5000, 200, TILT_JUMPED, -4800},
        {200, 200, 5200, TILT_WALL_STEPPED, 5000},
        {200, 200, -5000, TILT_WALL_STEPPED, -5200},
        {204, 200, 200, TILT_NONE, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct node *node = begun();
        struct tilt_verdict verdict =
            pass(node, rows[i].boot_ms, rows[i].mono_ms, rows[i].wall_ms, 0);

        assert_int_equal(verdict.cause, rows[i].cause);
        assert_int_equal(verdict.size_ns, rows[i].size_ms * NS_PER_MS);
        assert_int_equal(verdict.drop,
                         verdict.cause != TILT_NONE && verdict.cause != TILT_WALL_STEPPED);
        assert_int_equal(node->tilt.tilted, verdict.drop);
    }
}

static void a_drift_too_small_for_one_look_is_found_in_the_sum(void **state)
{
    struct node *node = begun();
    struct tilt_verdict verdict = {0};
    int looks = 0;

    (void)state;
    while (verdict.cause == TILT_NONE && looks++ < 100)
        verdict = pass(node, 204, 200, 204, 0);
    assert_int_equal(verdict.cause, TILT_DRIFTED);
    assert_in_range(looks, 2, 5);
}

static void a_jump_is_believed_by_the_fast_clock_forward_and_by_neither_backward(void **state)
{
    struct node *node = begun();
    int64_t begin_ns = node->now.boot.ns;

    (void)state;
    (void)pass(node, 10200, 200, 200, 0);
    assert_int_equal(tilt_fast(&node->tilt).ns, begin_ns + 10200 * NS_PER_MS);
    assert_int_equal(tilt_slow(&node->tilt).ns, begin_ns + 200 * NS_PER_MS);
    (void)pass(node, -10000, 200, 200, 0);
    assert_int_equal(tilt_fast(&node->tilt).ns, begin_ns + 10400 * NS_PER_MS);
    assert_int_equal(tilt_slow(&node->tilt).ns, begin_ns + 200 * NS_PER_MS);
    (void)pass(node, 200, 200, 200, 0);
    assert_int_equal(tilt_fast(&node->tilt).ns, begin_ns + 10600 * NS_PER_MS);
    assert_int_equal(tilt_slow(&node->tilt).ns, begin_ns + 400 * NS_PER_MS);
}

static void an_end_on_the_fast_clock_is_given_as_boot_time(void **state)
{
    struct node *node = begun();

    (void)state;
    (void)pass(node, 10200, 200, 200, 0);
    (void)pass(node, -9800, 200, 200, 0);
    assert_int_equal(tilt_as_boot(&node->tilt, after_ms(tilt_fast(&node->tilt), 700)).ns,
                     node->now.boot.ns + 700 * NS_PER_MS);
    assert_int_equal(tilt_as_boot(&node->tilt, (struct instant){tilt_fast(&node->tilt).ns - 5}).ns,
                     node->now.boot.ns - 5);
    assert_int_equal(tilt_as_boot(&node->tilt, (struct instant){0}).ns, 0);
    assert_int_equal(tilt_as_boot(&node->tilt, NEVER).ns, NEVER.ns);
}

/*
 * Whatever the two clocks do, as long as one of them tells the truth to within the slack: what passes on the fast clock is never less than the
 * truth, and on the slow one never more.
 */
static void no_jump_makes_a_holder_count_long_or_a_grantor_short(void **state)
{
    static const int64_t steps_ms[] = {-3600000, -300, -1, 0, 1, 3, 200, 5000, 3600000};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 11);
    for (int walk = 0; walk < 2000; walk++) {
        struct node *node = begun();
        bool boot_lies = rng_chance(&rng, 0.5);
        struct instant fast = tilt_fast(&node->tilt), slow = tilt_slow(&node->tilt);
        int64_t truth_ns = 0, slack_ns = rules.slack_ns + rules.slack_ns / 100;

        for (int i = 0; i < 60; i++) {
            int64_t ms = rng_between(&rng, 0, 300);
            int64_t lie_ms =
                rng_chance(&rng, 0.3) ? steps_ms[rng_below(&rng, ARRAY_LEN(steps_ms))] : ms;

            truth_ns += ms * NS_PER_MS;
            (void)pass(node, boot_lies ? lie_ms : ms, boot_lies ? ms : lie_ms, ms, 0);
            assert_true(ns_between(fast, tilt_fast(&node->tilt)) >= truth_ns - slack_ns);
            assert_true(ns_between(slow, tilt_slow(&node->tilt)) <= truth_ns + slack_ns);
        }
    }
}

/* Every sequence of six looks out of these: the state is well (must), neither clock goes back, and a tilt lasts as long as it should. */
static void every_few_looks_keep_the_clocks_in_order(void **state)
{
    static const int64_t looks[][3] = {{200, 200, 0},  {2000, 2000, 0}, {5000, 200, 0},
                                       {-700, 200, 0}, {200, -1, 0},    {200, 900, 0},
                                       {600, 600, 600}};
    uint32_t count = ARRAY_LEN(looks), all = 1;

    (void)state;
    for (int i = 0; i < 6; i++)
        all *= count;
    for (uint32_t sequence = 0; sequence < all; sequence++) {
        struct node *node = begun();
        uint32_t rest = sequence;

        for (int i = 0; i < 6; i++, rest /= count) {
            const int64_t *look = looks[rest % count];
            struct tilt before = node->tilt;
            struct tilt_verdict verdict = pass(node, look[0], look[1], look[0], look[2]);

            assert_true(node->tilt.fast.ns >= before.fast.ns);
            assert_true(node->tilt.slow.ns >= before.slow.ns);
            assert_true(ns_between(before.fast, node->tilt.fast) >=
                        ns_between(before.slow, node->tilt.slow));
            assert_int_equal(verdict.drop, rest % count >= 2);
            assert_true(!verdict.ended || rest % count == 1 || i > 0);
            assert_int_equal(node->tilt.tilted, verdict.drop || (before.tilted && !verdict.ended));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_clocks_and_punctual_turns_are_no_tilt),
        cmocka_unit_test(a_late_turn_tilts_until_all_was_well_for_a_while),
        cmocka_unit_test(what_the_clocks_did_wrong_is_named_and_measured),
        cmocka_unit_test(a_drift_too_small_for_one_look_is_found_in_the_sum),
        cmocka_unit_test(a_jump_is_believed_by_the_fast_clock_forward_and_by_neither_backward),
        cmocka_unit_test(an_end_on_the_fast_clock_is_given_as_boot_time),
        cmocka_unit_test(no_jump_makes_a_holder_count_long_or_a_grantor_short),
        cmocka_unit_test(every_few_looks_keep_the_clocks_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
