#include "failover/elect.h"
#include "world.h"

/* `a` is dead and isolated; nobody has promised. */
static void lose_a(struct world *w, enum group_mode mode, uint8_t acks, uint32_t count)
{
    world_init(w, mode, acks, count);
    world_serving(w, 100);
    dies(w, A);
    run(w);
    assert_int_equal(w->view.body.primary, 0);
}

static uint32_t primary(const struct world *w)
{
    return w->view.body.primary;
}

static const char *why_not(struct world *w, uint32_t place)
{
    static struct elected e;

    elect(&w->f, &w->view, ELECT_NOW, w->now, &e);
    assert_false(e.outlook.candidates[place].eligible);
    return e.outlook.candidates[place].why;
}

static const char *why_nobody(struct world *w)
{
    static struct failover_outlook outlook;

    failover_outlook(&w->f, &w->view, w->now, &outlook);
    assert_int_equal(outlook.winner, NOBODY_WINS);
    return outlook.why_nobody;
}

/* ---- semi-sync ---- */

/* One of b and c alone may lack what the other acknowledged. */
static void semi_sync_needs_enough_promises(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SEMI_SYNC, 1, 3);
    promises(&w, B, 100);
    wait_ms(&w, 5000);
    assert_int_equal(primary(&w), 0);
    assert_string_equal(why_nobody(&w),
                        "2 of 3 members in sync must have promised, 1 has: a is dead; "
                        "c has not promised epoch 2 yet");
    promises(&w, C, 120);
    run(&w);
    assert_int_equal(primary(&w), C + 1);
}

/* Whoever is not as long as the winner leaves, or a later election might choose it alone. */
static void semi_sync_keeps_only_equals_in_sync(void **state)
{
    struct world w;
    char text[32];

    (void)state;
    lose_a(&w, GROUP_SEMI_SYNC, 1, 4);
    promises(&w, B, 100);
    promises(&w, C, 120);
    promises(&w, D, 120);
    run(&w);
    assert_string_equal(set_text(&w.view.body.in_sync, text), "cd");
    assert_int_equal(w.view.body.eligible.count, 0);
}

static void more_acks_need_fewer_promises(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SEMI_SYNC, 2, 4);
    promises(&w, B, 100);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), 0);
    promises(&w, C, 100);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), B + 1);
}

static void the_former_primary_alone_has_all(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SEMI_SYNC, 1, 3, 100);
    dies(&w, B);
    dies(&w, C);
    says(&w, A, ENGINE_STOPPED);
    run(&w);
    assert_int_equal(primary(&w), 0);
    says(&w, A, ENGINE_RUNNING);
    promises(&w, A, 130);
    run(&w);
    assert_int_equal(primary(&w), A + 1);
}

/* What a candidate acknowledged before it failed, the primary before it need not have. */
static void the_primary_before_a_failed_candidate_is_not_enough(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SEMI_SYNC, 1, 3, 100);
    member(&w, B)->priority = 101;
    says(&w, A, ENGINE_STOPPED);
    run(&w);
    says(&w, A, ENGINE_RUNNING);
    for (uint32_t i = A; i <= C; i++)
        promises(&w, i, 100);
    run(&w);
    assert_int_equal(primary(&w), B + 1);
    dies(&w, B);
    dies(&w, C);
    run(&w);
    assert_int_equal(primary(&w), 0);
    promises(&w, A, 100);
    wait_ms(&w, 20000);
    assert_int_equal(primary(&w), 0);
    member(&w, C)->health = FAILOVER_ALIVE;
    promises(&w, C, 110);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), C + 1);
}

/* Writes were acknowledged by the primary alone: nobody else may have them. */
static void a_degraded_group_needs_all(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SEMI_SYNC, 1, 3, 100);
    w.view.body.degraded = true;
    w.view.version = ++w.versions;
    dies(&w, A);
    run(&w);
    promises(&w, B, 100);
    promises(&w, C, 100);
    wait_ms(&w, 20000);
    assert_int_equal(primary(&w), 0);
    member(&w, A)->health = FAILOVER_ALIVE;
    promises(&w, A, 150);
    run(&w);
    assert_int_equal(primary(&w), A + 1);
    assert_false(w.view.body.degraded);
}

static void who_may_not_be_primary_still_counts_and_still_is_ahead(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SEMI_SYNC, 1, 3);
    member(&w, C)->priority = 0;
    promises(&w, B, 100);
    promises(&w, C, 120);
    wait_ms(&w, 1000);
    assert_int_equal(primary(&w), 0);
    assert_string_equal(why_not(&w, B), "is behind c");
    promises(&w, B, 120);
    run(&w);
    assert_int_equal(primary(&w), B + 1);
}

static void body_of(struct group_body *body, bool degraded, uint32_t primary)
{
    *body = (struct group_body){
        .mode = GROUP_SEMI_SYNC, .acks = 1, .degraded = degraded, .primary = primary};
    for (uint32_t i = 1; i <= 3; i++)
        life_set_put(&body->in_sync, (struct life){i, 1});
}

/* With a primary that stays, all that is acknowledged is at least there; without, at most one may be missing. */
static void who_is_forgotten_under_semi_sync_may_have_been_needed(void **state)
{
    struct group_body body;

    (void)state;
    body_of(&body, false, 1);
    group_forget(&body, 2);
    group_forget(&body, 3);
    assert_true(body.degraded);
    assert_int_equal(body.in_sync.count, 1);
    body_of(&body, false, 0);
    group_forget(&body, 2);
    assert_true(body.degraded);
    assert_int_equal(body.in_sync.count, 2);
    group_forget(&body, 3);
    assert_int_equal(body.in_sync.count, 0);
    body_of(&body, true, 1);
    group_forget(&body, 1);
    assert_int_equal(body.in_sync.count, 0);
    body_of(&body, false, 0);
    body.mode = GROUP_SYNC;
    group_forget(&body, 2);
    group_forget(&body, 3);
    assert_int_equal(body.in_sync.count, 1);
    assert_false(body.degraded);
}

/* ---- sync ---- */

static void sync_waits_for_the_others_and_takes_the_longest(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SYNC, 0, 3);
    promises(&w, B, 100);
    wait_ms(&w, 400);
    assert_int_equal(primary(&w), 0);
    promises(&w, C, 101);
    run(&w);
    assert_int_equal(primary(&w), C + 1);
}

static void sync_does_not_wait_for_ever(void **state)
{
    struct world w;
    char text[32];

    (void)state;
    lose_a(&w, GROUP_SYNC, 0, 3);
    promises(&w, B, 100);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), B + 1);
    assert_string_equal(set_text(&w.view.body.in_sync, text), "b");
}

static void priority_decides_between_equals_and_then_the_zone(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SYNC, 0, 4);
    member(&w, C)->priority = member(&w, D)->priority = 200;
    member(&w, D)->zone = member(&w, A)->zone;
    promises(&w, B, 100);
    promises(&w, C, 100);
    promises(&w, D, 100);
    run(&w);
    assert_int_equal(primary(&w), D + 1);
}

/* Below min_in_sync nothing is acknowledged: who was there has all. */
static void who_leaves_below_the_minimum_stays_eligible(void **state)
{
    struct world w;
    char text[32];

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    w.view.wanted.min_in_sync = 2;
    world_serving(&w, 100);
    dies(&w, A);
    run(&w);
    promises(&w, B, 100);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), B + 1);
    assert_string_equal(set_text(&w.view.body.eligible, text), "ac");
    serves(&w);
    run(&w);
    dies(&w, B);
    run(&w);
    promises(&w, C, 100);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), C + 1);
}

/* It has to take something back first. */
static void who_is_longer_than_the_winner_leaves(void **state)
{
    struct world w;
    char text[32];

    (void)state;
    lose_a(&w, GROUP_SYNC, 0, 3);
    member(&w, C)->priority = 0;
    promises(&w, B, 100);
    promises(&w, C, 101);
    run(&w);
    assert_int_equal(primary(&w), B + 1);
    assert_string_equal(set_text(&w.view.body.in_sync, text), "b");
}

/* ---- async ---- */

static void async_takes_the_most_advanced_within_the_lag(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_ASYNC, 0, 3);
    w.f.best = (struct position){1, 2000};
    promises(&w, B, 900);
    wait_ms(&w, 600);
    assert_int_equal(primary(&w), 0);
    assert_string_equal(why_not(&w, B), "is 1100 bytes behind, and max_lag is 1000");
    promises(&w, C, 1200);
    run(&w);
    assert_int_equal(primary(&w), C + 1);
    serves(&w);
    run(&w);
    wait_ms(&w, 300);
    assert_true(w.record.lost_bytes == 800);
    assert_false(w.record.unclean);
}

static void async_waits_for_all_who_are_alive(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_ASYNC, 0, 3);
    promises(&w, B, 100);
    run(&w);
    wait_ms(&w, 400);
    assert_int_equal(primary(&w), 0);
    wait_ms(&w, 100);
    assert_int_equal(primary(&w), B + 1);
}

/* ---- who is never chosen, and the sentence that says why ---- */

static void stranger(struct world *w)
{
    life_set_drop(&w->view.body.in_sync, B + 1);
}

static void another_life(struct world *w)
{
    member(w, B)->life.incarnation = member(w, B)->report.life.incarnation = 2;
}

static void unknown(struct world *w)
{
    life_set_drop(&w->view.body.in_sync, B + 1);
    member(w, B)->life = (struct life){0};
}

static void never_primary(struct world *w)
{
    member(w, B)->priority = 0;
}

static void dead(struct world *w)
{
    dies(w, B);
}

static void suspected(struct world *w)
{
    member(w, B)->health = FAILOVER_SUSPECTED;
}

static void unheard(struct world *w)
{
    member(w, B)->heard = false;
}

static void in_maintenance(struct world *w)
{
    member(w, B)->maintenance = true;
}

static void loading(struct world *w)
{
    member(w, B)->report.loading = true;
}

static void stuck(struct world *w)
{
    member(w, B)->report.state = ENGINE_STUCK;
    strcpy(member(w, B)->report.sentence, "no answer for 2 s");
}

static void refuses(struct world *w)
{
    member(w, B)->report.refused = true;
    strcpy(member(w, B)->report.sentence, "the disk is full");
}

static void promised_an_older_epoch(struct world *w)
{
    member(w, B)->report.promised--;
}

static void speaks_of_an_older_epoch(struct world *w)
{
    member(w, B)->report.epoch--;
}

/* A primary that began again empty would empty the others. */
static void began_again_empty(struct world *w)
{
    member(w, B)->report.position = (struct position){0};
}

static void who_is_never_chosen(void **state)
{
    static const struct {
        void (*make)(struct world *w);
        const char *why;
    } rows[] = {
        {stranger, "is not in sync"},
        {another_life, "began again, and has not said what it still has"},
        {unknown, "is no member of the cluster yet"},
        {never_primary, "is never to be primary: its priority is 0"},
        {dead, "is dead"},
        {suspected, "is not heard from"},
        {unheard, "has said nothing of its engine since it began"},
        {in_maintenance, "is in maintenance"},
        {loading, "is in the middle of a copy"},
        {stuck, "has an engine that is stuck: no answer for 2 s"},
        {refuses, "refused: the disk is full"},
        {promised_an_older_epoch, "has not promised epoch 2 yet"},
        {speaks_of_an_older_epoch, "has not promised epoch 2 yet"},
        {began_again_empty, "has less than it had before"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;

        lose_a(&w, GROUP_SYNC, 0, 2);
        promises(&w, B, 100);
        rows[i].make(&w);
        wait_ms(&w, 15000);
        assert_int_equal(primary(&w), 0);
        assert_string_equal(why_not(&w, B), rows[i].why);
        assert_int_equal(failover_phase_of(&w.f), FAILOVER_STRANDED);
    }
}

/* The row above without what is wrong: it is chosen. */
static void who_lacks_nothing_is_chosen(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SYNC, 0, 2);
    promises(&w, B, 100);
    run(&w);
    assert_int_equal(primary(&w), B + 1);
}

/* ---- the outlook ---- */

static void the_outlook_says_who_would_follow(void **state)
{
    struct world w;
    struct failover_outlook outlook;

    (void)state;
    world_serves(&w, GROUP_SEMI_SYNC, 1, 3, 100);
    member(&w, C)->report.position.offset = 140;
    run(&w);
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_int_equal(outlook.winner, C);
    assert_string_equal(outlook.candidates[A].why, "is the primary");
    assert_true(outlook.loss_bytes == 0);
    assert_int_equal(outlook.expected_ms, 1000 + 500 + 300);
    dies(&w, B);
    run(&w);
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_int_equal(outlook.winner, NOBODY_WINS);
    assert_string_equal(
        outlook.why_nobody,
        "2 of 3 members in sync would have to promise, 1 would: a is the primary; b is dead");
}

static uint32_t next(struct world *w)
{
    struct failover_outlook outlook;

    failover_outlook(&w->f, &w->view, w->now, &outlook);
    return outlook.winner;
}

/* Positions that move are heard of at other moments; only who lags is shorter for sure. */
static void the_outlook_takes_all_who_keep_up_for_equals(void **state)
{
    static const enum group_mode modes[] = {GROUP_ASYNC, GROUP_SEMI_SYNC, GROUP_SYNC};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct world w;

        world_serves(&w, modes[i], modes[i] == GROUP_SEMI_SYNC, 3, 100);
        run(&w);
        member(&w, B)->priority = 150;
        member(&w, C)->report.position.offset = 140;
        member(&w, B)->current = member(&w, C)->current = true;
        assert_int_equal(next(&w), B);
        member(&w, C)->priority = 150;
        assert_int_equal(next(&w), B); /* neither by whoever was heard of last */
        member(&w, C)->priority = 151;
        assert_int_equal(next(&w), C);
        member(&w, C)->report.position.offset = 60;
        assert_int_equal(next(&w), C);
        member(&w, C)->current = false;
        assert_int_equal(next(&w), B);
    }
}

/* Frozen, they are of one moment: the longest it is, whatever it was like before. */
static void what_is_frozen_is_compared_to_the_byte(void **state)
{
    struct world w;

    (void)state;
    lose_a(&w, GROUP_SEMI_SYNC, 1, 3);
    member(&w, B)->priority = 150;
    member(&w, B)->current = member(&w, C)->current = true;
    promises(&w, B, 100);
    promises(&w, C, 101);
    run(&w);
    assert_int_equal(primary(&w), C + 1);
}

static void the_outlook_prefers_the_zone_of_the_primary(void **state)
{
    struct world w;
    struct failover_outlook outlook;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    member(&w, C)->zone = member(&w, A)->zone;
    world_serving(&w, 100);
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_int_equal(outlook.winner, C);
}

/* Nothing else happened since: the window alone has passed. */
static void the_outlook_forgives_who_flapped_long_ago(void **state)
{
    struct world w;
    struct failover_outlook outlook;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    member(&w, B)->priority = 200;
    for (uint32_t i = 0; i < 3; i++)
        w.f.losses[i] = (struct failover_loss){B + 1, w.f.since};
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_int_equal(outlook.winner, C);
    w.now = after_ms(w.now, 600000);
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_int_equal(outlook.winner, B);
}

/* An older epoch may be another way: how much of the newer one is missing, its length does not say. */
static void what_an_older_epoch_lacks_is_not_known(void **state)
{
    struct world w;
    struct failover_outlook outlook;

    (void)state;
    world_serves(&w, GROUP_ASYNC, 0, 2, 100);
    member(&w, B)->report.position = (struct position){w.view.epoch, 60};
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_true(outlook.loss_bytes == 40);
    member(&w, B)->report.position = (struct position){w.view.epoch - 1, 90};
    failover_outlook(&w.f, &w.view, w.now, &outlook);
    assert_int_equal(outlook.winner, B);
    assert_true(outlook.loss_bytes == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(semi_sync_needs_enough_promises),
        cmocka_unit_test(semi_sync_keeps_only_equals_in_sync),
        cmocka_unit_test(more_acks_need_fewer_promises),
        cmocka_unit_test(the_former_primary_alone_has_all),
        cmocka_unit_test(the_primary_before_a_failed_candidate_is_not_enough),
        cmocka_unit_test(a_degraded_group_needs_all),
        cmocka_unit_test(who_may_not_be_primary_still_counts_and_still_is_ahead),
        cmocka_unit_test(who_is_forgotten_under_semi_sync_may_have_been_needed),
        cmocka_unit_test(sync_waits_for_the_others_and_takes_the_longest),
        cmocka_unit_test(sync_does_not_wait_for_ever),
        cmocka_unit_test(priority_decides_between_equals_and_then_the_zone),
        cmocka_unit_test(who_leaves_below_the_minimum_stays_eligible),
        cmocka_unit_test(who_is_longer_than_the_winner_leaves),
        cmocka_unit_test(async_takes_the_most_advanced_within_the_lag),
        cmocka_unit_test(async_waits_for_all_who_are_alive),
        cmocka_unit_test(who_is_never_chosen),
        cmocka_unit_test(who_lacks_nothing_is_chosen),
        cmocka_unit_test(the_outlook_says_who_would_follow),
        cmocka_unit_test(the_outlook_takes_all_who_keep_up_for_equals),
        cmocka_unit_test(what_is_frozen_is_compared_to_the_byte),
        cmocka_unit_test(the_outlook_prefers_the_zone_of_the_primary),
        cmocka_unit_test(the_outlook_forgives_who_flapped_long_ago),
        cmocka_unit_test(what_an_older_epoch_lacks_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
