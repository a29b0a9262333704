/*
 * Handing over and leaving, told as stories.
 */
#include "story.h"

static void a_target_gets_everything_and_then_the_primacy(void **state)
{
    (void)state;
    serves(&story_rules);
    s.body.target = 2;
    document();
    passes(30);
    done();
    passes(10);
    accepted();
    done();
    assert_int_equal(state_now(), REPLICA_FOLLOWING);
    assert_string_equal(s.story, "[ 1400] document -> demote to 2 in 6;\n"
                                 "[ 1430] done -> fence never; propose primary 2 in sync {1 2 3}: "
                                 "the target has everything;\n"
                                 "[ 1440] document -> follow 2 in 7;\n");
}

static void a_handover_that_fails_takes_writes_again_and_says_why(void **state)
{
    (void)state;
    serves(&story_rules);
    s.body.target = 2;
    document();
    passes(30);
    answers(ENGINE_REFUSED, "'b' did not catch up");
    done();
    accepted();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "[ 1400] document -> demote to 2 in 6;\n"
                                 "[ 1430] refused -> promote semi-sync 1 of {2 3} in 6; propose "
                                 "primary 1 in sync {1 2 3} serving: 'b' did not catch up;\n");
}

/* Its engine answers an earlier order still, so it was not asked to stop: nothing is to be taken back. */
static void a_target_that_is_gone_before_the_engine_is_asked_changes_nothing(void **state)
{
    (void)state;
    serves(&story_rules);
    s.mute = true;
    passes(250);
    assert_true(s.unanswered);
    s.body.target = 2;
    document();
    assert_int_equal(state_now(), REPLICA_HANDING_OVER);
    s.body.target = 0;
    document();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "");
}

static void a_handover_of_unknown_fate_is_asked_for_until_the_document_tells(void **state)
{
    (void)state;
    serves(&story_rules);
    s.body.target = 2;
    document();
    done();
    proposed(PROPOSAL_UNKNOWN);
    lease(70000);
    passes(5000);
    assert_int_equal(state_now(), REPLICA_HANDING_OVER);
    lease(80000);
    proposed(PROPOSAL_STALE);
    lease(90000);
    accepted();
    assert_string_equal(
        s.story, "[ 1400] document -> demote to 2 in 6;\n"
                 "[ 1400] done -> fence never; propose primary 2 in sync {1 2 3}: the target has "
                 "everything;\n"
                 "[ 1600] time -> propose primary 2 in sync {1 2 3}: the target has everything;\n"
                 "[ 6400] document -> follow 2 in 7;\n");
}

static void a_refused_handover_needs_a_new_lease_before_it_takes_writes(void **state)
{
    (void)state;
    serves(&story_rules);
    s.body.target = 2;
    document();
    done();
    passes(1900);
    lease(50000);
    proposed(PROPOSAL_REFUSED);
    passes(150);
    assert_int_equal(state_now(), REPLICA_PROMOTING);
    passes(3000);
    assert_int_equal(state_now(), REPLICA_PROMOTING);
    lease(9000);
    assert_string_equal(s.story,
                        "[ 1400] document -> demote to 2 in 6;\n"
                        "[ 1400] done -> fence never; propose primary 2 in sync {1 2 3}: the "
                        "target has everything;\n"
                        "[ 3500] time -> propose primary 1 in sync {1 2 3} serving: it could not "
                        "be handed over in time;\n"
                        "[ 6450] lease -> fence 9000; promote semi-sync 1 of {2 3} in 6;\n");
}

static void a_target_that_is_taken_back_is_not_followed_by_an_end(void **state)
{
    (void)state;
    serves(&story_rules);
    s.body.target = 2;
    document();
    s.body.target = 0;
    document();
    done();
    done();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story, "[ 1400] document -> demote to 2 in 6;\n"
                                 "[ 1400] done -> promote semi-sync 1 of {2 3} in 6;\n");
}

static void a_lease_that_ends_within_a_handover_demotes(void **state)
{
    (void)state;
    serves(&story_rules);
    s.body.target = 2;
    document();
    lease(0);
    answers(ENGINE_BROKEN, "");
    done();
    passes(500);
    assert_string_equal(
        s.story,
        "[ 1400] document -> demote to 2 in 6;\n"
        "[ 1400] lease -> fence 1700; (fenced: its lease ends: it takes no more writes); cancel;\n"
        "[ 1400] broken -> demote in 6; propose primary 1 in sync {1 2 3} serving: its engine did "
        "not hand over;\n"
        "[ 1400] done -> fence never;\n");
}

static void a_node_that_stops_hands_over_first(void **state)
{
    (void)state;
    serves(&story_rules);
    s.engine.followers[1].position.offset = 999;
    passes(200);
    forget_the_story();
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    accepted();
    assert_false(replica_left(&s.replica));
    done();
    accepted();
    assert_true(replica_left(&s.replica));
    assert_string_equal(
        s.story,
        "[ 1600] leave -> propose primary 1 target 2 in sync {1 2 3} serving: its node stops;\n"
        "[ 1600] document -> demote to 2 in 6;\n"
        "[ 1600] done -> fence never; propose primary 2 in sync {1 2 3}: the target has "
        "everything;\n"
        "[ 1600] document -> follow 2 in 7;\n");
}

static void a_node_that_stops_alone_steps_down(void **state)
{
    (void)state;
    serves(&story_rules);
    detach(2);
    detach(3);
    passes(200);
    forget_the_story();
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    done();
    accepted();
    assert_true(replica_left(&s.replica));
    assert_string_equal(
        s.story, "[ 1600] leave -> fence 1900; demote in 6;\n"
                 "[ 1600] done -> fence never; propose primary 0 in sync {1 2 3}: its node stops;\n"
                 "[ 1600] document -> promise in 7;\n");
}

static void a_handover_that_fails_while_the_node_stops_is_a_stepping_down(void **state)
{
    (void)state;
    serves(&story_rules);
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    accepted();
    answers(ENGINE_REFUSED, "'b' did not catch up");
    done();
    accepted();
    assert_true(replica_left(&s.replica));
    assert_string_equal(
        s.story,
        "[ 1400] leave -> propose primary 1 target 2 in sync {1 2 3} serving: its node stops;\n"
        "[ 1400] document -> demote to 2 in 6;\n"
        "[ 1400] refused -> fence 1700; demote in 6;\n"
        "[ 1400] done -> fence never; propose primary 0 in sync {1 2 3}: its node stops;\n"
        "[ 1400] document -> promise in 7;\n");
}

static void a_secondary_leaves_at_once(void **state)
{
    (void)state;
    freezes(&story_rules);
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    assert_true(replica_left(&s.replica));
    assert_string_equal(s.story, "");
}

/* The supervisor ends everything soon: what it ended must not come up again. */
static void a_node_that_stops_starts_nothing(void **state)
{
    (void)state;
    freezes(&story_rules);
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    forget_the_story();
    process(false);
    passes(5000);
    assert_null(strstr(s.story, "start"));
    assert_true(replica_left(&s.replica));
}

static void who_leaves_is_no_candidate_and_says_why(void **state)
{
    struct group_report report;

    (void)state;
    freezes(&story_rules);
    replica_report(&s.replica, &report);
    assert_false(report.refused);
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    replica_report(&s.replica, &report);
    assert_true(report.refused);
    assert_string_equal(report.sentence, "its node stops");
}

/* Named though it leaves: the leader had not heard of it yet. */
static void who_leaves_and_is_named_gives_the_group_up_unasked(void **state)
{
    (void)state;
    freezes(&story_rules);
    event("leave", (struct replica_event){.kind = REPLICA_LEAVE});
    s.epoch = 6;
    s.body.primary = SELF;
    document();
    lease(60000);
    assert_null(strstr(s.story, "promote"));
    assert_int_equal(s.proposal.body.primary, 0);
    accepted();
    assert_true(replica_left(&s.replica));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_gets_everything_and_then_the_primacy),
        cmocka_unit_test(a_handover_that_fails_takes_writes_again_and_says_why),
        cmocka_unit_test(a_target_that_is_gone_before_the_engine_is_asked_changes_nothing),
        cmocka_unit_test(a_handover_of_unknown_fate_is_asked_for_until_the_document_tells),
        cmocka_unit_test(a_refused_handover_needs_a_new_lease_before_it_takes_writes),
        cmocka_unit_test(a_target_that_is_taken_back_is_not_followed_by_an_end),
        cmocka_unit_test(a_lease_that_ends_within_a_handover_demotes),
        cmocka_unit_test(a_node_that_stops_hands_over_first),
        cmocka_unit_test(a_node_that_stops_alone_steps_down),
        cmocka_unit_test(a_handover_that_fails_while_the_node_stops_is_a_stepping_down),
        cmocka_unit_test(a_secondary_leaves_at_once),
        cmocka_unit_test(a_node_that_stops_starts_nothing),
        cmocka_unit_test(who_leaves_is_no_candidate_and_says_why),
        cmocka_unit_test(who_leaves_and_is_named_gives_the_group_up_unasked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
