#include "base/rng.h"
#include "cluster/detector.h"
#include "unit.h"

#include <math.h>

static const struct detector_rules rules = {.heartbeat_ns = 200 * NS_PER_MS, .beats = 5};
static const struct life peer = {2, 4};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void expect(double value, double wanted)
{
    assert_true(fabs(value - wanted) < 0.015 * fmax(1, fabs(wanted)));
}

static void phi_follows_the_formula(void **state)
{
    (void)state;
    /* P is one half at the mean; one, two and three deviations after it as the normal distribution has them, to the approximation. */
    expect(detector_phi_of(100, 100, 10), 0.30103);
    expect(detector_phi_of(110, 100, 10), -log10(exp(-1.668166) / (1 + exp(-1.668166))));
    expect(detector_phi_of(110, 100, 10), -log10(0.158655));
    expect(detector_phi_of(120, 100, 10), -log10(0.02275));
    expect(detector_phi_of(130, 100, 10), -log10(0.00135));
    expect(detector_phi_of(90, 100, 10), -log10(0.841345));
    assert_true(detector_phi_of(0, 100, 10) >= 0);
}

static void phi_of_a_very_long_silence_is_a_number(void **state)
{
    double before = 0;

    (void)state;
    for (double silence = 1; silence < 1e12; silence *= 3) {
        double phi = detector_phi_of(silence, 200, 50);

        assert_true(isfinite(phi));
        assert_true(phi >= before);
        before = phi;
    }
}

/* Beats every `ms` until `until_ms`; the moment of the last. */
static int64_t beats(struct detector *detector, int64_t from_ms, int64_t until_ms, int64_t ms)
{
    struct detector_changes changes;
    int64_t now = from_ms;

    for (; now + ms <= until_ms; now += ms)
        detector_heard(detector, peer, at_ms(now + ms), &changes);
    return now;
}

static struct detector *watching(void)
{
    static struct detector detector;

    detector_init(&detector, &rules);
    detector_watch(&detector, peer.member, at_ms(0));
    return &detector;
}

/* When the silence that begins now is suspected, in milliseconds of it. */
static int64_t suspected_after_ms(struct detector *detector, int64_t last_ms)
{
    struct instant deadline = detector_next_deadline(detector);
    struct detector_changes changes;

    detector_step(detector, (struct instant){deadline.ns - 1}, &changes);
    assert_int_equal(changes.count, 0);
    detector_step(detector, deadline, &changes);
    assert_int_equal(changes.count, 1);
    assert_true(changes.changes[0].suspected);
    assert_true(changes.changes[0].phi >= detector_threshold(detector) * 0.999);
    return ns_between(at_ms(last_ms), deadline) / NS_PER_MS;
}

static void a_silent_node_is_suspected_after_the_threshold_of_beats(void **state)
{
    struct detector *detector = watching();
    int64_t last = beats(detector, 0, 60000, 200);

    (void)state;
    assert_int_equal(suspected_after_ms(detector, last), 1000);
    /* And one that was never heard, too. */
    assert_int_equal(suspected_after_ms(watching(), 0), 1000);
}

static void one_lost_beat_never_convicts(void **state)
{
    static const struct detector_rules quick = {.heartbeat_ns = 200 * NS_PER_MS, .beats = 1};
    struct detector detector;
    struct detector_changes changes;
    int64_t last;

    (void)state;
    detector_init(&detector, &quick);
    detector_watch(&detector, peer.member, at_ms(0));
    last = beats(&detector, 0, 60000, 200);
    detector_step(&detector, at_ms(last + 450), &changes);
    assert_int_equal(changes.count, 0);
    assert_int_equal(suspected_after_ms(&detector, last), 500);
}

static void an_irregular_peer_is_given_more_time_up_to_a_bound(void **state)
{
    struct detector *detector = watching();
    struct detector_changes changes;
    struct rng rng;
    int64_t now = 0, after;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 1000; i++) {
        now += rng_between(&rng, 20, 380);
        detector_heard(detector, peer, at_ms(now), &changes);
    }
    after = suspected_after_ms(detector, now);
    assert_in_range(after, 1400, 2200);

    detector = watching();
    now = 0;
    for (int i = 0; i < 1000; i++) {
        now += i % 2 ? 1 : 900;
        detector_heard(detector, peer, at_ms(now), &changes);
    }
    assert_in_range(suspected_after_ms(detector, now), 2000, 4000);
}

static void who_is_heard_again_is_cleared_and_the_gap_teaches_nothing(void **state)
{
    struct detector *detector = watching();
    struct detector_changes changes;
    int64_t last = beats(detector, 0, 20000, 200);

    (void)state;
    (void)suspected_after_ms(detector, last);
    detector_step(detector, at_ms(last + 50000), &changes);
    assert_int_equal(changes.count, 0);
    assert_int_equal(detector_next_deadline(detector).ns, NEVER.ns);
    detector_heard(detector, peer, at_ms(last + 60000), &changes);
    assert_int_equal(changes.count, 1);
    assert_false(changes.changes[0].suspected);
    assert_int_equal(changes.changes[0].silent_ns, 60 * NS_PER_S);
    assert_int_equal(suspected_after_ms(detector, last + 60000), 1000);
}

static void a_new_incarnation_begins_anew_and_an_old_one_is_not_heard(void **state)
{
    struct detector *detector = watching();
    struct detector_changes changes;
    int64_t last = beats(detector, 0, 5000, 250);

    (void)state;
    (void)suspected_after_ms(detector, last);
    detector_heard(detector, (struct life){2, 3}, at_ms(last + 2000), &changes);
    assert_int_equal(changes.count, 0);
    assert_true(detector_suspects(detector, 2));
    detector_heard(detector, (struct life){2, 5}, at_ms(last + 2000), &changes);
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.changes[0].life.incarnation, 5);
    assert_int_equal(detector_peer_of(detector, 2)->count, 0);
    assert_int_equal(suspected_after_ms(detector, last + 2000), 1000);
}

static void who_is_late_itself_accuses_later_and_recovers(void **state)
{
    struct detector *detector = watching();
    int64_t last = beats(detector, 0, 20000, 200);
    double calm = detector_threshold(detector);

    (void)state;
    detector_own_timer(detector, 99 * NS_PER_MS);
    assert_int_equal(detector->score, 0);
    for (int i = 0; i < 100; i++)
        detector_own_timer(detector, 101 * NS_PER_MS);
    assert_int_equal(detector->score, DETECTOR_SCORE_MAX);
    assert_true(detector_threshold(detector) > calm);
    assert_int_equal(suspected_after_ms(detector, last), 5000);
    for (int i = 0; i < DETECTOR_SCORE_MAX; i++)
        detector_own_timer(detector, 0);
    expect(detector_threshold(detector), calm);
}

static void after_an_own_pause_nobody_is_accused_of_the_silence(void **state)
{
    struct detector *detector = watching();
    int64_t last = beats(detector, 0, 20000, 200);
    struct detector_changes changes;

    (void)state;
    detector_pardon(detector, at_ms(last + 30000));
    detector_step(detector, at_ms(last + 30000), &changes);
    assert_int_equal(changes.count, 0);
    detector_heard(detector, peer, at_ms(last + 30010), &changes);
    assert_int_equal(suspected_after_ms(detector, last + 30010), 1000);
}

static void who_is_not_watched_is_nobody(void **state)
{
    struct detector *detector = watching();
    struct detector_changes changes;

    (void)state;
    detector_heard(detector, (struct life){9, 1}, at_ms(10), &changes);
    assert_int_equal(changes.count, 0);
    assert_null(detector_peer_of(detector, 9));
    assert_null(detector_peer_of(detector, 0));
    detector_forget(detector, peer.member);
    assert_int_equal(detector_next_deadline(detector).ns, NEVER.ns);
    for (uint32_t member = 10; member < 40; member++)
        detector_watch(detector, member, at_ms(0));
    detector_step(detector, at_ms(100000), &changes);
    assert_int_equal(changes.count, CLUSTER_NODES_MAX);
}

/* The sums are those of the window, after any number of intervals of any size. */
static void sums_stay_exact(void **state)
{
    struct detector *detector = watching();
    const struct detector_peer *known = detector_peer_of(detector, peer.member);
    struct detector_changes changes;
    struct rng rng;
    struct instant now = at_ms(0);
    int64_t sum = 0, squares = 0;

    (void)state;
    rng_seed(&rng, 8);
    for (int i = 0; i < 20000; i++) {
        now = after_ns(now,
                       rng_between(&rng, 0, rng_chance(&rng, 0.01) ? 5000 * NS_PER_S : NS_PER_S));
        detector_heard(detector, peer, now, &changes);
    }
    for (uint32_t i = 0; i < known->count; i++) {
        sum += known->window[i];
        squares += (int64_t)known->window[i] * known->window[i];
    }
    assert_int_equal(known->count, DETECTOR_WINDOW);
    assert_int_equal(known->sum, sum);
    assert_int_equal(known->squares, squares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phi_follows_the_formula),
        cmocka_unit_test(phi_of_a_very_long_silence_is_a_number),
        cmocka_unit_test(a_silent_node_is_suspected_after_the_threshold_of_beats),
        cmocka_unit_test(one_lost_beat_never_convicts),
        cmocka_unit_test(an_irregular_peer_is_given_more_time_up_to_a_bound),
        cmocka_unit_test(who_is_heard_again_is_cleared_and_the_gap_teaches_nothing),
        cmocka_unit_test(a_new_incarnation_begins_anew_and_an_old_one_is_not_heard),
        cmocka_unit_test(who_is_late_itself_accuses_later_and_recovers),
        cmocka_unit_test(after_an_own_pause_nobody_is_accused_of_the_silence),
        cmocka_unit_test(who_is_not_watched_is_nobody),
        cmocka_unit_test(sums_stay_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
