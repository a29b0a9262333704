#include "failover/elect.h"
#include "world.h"

/* Detect, isolate, promise, choose, promote, record. */
static void a_dead_process_is_replaced_by_the_longest_in_sync(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    says(&w, A, ENGINE_STOPPED);
    w.held = true;
    run(&w);
    wait_ms(&w, 300);
    w.held = false;
    wait_ms(&w, 100);
    promises(&w, B, 100);
    run(&w);
    promises(&w, C, 110);
    wait_ms(&w, 300);
    serves(&w);
    run(&w);
    wait_ms(&w, 1000);
    assert_string_equal(
        w.story,
        "[ 2000] update primary 0 in sync abc\n"
        "[ 2400] failover-began: a is primary no more: its process ended\n"
        "[ 2500] update primary c in sync bc\n"
        "[ 2900] failover-done: c is primary in epoch 3 after a: 700 ms (its process ended)\n");
    assert_int_equal(w.record.fence_ms, 400);
    assert_int_equal(w.record.promise_ms, 100);
    assert_int_equal(w.record.promote_ms, 200);
    assert_int_equal(w.record.total_ms, 700);
}

static int64_t known(int64_t ms)
{
    return ms < 0 ? 0 : ms;
}

static void assert_sum(const struct failover_record *r)
{
    assert_int_equal(known(r->detect_ms) + known(r->decide_ms) + known(r->fence_ms) +
                         known(r->promise_ms) + known(r->promote_ms) + known(r->verify_ms),
                     r->total_ms);
}

static void silence_waits_for_the_lease_and_is_measured_from_the_last_word(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    member(&w, A)->health = FAILOVER_SUSPECTED;
    w.now = after_ms(w.now, 400);
    w.held = true;
    run(&w);
    wait_ms(&w, 600);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_ISOLATING);
    w.held = false;
    run(&w);
    promises(&w, B, 100);
    run(&w);
    member(&w, B)->report.role = ENGINE_PRIMARY;
    member(&w, B)->report.epoch = w.view.epoch;
    wait_ms(&w, 200);
    wait_ms(&w, 50);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_int_equal(w.records, 1);
    assert_int_equal(w.record.detect_ms, 400);
    assert_int_equal(w.record.decide_ms, 0);
    assert_int_equal(w.record.fence_ms, 600);
    assert_int_equal(w.record.promise_ms, 0);
    assert_int_equal(w.record.promote_ms, 100);
    assert_int_equal(w.record.verify_ms, 150);
    assert_sum(&w.record);
}

static void a_false_alarm_ends_without_a_word(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    member(&w, A)->health = FAILOVER_SUSPECTED;
    w.held = true;
    run(&w);
    assert_true(w.out);
    member(&w, A)->health = FAILOVER_ALIVE;
    w.out = false; /* it was refused, for the lease was extended */
    failover_proposed(&w.f, false, w.now);
    wait_ms(&w, 1000);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_WATCHING);
    assert_string_equal(w.story, "[ 2000] update primary 0 in sync ab\n");
}

/* ---- delays ---- */

static void a_delay_of_silence_comes_before_the_isolation(void **state)
{
    struct failover_rules rules = world_rules();
    struct world w;

    (void)state;
    rules.delay_ms[CAUSE_SILENCE] = 2000;
    world_init_with(&w, &rules, world_wanted(GROUP_SYNC, 0), 2);
    world_serving(&w, 100);
    member(&w, A)->health = FAILOVER_SUSPECTED;
    run(&w);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_DELAYING);
    assert_true(failover_next_deadline(&w.f).ns == after_ms(w.now, 2000).ns);
    wait_ms(&w, 1900);
    assert_int_equal(w.view.body.primary, A + 1);
    wait_ms(&w, 100);
    assert_int_equal(w.view.body.primary, 0);
}

static void a_delay_of_the_process_keeps_the_place_for_the_former_primary(void **state)
{
    struct failover_rules rules = world_rules();

    (void)state;
    rules.delay_ms[CAUSE_PROCESS] = 2000;
    for (int back = 0; back < 2; back++) {
        struct world w;

        world_init_with(&w, &rules, world_wanted(GROUP_SYNC, 0), 2);
        world_serving(&w, 100);
        says(&w, A, ENGINE_STOPPED);
        steps_down(&w);
        promises(&w, B, 100);
        run(&w);
        wait_ms(&w, 1900);
        assert_int_equal(w.view.body.primary, 0);
        if (back) {
            says(&w, A, ENGINE_RUNNING);
            promises(&w, A, 101);
        }
        wait_ms(&w, 100);
        assert_int_equal(w.view.body.primary, back ? A + 1 : B + 1);
    }
}

/* ---- candidates ---- */

static void who_cannot_take_over_is_followed_by_the_next(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    dies(&w, A);
    run(&w);
    promises(&w, B, 101);
    promises(&w, C, 100);
    run(&w);
    assert_int_equal(w.view.body.primary, B + 1);
    member(&w, B)->report.epoch = w.view.epoch;
    member(&w, B)->report.refused = true;
    strcpy(member(&w, B)->report.sentence, "the disk is full");
    run(&w);
    promises(&w, C, 100);
    member(&w, B)->report.refused = false;
    promises(&w, B, 100);
    run(&w);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_string_equal(
        w.story,
        "[ 2000] update primary 0 in sync abc\n"
        "[ 2000] failover-began: a is primary no more: its node is dead\n"
        "[ 2000] update primary b in sync bc\n"
        "[ 2000] candidate-failed: b did not take over: it could not take over: the disk is full\n"
        "[ 2000] update primary 0 in sync bc\n"
        "[ 2000] update primary c in sync bc\n"
        "[ 2200] failover-done: c is primary in epoch 5 after a: 0 ms (its node is dead)\n");
}

static void who_answers_no_write_in_time_is_followed_by_the_next(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    dies(&w, A);
    run(&w);
    promises(&w, B, 101);
    promises(&w, C, 100);
    run(&w);
    wait_ms(&w, 9900);
    assert_int_equal(w.view.body.primary, B + 1);
    wait_ms(&w, 200);
    assert_int_equal(w.view.body.primary, 0);
    promises(&w, C, 100);
    promises(&w, B, 100);
    run(&w);
    assert_int_equal(w.view.body.primary, C + 1);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_sum(&w.record);
    assert_int_equal(w.record.total_ms, 10100);
}

static void when_all_have_failed_they_are_tried_again(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    dies(&w, A);
    run(&w);
    promises(&w, B, 100);
    run(&w);
    member(&w, B)->report.epoch = w.view.epoch;
    member(&w, B)->report.refused = true;
    run(&w);
    assert_int_equal(w.view.body.primary, 0);
    member(&w, B)->report.refused = false;
    promises(&w, B, 100);
    wait_ms(&w, 9900);
    assert_int_equal(w.view.body.primary, 0);
    wait_ms(&w, 200);
    assert_int_equal(w.view.body.primary, B + 1);
}

/* ---- who comes in the middle ---- */

static void a_leader_that_comes_in_the_middle_goes_on(void **state)
{
    struct world w;
    struct failover_rules rules = world_rules();

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    dies(&w, A);
    run(&w);
    failover_init(&w.f, &rules);
    wait_ms(&w, 100);
    promises(&w, B, 100);
    run(&w);
    assert_int_equal(w.view.body.primary, B + 1);
    failover_init(&w.f, &rules);
    wait_ms(&w, 100);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_PROMOTING);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_int_equal(w.records, 1);
    assert_int_equal(w.record.from, 0);
    assert_int_equal(w.record.detect_ms, -1);
    assert_int_equal(w.record.promise_ms, -1);
    assert_sum(&w.record);
}

static void who_does_not_lead_does_nothing(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    w.view.able = false;
    dies(&w, A);
    wait_ms(&w, 60000);
    assert_string_equal(w.story, "");
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_STANDING_BY);
    w.view.able = true;
    run(&w);
    assert_int_equal(w.view.body.primary, 0);
}

static void what_was_never_answered_is_asked_again(void **state)
{
    struct world w;
    struct instant asked;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    dies(&w, A);
    step(&w);
    assert_true(w.out);
    w.out = false; /* the driver never says what became of it */
    asked = w.now;
    w.now = after_ms(asked, 10900);
    step(&w);
    assert_false(w.out);
    assert_true(failover_next_deadline(&w.f).ns <= after_ms(asked, 11000).ns);
    w.now = after_ms(asked, 11000);
    step(&w);
    assert_true(w.out);
}

static void what_was_refused_is_asked_again_after_a_heartbeat(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    dies(&w, A);
    step(&w);
    w.out = false;
    failover_proposed(&w.f, false, w.now);
    step(&w);
    assert_false(w.out);
    assert_true(failover_next_deadline(&w.f).ns == after_ms(w.now, 100).ns);
    w.now = after_ms(w.now, 100);
    step(&w);
    assert_true(w.out);
}

static void a_new_leader_waits_a_lease_for_the_primarys_first_word(void **state)
{
    struct world w;
    struct failover_rules rules = world_rules();

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    failover_init(&w.f, &rules);
    member(&w, A)->health = FAILOVER_UNHEARD;
    member(&w, A)->heard = false;
    run(&w);
    wait_ms(&w, 900);
    assert_int_equal(w.view.body.primary, A + 1);
    wait_ms(&w, 100);
    assert_int_equal(w.view.body.primary, 0);
}

/* ---- its agent began again ---- */

static void who_began_again_may_say_that_it_goes_on(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    member(&w, A)->life.incarnation = member(&w, A)->report.life.incarnation = 2;
    run(&w);
    wait_ms(&w, 800);
    assert_int_equal(w.view.body.primary, A + 1);
    life_set_put(&w.view.body.in_sync, member(&w, A)->life);
    w.view.epoch = ++w.epochs;
    w.view.version = ++w.versions;
    wait_ms(&w, 5000);
    assert_int_equal(w.view.body.primary, A + 1);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_WATCHING);
}

static void who_began_again_and_says_nothing_is_replaced(void **state)
{
    struct world w;
    char text[128];

    (void)state;
    world_serves(&w, GROUP_SEMI_SYNC, 1, 3, 100);
    member(&w, A)->life.incarnation = member(&w, A)->report.life.incarnation = 2;
    run(&w);
    wait_ms(&w, 1100);
    /* One of those who may have a write is gone from the set: now both others have to promise. */
    assert_string_equal(body_text(&w.view.body, text), "primary 0 in sync bc degraded");
}

static void who_alone_has_the_data_is_waited_for(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 1, 100);
    member(&w, A)->life.incarnation = member(&w, A)->report.life.incarnation = 2;
    wait_ms(&w, 60000);
    assert_int_equal(w.view.body.primary, A + 1);
    assert_int_equal(w.view.body.in_sync.count, 1);
}

/* ---- nobody may be chosen ---- */

static void a_stranded_group_heals_by_itself(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    for (uint32_t i = 0; i < 3; i++)
        dies(&w, i);
    run(&w);
    wait_ms(&w, 30000);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_STRANDED);
    member(&w, C)->health = FAILOVER_ALIVE;
    promises(&w, C, 100);
    run(&w);
    wait_ms(&w, 600);
    serves(&w);
    run(&w);
    wait_ms(&w, 300);
    assert_string_equal(
        w.story,
        "[ 2000] update primary 0 in sync abc\n"
        "[ 2000] failover-began: a is primary no more: its node is dead\n"
        "[12000] failover-stranded: a is dead; b is dead; c is dead\n"
        "[32000] update primary c in sync c\n"
        "[32800] failover-done: c is primary in epoch 3 after a: 30600 ms (its node is dead)\n");
}

static void the_file_may_accept_loss_after_a_while(void **state)
{
    struct failover_rules rules = world_rules();
    struct world w;

    (void)state;
    rules.unclean = true;
    rules.unclean_after_ms = 60000;
    world_init_with(&w, &rules, world_wanted(GROUP_SYNC, 0), 3);
    world_serving(&w, 100);
    life_set_drop(&w.view.body.in_sync, B + 1);
    life_set_drop(&w.view.body.in_sync, C + 1);
    member(&w, B)->report.linked = member(&w, C)->report.linked = false;
    dies(&w, A);
    run(&w);
    promises(&w, B, 40);
    promises(&w, C, 70);
    run(&w);
    wait_ms(&w, 59900);
    assert_int_equal(w.view.body.primary, 0);
    wait_ms(&w, 100);
    assert_true(w.proposal.unclean);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_string_equal(
        w.story,
        "[ 2000] update primary 0 in sync a\n"
        "[ 2000] failover-began: a is primary no more: its node is dead\n"
        "[12000] failover-stranded: a is dead; b is not in sync; c is not in sync\n"
        "[62000] update primary c in sync c unclean\n"
        "[62000] failover-unclean: c is primary by choice of people: about 30 bytes may be "
        "missing\n"
        "[62200] failover-done: c is primary in epoch 3 after a: 60000 ms (its node is dead); "
        "acknowledged writes may be lost\n");
    assert_true(w.record.unclean);
    assert_true(w.record.lost_bytes == 30);
    /* Until all have followed. */
    member(&w, A)->health = FAILOVER_ALIVE;
    life_set_put(&w.view.body.in_sync, member(&w, B)->life);
    w.view.version = ++w.versions;
    wait_ms(&w, 1000);
    assert_true(w.view.body.unclean);
    life_set_put(&w.view.body.in_sync, member(&w, A)->life);
    w.view.version = ++w.versions;
    wait_ms(&w, 1000);
    assert_false(w.view.body.unclean);
}

/* ---- flapping, pause ---- */

static void lose(struct world *w, uint32_t place)
{
    says(w, place, ENGINE_STOPPED);
    steps_down(w);
    run(w);
    says(w, place, ENGINE_RUNNING);
}

static void who_flaps_is_chosen_last(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 2);
    member(&w, A)->priority = 200;
    world_serving(&w, 100);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w.view.body.primary, A + 1);
        lose(&w, A);
        promises(&w, A, 100);
        promises(&w, B, 100);
        run(&w);
        serves(&w);
        run(&w);
        follows_all(&w, 100);
        wait_ms(&w, 1000);
    }
    assert_int_equal(w.view.body.primary, B + 1);
    assert_non_null(strstr(w.story, "primary-flapping: a lost the primacy 3 times"));
}

static void while_paused_nobody_is_replaced(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    w.view.paused = true;
    run(&w);
    dies(&w, A);
    wait_ms(&w, 60000);
    assert_int_equal(w.view.body.primary, A + 1);
    w.view.paused = false;
    run(&w);
    assert_string_equal(
        w.story, "[ 2000] failover-paused: failover is paused: nobody replaces the primary if it "
                 "fails\n"
                 "[62000] failover-resumed: failover works again\n"
                 "[62000] update primary 0 in sync ab\n"
                 "[62000] failover-began: a is primary no more: its node is dead\n");
}

static void a_pause_holds_an_election_too(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    w.view.paused = true;
    steps_down(&w);
    promises(&w, B, 100);
    wait_ms(&w, 60000);
    assert_int_equal(w.view.body.primary, 0);
    w.view.paused = false;
    wait_ms(&w, 600);
    assert_int_equal(w.view.body.primary, B + 1);
}

/* ---- the first primary ---- */

static void the_first_primary_is_the_one_with_data(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    member(&w, C)->report.position.offset = 7;
    run(&w);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_string_equal(w.story,
                        "[ 1000] create primary c in sync c\n"
                        "[ 1200] group-created: c is primary in epoch 1: the group is new\n");
}

static void empty_members_begin_in_sync(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    member(&w, B)->priority = 200;
    run(&w);
    assert_string_equal(w.story, "[ 1000] create primary b in sync abc\n");
}

static void a_group_begins_with_a_majority_after_a_while(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    member(&w, C)->health = FAILOVER_UNHEARD;
    member(&w, C)->heard = false;
    member(&w, B)->health = FAILOVER_UNHEARD;
    run(&w);
    wait_ms(&w, 60000);
    assert_false(w.view.exists);
    member(&w, B)->health = FAILOVER_ALIVE;
    run(&w);
    wait_ms(&w, 400);
    assert_false(w.view.exists);
    wait_ms(&w, 100);
    assert_int_equal(w.view.body.primary, A + 1);
}

/* Its engine may be the one that has the data. */
static void a_member_that_still_starts_is_waited_for(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    member(&w, C)->report.state = ENGINE_STARTING;
    run(&w);
    wait_ms(&w, 5000);
    assert_false(w.view.exists);
    member(&w, C)->report.state = ENGINE_RUNNING;
    member(&w, C)->report.position.offset = 9;
    run(&w);
    assert_int_equal(w.view.body.primary, C + 1);
}

/* ---- what the file wants ---- */

static void a_stricter_mode_begins_with_the_primary_alone(void **state)
{
    struct world w;
    char text[64];

    (void)state;
    world_serves(&w, GROUP_SEMI_SYNC, 1, 3, 100);
    w.view.wanted.mode = GROUP_SYNC;
    w.view.wanted.min_in_sync = 2;
    run(&w);
    assert_int_equal(w.view.body.mode, GROUP_SYNC);
    assert_string_equal(body_text(&w.view.body, text), "primary a in sync a");
    assert_string_equal(w.story, "[ 2000] update primary a in sync a\n"
                                 "[ 2000] mode-changed: the mode is sync, acks 1, min_in_sync 2\n");
}

static void a_weaker_mode_keeps_the_set(void **state)
{
    struct world w;
    char text[64];

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    w.view.wanted = world_wanted(GROUP_SEMI_SYNC, 1);
    run(&w);
    assert_int_equal(w.view.body.mode, GROUP_SEMI_SYNC);
    assert_int_equal(w.view.body.acks, 1);
    assert_string_equal(body_text(&w.view.body, text), "primary a in sync abc");
}

/* Who stayed behind while nothing was acknowledged lacks what is from now on. */
static void a_lower_minimum_ends_eligibility(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    w.view.wanted.min_in_sync = 3;
    world_serving(&w, 100);
    life_set_drop(&w.view.body.in_sync, C + 1);
    life_set_put(&w.view.body.eligible, member(&w, C)->life);
    w.view.version = ++w.versions;
    run(&w);
    assert_int_equal(w.view.body.eligible.count, 1);
    w.view.wanted.min_in_sync = 2;
    run(&w);
    assert_int_equal(w.view.body.eligible.count, 0);
}

static void who_left_the_file_leaves_the_set(void **state)
{
    struct world w;
    char text[64];

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    w.view.count = 2;
    run(&w);
    assert_string_equal(body_text(&w.view.body, text), "primary a in sync ab");
}

static void the_dry_run_tells_what_would_happen(void **state)
{
    struct failover_rules rules = world_rules();
    struct world w;

    (void)state;
    rules.dry_run_ms = 5000;
    world_init_with(&w, &rules, world_wanted(GROUP_SYNC, 0), 2);
    world_serving(&w, 100);
    wait_ms(&w, 4500);
    dies(&w, B);
    wait_ms(&w, 5000);
    assert_string_equal(
        w.story, "[ 6000] failover-dry-run: b would take over within about 1800 ms, and nothing "
                 "that was acknowledged would be lost\n"
                 "[11000] failover-dry-run: nobody would take over: a is the primary; b is dead\n");
}

/* ---- clients, facts ---- */

static void a_record_counts_the_clients_of_all_nodes(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 2);
    member(&w, B)->report.held = 7;
    member(&w, B)->report.expired = 1;
    world_serving(&w, 100);
    dies(&w, A);
    run(&w);
    promises(&w, B, 100);
    run(&w);
    serves(&w);
    member(&w, B)->report.held = 20;
    run(&w);
    member(&w, B)->report.expired = 3; /* heard of after it served */
    wait_ms(&w, 300);
    assert_true(w.record.waited == 13);
    assert_true(w.record.failed == 2);
    assert_int_equal(w.records, 1);
}

static void the_fact_has_all_numbers(void **state)
{
    struct failover_action action = {.kind = FAILOVER_RECORD,
                                     .code = FACT_FAILOVER_DONE,
                                     .sentence = "b is primary",
                                     .record = {.epoch = 7,
                                                .from = 1,
                                                .to = 2,
                                                .detect_ms = 1,
                                                .decide_ms = 2,
                                                .fence_ms = 3,
                                                .promise_ms = -1,
                                                .promote_ms = 5,
                                                .verify_ms = 6,
                                                .total_ms = 17,
                                                .waited = 8,
                                                .failed = 9,
                                                .lost_bytes = UINT64_MAX}};
    struct fact fact;

    (void)state;
    failover_fact(&action, "orders", &fact);
    assert_int_equal(fact.epoch, 7);
    assert_string_equal(fact.subject, "orders");
    assert_int_equal(fact.number_count, 10); /* what is not known is not there */
    action.record.promise_ms = action.record.lost_bytes = 0;
    failover_fact(&action, "orders", &fact);
    assert_int_equal(fact.number_count, FACT_NUMBERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_process_is_replaced_by_the_longest_in_sync),
        cmocka_unit_test(silence_waits_for_the_lease_and_is_measured_from_the_last_word),
        cmocka_unit_test(a_false_alarm_ends_without_a_word),
        cmocka_unit_test(a_delay_of_silence_comes_before_the_isolation),
        cmocka_unit_test(a_delay_of_the_process_keeps_the_place_for_the_former_primary),
        cmocka_unit_test(who_cannot_take_over_is_followed_by_the_next),
        cmocka_unit_test(who_answers_no_write_in_time_is_followed_by_the_next),
        cmocka_unit_test(when_all_have_failed_they_are_tried_again),
        cmocka_unit_test(a_leader_that_comes_in_the_middle_goes_on),
        cmocka_unit_test(who_does_not_lead_does_nothing),
        cmocka_unit_test(what_was_never_answered_is_asked_again),
        cmocka_unit_test(what_was_refused_is_asked_again_after_a_heartbeat),
        cmocka_unit_test(a_new_leader_waits_a_lease_for_the_primarys_first_word),
        cmocka_unit_test(who_began_again_may_say_that_it_goes_on),
        cmocka_unit_test(who_began_again_and_says_nothing_is_replaced),
        cmocka_unit_test(who_alone_has_the_data_is_waited_for),
        cmocka_unit_test(a_stranded_group_heals_by_itself),
        cmocka_unit_test(the_file_may_accept_loss_after_a_while),
        cmocka_unit_test(who_flaps_is_chosen_last),
        cmocka_unit_test(while_paused_nobody_is_replaced),
        cmocka_unit_test(a_pause_holds_an_election_too),
        cmocka_unit_test(the_first_primary_is_the_one_with_data),
        cmocka_unit_test(empty_members_begin_in_sync),
        cmocka_unit_test(a_group_begins_with_a_majority_after_a_while),
        cmocka_unit_test(a_member_that_still_starts_is_waited_for),
        cmocka_unit_test(a_stricter_mode_begins_with_the_primary_alone),
        cmocka_unit_test(a_weaker_mode_keeps_the_set),
        cmocka_unit_test(a_lower_minimum_ends_eligibility),
        cmocka_unit_test(who_left_the_file_leaves_the_set),
        cmocka_unit_test(the_dry_run_tells_what_would_happen),
        cmocka_unit_test(a_record_counts_the_clients_of_all_nodes),
        cmocka_unit_test(the_fact_has_all_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
