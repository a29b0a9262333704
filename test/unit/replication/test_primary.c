/*
 * The life of a primary, told as stories.
 */
#include "story.h"

static void it_promises_promotes_verifies_and_serves(void **state)
{
    (void)state;
    begins(&story_rules);
    process(true);
    document();
    done();
    passes(100);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    passes(50);
    lease(3150);
    done();
    passes(20);
    probed(true);
    accepted();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "[ 1000] status -> fence never;\n"
                                 "[ 1000] document -> promise in 5;\n"
                                 "[ 1150] lease -> fence 3150; promote semi-sync 1 of {2 3} in 6;\n"
                                 "[ 1150] done -> verify;\n"
                                 "[ 1170] probed -> propose primary 1 in sync {1 2 3} serving: the "
                                 "new primary has answered a write;\n");
}

static void to_be_told_of_the_same_process_again_disturbs_nothing(void **state)
{
    (void)state;
    serves(&story_rules);
    forget_the_story();
    process(true);
    assert_int_equal(state_now(), REPLICA_SERVING);
    passes(500);
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "");
}

static void every_extension_moves_the_fence(void **state)
{
    (void)state;
    serves(&story_rules);
    lease(70000);
    lease(69000);
    lease(70200);
    assert_string_equal(s.story, "[ 1400] lease -> fence 70000;\n"
                                 "[ 1400] lease -> fence 70200;\n");
}

static void a_lease_that_ends_demotes_in_time(void **state)
{
    (void)state;
    serves_until(&story_rules, 2500);
    lease(2600);
    passes(1000);
    done();
    passes(100);
    assert_int_equal(state_now(), REPLICA_PROMOTING);
    assert_string_equal(
        s.story, "[ 1400] lease -> fence 2600;\n"
                 "[ 2300] time -> (fenced: its lease ends: it takes no more writes); demote in 6;\n"
                 "[ 2400] done -> fence never;\n");
}

static void a_demotion_without_an_answer_is_a_kill(void **state)
{
    (void)state;
    serves_until(&story_rules, 2600);
    passes(1300);
    assert_int_equal(state_now(), REPLICA_KILLING);
    process(false);
    assert_string_equal(
        s.story, "[ 2300] time -> (fenced: its lease ends: it takes no more writes); demote in 6;\n"
                 "[ 2600] time -> kill;\n"
                 "[ 2700] ended -> cancel; fence never; propose primary 0 in sync {1 2 3}: killed "
                 "by signal 9;\n");
}

static void a_dropped_lease_demotes_at_once_and_a_new_one_promotes_again(void **state)
{
    (void)state;
    serves(&story_rules);
    lease(0);
    done();
    passes(300);
    lease(9000);
    done();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story,
                        "[ 1400] lease -> fence 1700; (fenced: its lease ends: it takes no more "
                        "writes); demote in 6;\n"
                        "[ 1400] done -> fence never;\n"
                        "[ 1700] lease -> fence 9000; promote semi-sync 1 of {2 3} in 6;\n");
}

static void a_new_epoch_demotes_and_another_primary_is_followed(void **state)
{
    (void)state;
    serves(&story_rules);
    s.epoch = 7;
    s.body.primary = 2;
    s.body.serving = false;
    document();
    done();
    done();
    assert_int_equal(state_now(), REPLICA_FOLLOWING);
    assert_true(s.report.linked);
    assert_string_equal(s.story, "[ 1400] document -> fence 1700; demote in 7;\n"
                                 "[ 1400] done -> follow 2 in 7; fence never;\n");
}

static void an_epoch_without_a_primary_is_promised_after_the_demotion(void **state)
{
    (void)state;
    serves(&story_rules);
    s.epoch = 7;
    s.body.primary = 0;
    s.body.serving = false;
    document();
    done();
    assert_int_equal(s.report.promised, 5);
    done();
    assert_int_equal(s.report.promised, 7);
    assert_string_equal(s.story, "[ 1400] document -> fence 1700; demote in 7;\n"
                                 "[ 1400] done -> promise in 7; fence never;\n");
}

static void a_group_that_is_gone_takes_no_writes(void **state)
{
    (void)state;
    serves(&story_rules);
    event("gone", (struct replica_event){.kind = REPLICA_DOCUMENT, .life = {SELF, RUN}});
    done();
    assert_int_equal(state_now(), REPLICA_IDLE);
    assert_string_equal(s.story, "[ 1400] gone -> fence 1700; demote in 6;\n"
                                 "[ 1400] done -> fence never;\n");
}

static void an_engine_that_dies_steps_down_and_stays_in_the_set(void **state)
{
    (void)state;
    serves(&story_rules);
    process(false);
    assert_int_equal(s.report.state, ENGINE_STARTING);
    process(true);
    assert_int_equal(state_now(), REPLICA_WAITING);
    accepted();
    done();
    assert_int_equal(state_now(), REPLICA_FROZEN);
    assert_string_equal(s.story, "[ 1400] ended -> (engine died: killed by signal 9); fence never; "
                                 "start; propose primary 0 in sync {1 2 3}: killed by signal 9;\n"
                                 "[ 1400] status -> (engine back);\n"
                                 "[ 1400] document -> promise in 7;\n");
}

static void an_engine_that_is_not_durable_leaves_the_set_when_it_dies(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.durable = false;
    serves(&rules);
    process(false);
    assert_string_equal(s.story,
                        "[ 1400] ended -> (engine died: killed by signal 9); fence never; "
                        "start; propose primary 0 in sync {2 3} degraded: killed by signal 9;\n");
}

static void a_refused_or_lost_stepping_down_is_asked_for_again(void **state)
{
    (void)state;
    serves(&story_rules);
    process(false);
    passes(100);
    proposed(PROPOSAL_REFUSED);
    passes(300);
    proposed(PROPOSAL_UNKNOWN);
    passes(300);
    assert_string_equal(s.story,
                        "[ 1400] ended -> (engine died: killed by signal 9); fence never; start; "
                        "propose primary 0 in sync {1 2 3}: killed by signal 9;\n"
                        "[ 1700] time -> propose primary 0 in sync {1 2 3}: killed by signal 9;\n"
                        "[ 2000] time -> propose primary 0 in sync {1 2 3}: killed by signal 9;\n");
}

static void a_stuck_engine_is_killed_before_it_steps_down(void **state)
{
    (void)state;
    serves(&story_rules);
    s.mute = true;
    passes(300);
    status_breaks();
    passes(1000);
    assert_int_equal(state_now(), REPLICA_KILLING);
    assert_int_equal(s.report.state, ENGINE_STUCK);
    passes(1100);
    process(false);
    assert_string_equal(
        s.story, "[ 2400] time -> (engine stuck: its engine answers nothing in time); kill;\n"
                 "[ 3400] time -> kill;\n"
                 "[ 3800] ended -> fence never; start; propose primary 0 in sync {1 2 3}: its "
                 "engine answers nothing in time;\n");
}

static void one_status_without_an_answer_is_not_stuck(void **state)
{
    (void)state;
    serves(&story_rules);
    s.mute = true;
    passes(250);
    s.mute = false;
    status_breaks();
    passes(5000);
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "");
}

static void a_write_that_is_never_answered_is_stuck(void **state)
{
    (void)state;
    serves(&story_rules);
    s.silent = true;
    passes(500);
    probed(false);
    passes(800);
    assert_int_equal(state_now(), REPLICA_KILLING);
    assert_string_equal(
        s.story, "[ 2400] time -> (engine stuck: its engine answers no write in time); kill;\n");
}

static void a_write_that_waits_for_secondaries_says_nothing_of_the_engine(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.degrade_ms = INT64_MAX;
    serves(&rules);
    s.silent = true;
    detach(2);
    detach(3);
    passes(3000);
    probed(false);
    passes(3000);
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "[ 3400] time -> promote semi-sync 1 of {2} in 6;\n");
}

static void a_refused_promotion_steps_down_and_says_so(void **state)
{
    (void)state;
    freezes(&story_rules);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    answers(ENGINE_REFUSED, "its disk is full");
    assert_true(s.report.refused);
    done();
    assert_string_equal(s.report.sentence, "its disk is full");
    assert_string_equal(
        s.story,
        "[ 1000] lease -> fence 60000; promote semi-sync 1 of {2 3} in 6;\n"
        "[ 1000] refused -> fence 1300; demote in 6;\n"
        "[ 1000] done -> fence never; propose primary 0 in sync {1 2 3}: its disk is full;\n");
}

static void a_promotion_without_an_answer_is_taken_back(void **state)
{
    (void)state;
    freezes(&story_rules);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    answers(ENGINE_BROKEN, "");
    answers(ENGINE_BROKEN, "");
    process(false);
    assert_string_equal(s.story,
                        "[ 1000] lease -> fence 60000; promote semi-sync 1 of {2 3} in 6;\n"
                        "[ 1000] broken -> fence 1300; demote in 6;\n"
                        "[ 1000] broken -> kill;\n"
                        "[ 1000] ended -> fence never; start; propose primary 0 in sync {1 2 3}: "
                        "its engine did not promote;\n");
}

static void a_primary_that_answers_no_write_steps_down(void **state)
{
    (void)state;
    freezes(&story_rules);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    s.engine.position.epoch = 6;
    attach(2, 1000);
    done();
    probed(false);
    passes(1000);
    probed(false);
    passes(1000);
    done();
    assert_string_equal(s.story,
                        "[ 1000] lease -> fence 60000; promote semi-sync 1 of {2 3} in 6;\n"
                        "[ 1000] done -> verify;\n"
                        "[ 1200] time -> verify;\n"
                        "[ 2200] time -> verify;\n"
                        "[ 3000] time -> fence 3300; demote in 6;\n"
                        "[ 3000] done -> fence never; propose primary 0 in sync {1 2 3}: no write "
                        "was answered in time;\n");
}

static void a_verification_waits_for_secondaries(void **state)
{
    (void)state;
    freezes(&story_rules);
    s.epoch = 6;
    s.body.primary = SELF;
    s.body.mode = GROUP_SYNC;
    document();
    lease(60000);
    done();
    probed(false);
    passes(2500);
    assert_int_equal(state_now(), REPLICA_VERIFYING);
    accepted();
    done();
    assert_string_equal(s.story,
                        "[ 1000] lease -> fence 60000; promote sync {2 3} in 6;\n"
                        "[ 1000] done -> verify;\n"
                        "[ 1200] time -> verify;\n"
                        "[ 3000] time -> propose primary 1 in sync {1}: it has not kept up;\n"
                        "[ 3500] done -> (left the set: it has not kept up);\n"
                        "[ 3500] document -> promote sync in 6;\n");
}

static void without_a_probe_a_promotion_is_enough(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.probed = false;
    freezes(&rules);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    done();
    assert_string_equal(s.story,
                        "[ 1000] lease -> fence 60000; promote semi-sync 1 of {2 3} in 6;\n"
                        "[ 1000] done -> propose primary 1 in sync {1 2 3} serving: the new "
                        "primary has answered a write;\n");
}

static void restarts_that_are_used_up_come_back_one_by_one(void **state)
{
    (void)state;
    begins(&story_rules);
    process(false);
    process(true);
    for (uint32_t i = 0; i < 3; i++) {
        passes(10);
        process(false);
        if (i < 2)
            process(true);
    }
    assert_int_equal(state_now(), REPLICA_WAITING);
    assert_int_equal(s.report.state, ENGINE_FAILED);
    passes(30000);
    process(true);
    process(false);
    assert_int_equal(state_now(), REPLICA_WAITING);
    passes(30000);
    assert_string_equal(s.story, "[ 1000] ended -> fence never; start;\n"
                                 "[ 1000] status -> (engine back);\n"
                                 "[ 1010] ended -> (engine died: killed by signal 9); start;\n"
                                 "[ 1010] status -> (engine back);\n"
                                 "[ 1020] ended -> (engine died: killed by signal 9); start;\n"
                                 "[ 1020] status -> (engine back);\n"
                                 "[ 1030] ended -> (engine died: killed by signal 9); (given up: "
                                 "its restarts are used up, and come back one by one within the "
                                 "window);\n"
                                 "[31010] time -> start;\n"
                                 "[31030] status -> (engine back);\n"
                                 "[31030] ended -> (engine died: killed by signal 9); (given up: "
                                 "its restarts are used up, and come back one by one within the "
                                 "window);\n"
                                 "[61010] time -> start;\n");
}

static void all_restarts_have_come_back_after_the_window(void **state)
{
    (void)state;
    begins(&story_rules);
    process(false);
    for (uint32_t i = 0; i < 2; i++) {
        process(true);
        process(false);
    }
    process(true);
    passes(60000);
    for (uint32_t i = 0; i < 2; i++) {
        process(false);
        assert_int_equal(state_now(), REPLICA_STARTING);
        process(true);
    }
    process(false);
    assert_int_equal(state_now(), REPLICA_WAITING);
}

static void a_start_without_an_end_is_asked_for_again(void **state)
{
    (void)state;
    begins(&story_rules);
    process(false);
    passes(2500);
    assert_string_equal(s.story, "[ 1000] ended -> fence never; start;\n"
                                 "[ 2000] time -> start;\n"
                                 "[ 3000] time -> start;\n");
}

static void an_engine_that_takes_writes_unasked_is_demoted(void **state)
{
    (void)state;
    freezes(&story_rules);
    s.engine.writable = true;
    passes(200);
    done();
    assert_int_equal(state_now(), REPLICA_FROZEN);
    assert_string_equal(s.story, "[ 1200] status -> fence 1500; demote in 5;\n"
                                 "[ 1200] done -> fence never;\n");
}

static void a_member_without_whole_data_refuses_to_be_primary(void **state)
{
    (void)state;
    begins(&story_rules);
    s.engine.loading = true;
    process(true);
    document();
    done();
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    assert_true(s.report.refused);
    assert_string_equal(s.story, "[ 1000] status -> fence never;\n"
                                 "[ 1000] document -> promise in 5;\n"
                                 "[ 1000] document -> propose primary 0 in sync {2 3} degraded: it "
                                 "has no whole copy of the data;\n");
}

static void what_was_asked_of_a_dead_process_is_not_done_to_the_next(void **state)
{
    (void)state;
    freezes(&story_rules);
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    process(false);
    passes(500);
    answers(ENGINE_BROKEN, "");
    process(true);
    assert_int_equal(state_now(), REPLICA_WAITING);
    assert_string_equal(s.story,
                        "[ 1000] lease -> fence 60000; promote semi-sync 1 of {2 3} in 6;\n"
                        "[ 1000] ended -> (engine died: killed by signal 9); cancel; fence never; "
                        "propose primary 0 in sync {1 2 3}: killed by signal 9;\n"
                        "[ 1500] broken -> start;\n"
                        "[ 1500] status -> (engine back);\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_promises_promotes_verifies_and_serves),
        cmocka_unit_test(to_be_told_of_the_same_process_again_disturbs_nothing),
        cmocka_unit_test(every_extension_moves_the_fence),
        cmocka_unit_test(a_lease_that_ends_demotes_in_time),
        cmocka_unit_test(a_demotion_without_an_answer_is_a_kill),
        cmocka_unit_test(a_dropped_lease_demotes_at_once_and_a_new_one_promotes_again),
        cmocka_unit_test(a_new_epoch_demotes_and_another_primary_is_followed),
        cmocka_unit_test(an_epoch_without_a_primary_is_promised_after_the_demotion),
        cmocka_unit_test(a_group_that_is_gone_takes_no_writes),
        cmocka_unit_test(an_engine_that_dies_steps_down_and_stays_in_the_set),
        cmocka_unit_test(an_engine_that_is_not_durable_leaves_the_set_when_it_dies),
        cmocka_unit_test(a_refused_or_lost_stepping_down_is_asked_for_again),
        cmocka_unit_test(a_stuck_engine_is_killed_before_it_steps_down),
        cmocka_unit_test(one_status_without_an_answer_is_not_stuck),
        cmocka_unit_test(a_write_that_is_never_answered_is_stuck),
        cmocka_unit_test(a_write_that_waits_for_secondaries_says_nothing_of_the_engine),
        cmocka_unit_test(a_refused_promotion_steps_down_and_says_so),
        cmocka_unit_test(a_promotion_without_an_answer_is_taken_back),
        cmocka_unit_test(a_primary_that_answers_no_write_steps_down),
        cmocka_unit_test(a_verification_waits_for_secondaries),
        cmocka_unit_test(without_a_probe_a_promotion_is_enough),
        cmocka_unit_test(restarts_that_are_used_up_come_back_one_by_one),
        cmocka_unit_test(all_restarts_have_come_back_after_the_window),
        cmocka_unit_test(a_start_without_an_end_is_asked_for_again),
        cmocka_unit_test(an_engine_that_takes_writes_unasked_is_demoted),
        cmocka_unit_test(a_member_without_whole_data_refuses_to_be_primary),
        cmocka_unit_test(what_was_asked_of_a_dead_process_is_not_done_to_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
