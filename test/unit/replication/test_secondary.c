/*
 * The life of a secondary, told as stories.
 */
#include "story.h"

/* Member 2 is the primary of epoch 6. */
static void is_to_follow(void)
{
    freezes(&story_rules);
    s.epoch = 6;
    s.body.primary = 2;
    document();
}

static void it_follows_the_primary_of_the_epoch(void **state)
{
    (void)state;
    is_to_follow();
    done();
    passes(3000);
    assert_true(s.report.linked);
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n");
}

static void a_secondary_that_lost_its_link_follows_again(void **state)
{
    (void)state;
    is_to_follow();
    done();
    s.engine.linked = false;
    passes(1300);
    assert_false(s.report.linked);
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 2000] time -> follow 2 in 6;\n");
}

static void what_went_another_way_is_rewound(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_DIVERGED, "it has records that nobody has");
    done();
    done();
    assert_int_equal(state_now(), REPLICA_FOLLOWING);
    assert_string_equal(
        s.story, "[ 1000] document -> follow 2 in 6;\n"
                 "[ 1000] diverged -> (diverged: it has records that nobody has); rewind 2 in 6;\n"
                 "[ 1000] done -> follow 2 in 6;\n");
}

static void what_is_too_far_behind_is_copied_and_says_that_it_loads(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_BEHIND, "the log begins later");
    assert_true(s.report.loading);
    passes(20000);
    done();
    assert_false(s.report.loading);
    done();
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 1000] behind -> copy 2 in 6;\n"
                                 "[21000] done -> (copied); follow 2 in 6;\n");
}

static void a_rewind_that_fails_becomes_a_copy(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_DIVERGED, "");
    answers(ENGINE_REFUSED, "no common ancestor");
    assert_int_equal(state_now(), REPLICA_COPYING);
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 1000] diverged -> (diverged); rewind 2 in 6;\n"
                                 "[ 1000] refused -> copy 2 in 6;\n");
}

static void a_copy_that_fails_is_begun_again_later_and_never_left_half(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_BEHIND, "");
    answers(ENGINE_BROKEN, "the connection ended");
    assert_true(s.report.loading);
    passes(1100);
    assert_true(s.report.loading);
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 1000] behind -> copy 2 in 6;\n"
                                 "[ 2000] time -> copy 2 in 6;\n");
}

static void a_copy_for_an_epoch_that_is_over_is_cancelled(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_BEHIND, "");
    s.epoch = 7;
    s.body.primary = 0;
    document();
    answers(ENGINE_BROKEN, "cancelled");
    done();
    assert_int_equal(s.report.promised, 7);
    assert_true(s.report.loading);
    s.epoch = 8;
    s.body.primary = 3;
    document();
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 1000] behind -> copy 2 in 6;\n"
                                 "[ 1000] document -> cancel;\n"
                                 "[ 1000] broken -> promise in 7;\n"
                                 "[ 1000] document -> copy 3 in 8;\n");
}

static void a_rewind_for_an_epoch_that_is_over_is_cancelled_and_not_taken_for_failed(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_DIVERGED, "");
    s.epoch = 7;
    s.body.primary = 3;
    document();
    answers(ENGINE_BROKEN, "cancelled");
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 1000] diverged -> (diverged); rewind 2 in 6;\n"
                                 "[ 1000] document -> cancel;\n"
                                 "[ 1000] broken -> follow 3 in 7;\n");
}

static void a_short_order_for_an_epoch_that_is_over_is_waited_for(void **state)
{
    (void)state;
    is_to_follow();
    s.epoch = 7;
    s.body.primary = 3;
    document();
    passes(500);
    answers(ENGINE_DIVERGED, "");
    done();
    assert_int_equal(state_now(), REPLICA_FOLLOWING);
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 1500] diverged -> follow 3 in 7;\n");
}

static void a_refusal_is_asked_about_again_later(void **state)
{
    (void)state;
    is_to_follow();
    answers(ENGINE_REFUSED, "its disk is full");
    assert_int_equal(state_now(), REPLICA_WAITING);
    assert_string_equal(s.report.sentence, "its disk is full");
    passes(1100);
    assert_string_equal(s.story, "[ 1000] document -> follow 2 in 6;\n"
                                 "[ 2000] time -> follow 2 in 6;\n");
}

static void a_refused_promise_is_asked_for_again_later(void **state)
{
    (void)state;
    begins(&story_rules);
    process(true);
    document();
    answers(ENGINE_REFUSED, "it has promised epoch 9");
    assert_int_equal(s.report.promised, 0);
    passes(1100);
    assert_string_equal(s.story, "[ 1000] status -> fence never;\n"
                                 "[ 1000] document -> promise in 5;\n"
                                 "[ 2000] time -> promise in 5;\n");
}

static void a_promise_from_before_a_restart_counts(void **state)
{
    (void)state;
    freezes(&story_rules);
    process(false);
    assert_int_equal(s.report.promised, 0);
    process(true);
    assert_int_equal(state_now(), REPLICA_FROZEN);
    assert_int_equal(s.report.promised, 5);
    assert_string_equal(s.story, "[ 1000] ended -> (engine died: killed by signal 9); start;\n"
                                 "[ 1000] status -> (engine back);\n");
}

static void an_answer_about_a_run_that_ended_is_not_listened_to(void **state)
{
    const struct engine_order order = {.verb = ENGINE_STATUS};

    (void)state;
    freezes(&story_rules);
    s.mute = true;
    passes(250);
    process(false);
    process(true);
    s.unanswered = false;
    give_answer("late", &order, ENGINE_DONE, "");
    assert_int_equal(s.report.promised, 0);
    assert_int_equal(s.report.state, ENGINE_UNKNOWN);
    s.mute = false;
    answer_status();
    assert_int_equal(s.report.promised, 5);
}

static void a_stuck_secondary_is_started_anew(void **state)
{
    (void)state;
    is_to_follow();
    done();
    s.mute = true;
    passes(1100);
    status_breaks();
    passes(300);
    process(false);
    s.mute = false;
    process(true);
    done();
    assert_int_equal(state_now(), REPLICA_FOLLOWING);
    assert_string_equal(
        s.story, "[ 1000] document -> follow 2 in 6;\n"
                 "[ 2000] time -> (engine stuck: its engine answers nothing in time); kill;\n"
                 "[ 2400] ended -> start;\n"
                 "[ 2400] status -> (engine back); follow 2 in 6;\n");
}

static void an_engine_that_has_begun_may_take_as_long_as_an_order_to_listen(void **state)
{
    struct replica_rules rules = story_rules;

    (void)state;
    rules.stuck_ms = 300;
    freezes(&rules);
    process(false);
    s.engine.state = ENGINE_STOPPED;
    process(true);
    passes(900);
    assert_int_equal(state_now(), REPLICA_STARTING);
    passes(200);
    assert_string_equal(
        s.story, "[ 1000] ended -> (engine died: killed by signal 9); start;\n"
                 "[ 2000] time -> (engine stuck: its engine answers nothing in time); kill;\n");
}

static void an_engine_that_listens_has_no_more_time_than_any(void **state)
{
    struct replica_rules rules = story_rules;

    (void)state;
    rules.stuck_ms = 300;
    freezes(&rules);
    process(false);
    process(true);
    s.mute = true;
    passes(400);
    status_breaks();
    assert_string_equal(
        s.story, "[ 1000] ended -> (engine died: killed by signal 9); start;\n"
                 "[ 1000] status -> (engine back);\n"
                 "[ 1300] time -> (engine stuck: its engine answers nothing in time); kill;\n");
}

static void an_engine_that_recovers_for_long_is_left_alone(void **state)
{
    (void)state;
    begins(&story_rules);
    s.engine.state = ENGINE_STARTING;
    process(true);
    document();
    passes(20000);
    assert_int_equal(state_now(), REPLICA_STARTING);
    assert_int_equal(s.report.state, ENGINE_STARTING);
    assert_string_equal(s.story, "[ 1000] status -> fence never;\n");
}

static void a_restarted_member_is_nothing_before_it_has_read_the_document(void **state)
{
    (void)state;
    begins(&story_rules);
    process(true);
    passes(5000);
    assert_int_equal(state_now(), REPLICA_IDLE);
    assert_int_equal(s.report.promised, 0);
    assert_string_equal(s.story, "[ 1000] status -> fence never;\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_primary_of_the_epoch),
        cmocka_unit_test(a_secondary_that_lost_its_link_follows_again),
        cmocka_unit_test(what_went_another_way_is_rewound),
        cmocka_unit_test(what_is_too_far_behind_is_copied_and_says_that_it_loads),
        cmocka_unit_test(a_rewind_that_fails_becomes_a_copy),
        cmocka_unit_test(a_copy_that_fails_is_begun_again_later_and_never_left_half),
        cmocka_unit_test(a_copy_for_an_epoch_that_is_over_is_cancelled),
        cmocka_unit_test(a_rewind_for_an_epoch_that_is_over_is_cancelled_and_not_taken_for_failed),
        cmocka_unit_test(a_short_order_for_an_epoch_that_is_over_is_waited_for),
        cmocka_unit_test(a_refusal_is_asked_about_again_later),
        cmocka_unit_test(a_refused_promise_is_asked_for_again_later),
        cmocka_unit_test(a_promise_from_before_a_restart_counts),
        cmocka_unit_test(an_answer_about_a_run_that_ended_is_not_listened_to),
        cmocka_unit_test(a_stuck_secondary_is_started_anew),
        cmocka_unit_test(an_engine_that_has_begun_may_take_as_long_as_an_order_to_listen),
        cmocka_unit_test(an_engine_that_listens_has_no_more_time_than_any),
        cmocka_unit_test(an_engine_that_recovers_for_long_is_left_alone),
        cmocka_unit_test(a_restarted_member_is_nothing_before_it_has_read_the_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
