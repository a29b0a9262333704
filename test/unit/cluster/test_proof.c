#include "cluster/proof.h"
#include "unit.h"

enum { WINDOW_MS = 1000 };

static const struct life subject = {3, 8};

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static bool refused(struct proof *proof, uint32_t reporter, struct life about, int64_t ms)
{
    struct proof_report report = {PROOF_REFUSED, reporter, true, about};

    return proof_report(proof, &report, at_ms(ms));
}

static struct proof *begun(void)
{
    static struct proof proof;

    proof_init(&proof, WINDOW_MS * NS_PER_MS);
    return &proof;
}

static void two_voters_within_the_window_prove_a_death(void **state)
{
    struct proof *proof = begun();

    (void)state;
    assert_false(refused(proof, 1, subject, 0));
    assert_false(refused(proof, 1, subject, 100));
    assert_false(proof_dead(proof, subject, at_ms(100)));
    assert_true(refused(proof, 2, subject, 1100));
    assert_false(refused(proof, 2, subject, 1100));
    assert_true(proof_dead(proof, subject, at_ms(1100)));
    assert_false(proof_dead(proof, subject, at_ms(1101)));
}

static void what_refused_long_ago_is_refused_no_more(void **state)
{
    struct proof *proof = begun();
    struct proof_refusals refusals = {.at = {at_ms(100), {0}}};

    (void)state;
    assert_false(proof_refused_by_all(proof, &refusals, 2, at_ms(200)));
    refusals.at[1] = at_ms(900);
    assert_true(proof_refused_by_all(proof, &refusals, 2, at_ms(1100)));
    assert_false(proof_refused_by_all(proof, &refusals, 2, at_ms(1101)));
    refusals.at[0] = at_ms(1500);
    assert_true(proof_refused_by_all(proof, &refusals, 2, at_ms(1500)));
    assert_false(proof_refused_by_all(proof, &refusals, 0, at_ms(1500)));
}

static void one_voter_the_member_itself_and_non_voters_prove_nothing(void **state)
{
    struct proof *proof = begun();
    struct proof_report learner = {PROOF_REFUSED, 4, false, subject};
    struct proof_report stranger = {PROOF_EXITED, 1, true, subject};

    (void)state;
    assert_false(refused(proof, 1, subject, 0));
    assert_false(refused(proof, 3, subject, 0));
    assert_false(refused(proof, 0, subject, 0));
    assert_false(proof_report(proof, &learner, at_ms(0)));
    assert_false(proof_report(proof, &stranger, at_ms(0)));
    assert_false(proof_dead(proof, subject, at_ms(0)));
}

static void its_own_node_saw_it_exit(void **state)
{
    struct proof *proof = begun();
    struct proof_report report = {PROOF_EXITED, 3, false, subject};

    (void)state;
    assert_true(proof_report(proof, &report, at_ms(0)));
    assert_true(proof_dead(proof, subject, at_ms(1000000)));
    assert_false(proof_dead(proof, (struct life){3, 9}, at_ms(0)));
}

static void a_later_beat_voids_what_was_reported(void **state)
{
    struct proof *proof = begun();

    (void)state;
    assert_false(refused(proof, 1, subject, 0));
    proof_beat(proof, subject);
    assert_false(refused(proof, 2, subject, 10));
    assert_true(refused(proof, 1, subject, 20));
    proof_beat(proof, (struct life){3, 9});
    assert_true(proof_dead(proof, subject, at_ms(20)));
    proof_beat(proof, subject);
    assert_false(proof_dead(proof, subject, at_ms(20)));
}

static void a_proof_is_about_one_incarnation(void **state)
{
    struct proof *proof = begun();
    struct life next = {3, 9};

    (void)state;
    assert_false(refused(proof, 1, subject, 0));
    assert_false(refused(proof, 2, next, 0));
    assert_false(refused(proof, 2, subject, 0));
    assert_false(proof_dead(proof, subject, at_ms(0)));
    assert_true(refused(proof, 1, next, 0));
    assert_false(proof_dead(proof, subject, at_ms(0)));
    proof_forget(proof, 3);
    assert_false(proof_dead(proof, next, at_ms(0)));
}

static void more_subjects_and_reporters_than_there_can_be_are_bounded(void **state)
{
    struct proof *proof = begun();

    (void)state;
    for (uint32_t member = 100; member < 200; member++)
        (void)refused(proof, 1, (struct life){member, 1}, 0);
    for (uint32_t reporter = 1; reporter < 50; reporter++)
        (void)refused(proof, reporter, (struct life){100, 1}, reporter);
    assert_true(proof_dead(proof, (struct life){100, 1}, at_ms(50)));
    assert_false(proof_dead(proof, (struct life){199, 1}, at_ms(50)));
}

/* The plain model: dead when two of the reports since the last beat of that incarnation are fresh. */
struct model {
    int64_t at_ms[4];
};

static bool plainly(const struct model *model, int64_t now_ms)
{
    int fresh = 0;

    for (int i = 0; i < 4; i++)
        fresh += model->at_ms[i] >= 0 && now_ms - model->at_ms[i] <= WINDOW_MS;
    return fresh >= 2;
}

static void every_few_events_agree_with_the_plain_model(void **state)
{
    enum { EVENTS = 8, DEPTH = 7 };
    uint32_t all = 1;

    (void)state;
    for (int i = 0; i < DEPTH; i++)
        all *= EVENTS;
    for (uint32_t sequence = 0; sequence < all; sequence++) {
        struct proof *proof = begun();
        struct model model = {{-1, -1, -1, -1}};
        int64_t now_ms = 0;
        uint32_t rest = sequence;

        for (int i = 0; i < DEPTH; i++, rest /= EVENTS) {
            uint32_t event = rest % EVENTS;

            if (event < 3) {
                bool before = plainly(&model, now_ms);

                model.at_ms[event == 2 ? 3 : event] = now_ms;
                assert_int_equal(refused(proof, event == 2 ? 5 : event + 1, subject, now_ms),
                                 !before && plainly(&model, now_ms));
            } else if (event == 3) {
                proof_beat(proof, subject);
                model = (struct model){{-1, -1, -1, -1}};
            } else if (event == 4) {
                assert_false(refused(proof, 1, (struct life){3, 7}, now_ms));
            } else if (event == 5) {
                proof_beat(proof, (struct life){3, 9});
            } else {
                now_ms += event == 6 ? 400 : 1001;
            }
            assert_int_equal(proof_dead(proof, subject, at_ms(now_ms)), plainly(&model, now_ms));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_voters_within_the_window_prove_a_death),
        cmocka_unit_test(what_refused_long_ago_is_refused_no_more),
        cmocka_unit_test(one_voter_the_member_itself_and_non_voters_prove_nothing),
        cmocka_unit_test(its_own_node_saw_it_exit),
        cmocka_unit_test(a_later_beat_voids_what_was_reported),
        cmocka_unit_test(a_proof_is_about_one_incarnation),
        cmocka_unit_test(more_subjects_and_reporters_than_there_can_be_are_bounded),
        cmocka_unit_test(every_few_events_agree_with_the_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
