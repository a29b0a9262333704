/*
 * The primary's books, told as stories of a primary that serves.
 */
#include "replication/in_sync.h"
#include "story.h"

static void serves_in(enum group_mode mode, uint8_t min_in_sync)
{
    serves(&story_rules);
    s.body.mode = (uint8_t)mode;
    s.body.min_in_sync = min_in_sync;
    document();
    if (mode != GROUP_SEMI_SYNC)
        done();
    passes(400);
    forget_the_story();
}

/* The secondaries' records come and go with every write of the primary. */
static void writes_and_passes(int64_t ms, bool two, bool three)
{
    for (int64_t i = 0; i < ms; i += 100) {
        s.engine.position.offset += 10;
        if (two)
            attach(2, s.engine.position.offset - 5);
        if (three)
            attach(3, s.engine.position.offset - 5);
        passes(100);
    }
}

/* ---- sync ---- */

static void a_sync_set_shrinks_in_the_document_before_the_engine_needs_less(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 2);
    detach(3);
    passes(2400);
    accepted();
    done();
    assert_string_equal(
        s.story, "[ 3800] time -> propose primary 1 in sync {1 2} serving: it has not kept up;\n"
                 "[ 4200] done -> (left the set: it has not kept up);\n"
                 "[ 4200] document -> promote sync 1 of {2} in 6;\n");
}

static void a_sync_set_grows_in_the_engine_first_and_waits_for_what_was_before(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 1);
    detach(3);
    passes(200);
    life_set_drop(&s.body.in_sync, 3);
    document();
    done();
    forget_the_story();
    attach(3, 1000);
    passes(200);
    s.engine.position.offset = 1500;
    done();
    passes(400);
    attach(3, 1499);
    passes(400);
    say("it has all\n");
    attach(3, 1500);
    passes(400);
    accepted();
    assert_string_equal(
        s.story, "[ 2200] status -> promote sync {2 3} in 6;\n"
                 "it has all\n"
                 "[ 3200] status -> propose primary 1 in sync {1 2 3} serving: it has everything;\n"
                 "[ 3400] done -> (joined: it has everything);\n");
}

static void who_leaves_a_small_sync_set_becomes_eligible_and_is_still_needed(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 2);
    detach(2);
    detach(3);
    passes(2400);
    accepted();
    passes(1000);
    assert_string_equal(s.story, "[ 3800] time -> propose primary 1 in sync {1} eligible {2 3} "
                                 "serving: it has not kept up;\n"
                                 "[ 4200] done -> (left the set: it has not kept up);\n");
}

static void who_comes_back_to_a_small_set_empties_the_eligible(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 2);
    detach(2);
    detach(3);
    passes(2400);
    accepted();
    forget_the_story();
    attach(3, 1000);
    passes(600);
    accepted();
    done();
    assert_string_equal(
        s.story, "[ 4400] status -> propose primary 1 in sync {1 3} serving: it has everything;\n"
                 "[ 4800] done -> (joined: it has everything);\n"
                 "[ 4800] document -> promote sync 1 of {3} in 6;\n");
}

static void a_lone_sync_primary_acknowledges_nothing_below_the_minimum(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 2);
    detach(2);
    detach(3);
    passes(200);
    life_set_drop(&s.body.in_sync, 2);
    life_set_drop(&s.body.in_sync, 3);
    document();
    assert_string_equal(s.story, "[ 2000] document -> promote sync 1 of in 6;\n");
}

static void a_proposal_of_unknown_fate_keeps_both_sets_needed(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 1);
    detach(3);
    passes(200);
    life_set_drop(&s.body.in_sync, 3);
    document();
    done();
    attach(3, 1000);
    passes(200);
    done();
    passes(200);
    forget_the_story();
    proposed(PROPOSAL_UNKNOWN);
    detach(3);
    passes(5000);
    assert_string_equal(
        s.story, "[ 2600] time -> propose primary 1 in sync {1 2 3} serving: it has everything;\n");
}

static void under_steady_writes_nobody_leaves(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 1);
    writes_and_passes(8000, true, true);
    assert_string_equal(s.story, "");
}

static void who_falls_behind_under_steady_writes_leaves(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 1);
    writes_and_passes(3000, true, false);
    assert_string_equal(
        s.story, "[ 3800] time -> propose primary 1 in sync {1 2} serving: it has not kept up;\n");
}

static void a_run_that_is_new_is_not_believed_what_the_one_before_had(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 1);
    life_set_drop(&s.body.in_sync, 3);
    s.lives.lives[2].incarnation = 2;
    s.mute = true;
    passes(200);
    document();
    forget_the_story();
    say("an answer from before\n");
    s.mute = false;
    answer_status();
    done();
    say("another\n");
    passes(200);
    assert_string_equal(s.story, "an answer from before\n"
                                 "[ 2000] status -> promote sync {2} in 6;\n"
                                 "another\n"
                                 "[ 2200] status -> promote sync {2 3} in 6;\n");
}

static void who_began_again_while_its_joining_was_in_doubt_joins_as_it_is_now(void **state)
{
    (void)state;
    serves_in(GROUP_ASYNC, 1);
    detach(3);
    passes(200);
    life_set_drop(&s.body.in_sync, 3);
    document();
    attach(3, 1000);
    passes(400);
    forget_the_story();
    proposed(PROPOSAL_UNKNOWN);
    s.lives.lives[2].incarnation = 2;
    document();
    passes(400);
    assert_int_equal(s.proposal.body.in_sync.count, 3);
    assert_true(life_set_has(&s.proposal.body.in_sync, (struct life){3, 2}));
}

/* ---- semi-sync ---- */

static void a_semi_sync_set_shrinks_in_the_engine_first_and_waits_for_what_only_it_had(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    s.engine.position.offset = 1100;
    attach(2, 1100);
    attach(3, 1100);
    passes(200);
    detach(3);
    passes(2400);
    s.engine.position.offset = 1101;
    done();
    passes(100);
    attach(2, 1101);
    passes(400);
    accepted();
    assert_string_equal(
        s.story, "[ 4000] time -> promote semi-sync 1 of {2} in 6;\n"
                 "[ 4600] status -> propose primary 1 in sync {1 2} serving: it has not kept up;\n"
                 "[ 4900] done -> (left the set: it has not kept up);\n");
}

static void a_semi_sync_set_grows_in_the_document_first(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    life_set_drop(&s.body.in_sync, 3);
    document();
    done();
    passes(400);
    accepted();
    assert_string_equal(
        s.story, "[ 1800] document -> promote semi-sync 1 of {2} in 6;\n"
                 "[ 2000] status -> propose primary 1 in sync {1 2 3} serving: it has everything;\n"
                 "[ 2200] done -> (joined: it has everything);\n"
                 "[ 2200] document -> promote semi-sync 1 of {2 3} in 6;\n");
}

static void semi_sync_degrades_in_the_document_before_it_acknowledges_alone(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    detach(2);
    detach(3);
    passes(1600);
    accepted();
    done();
    assert_string_equal(s.story,
                        "[ 3300] time -> propose primary 1 in sync {1 2 3} serving degraded: too "
                        "few secondaries receive: writes are acknowledged with fewer copies;\n"
                        "[ 3400] done -> (degraded: too few secondaries receive: writes are "
                        "acknowledged with fewer copies);\n"
                        "[ 3400] document -> promote async in 6;\n");
}

static void semi_sync_heals_when_enough_have_everything_again(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    detach(2);
    detach(3);
    passes(1600);
    accepted();
    s.engine.position.offset = 1300;
    done();
    forget_the_story();
    attach(2, 1200);
    attach(3, 1200);
    passes(200);
    attach(2, 1300);
    attach(3, 1300);
    passes(200);
    s.engine.position.offset = 1400;
    done();
    passes(200);
    attach(2, 1400);
    passes(200);
    accepted();
    assert_string_equal(s.story,
                        "[ 3600] status -> promote semi-sync 1 of {2 3} in 6;\n"
                        "[ 4200] status -> propose primary 1 in sync {1 2 3} serving: enough "
                        "secondaries have everything again;\n"
                        "[ 4200] done -> (healed: enough secondaries have everything again);\n");
}

static void what_degraded_it_does_not_heal_it_at_once(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    s.engine.position.offset = 1500;
    passes(1600);
    forget_the_story();
    accepted();
    done();
    passes(100);
    assert_true(s.body.degraded);
    assert_string_equal(s.story,
                        "[ 3400] done -> (degraded: too few secondaries receive: writes are "
                        "acknowledged with fewer copies);\n"
                        "[ 3400] document -> promote async in 6;\n");
}

static void secondaries_of_which_an_engine_hears_once_a_second_keep_up(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    forget_the_story();
    for (int turn = 1; turn <= 50; turn++) {
        s.engine.position.offset += 10;
        if (turn % 5 == 0) {
            attach(2, s.engine.position.offset - 1);
            attach(3, s.engine.position.offset - 1);
        }
        passes(200);
    }
    assert_string_equal(s.story, "");
}

static void semi_sync_that_never_degrades_waits(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.degrade_ms = INT64_MAX;
    serves(&rules);
    detach(2);
    detach(3);
    passes(30000);
    assert_false(s.body.degraded);
    assert_string_equal(s.story, "[ 3400] time -> promote semi-sync 1 of {2} in 6;\n");
}

/* ---- async, and other modes while it runs ---- */

static void an_async_set_is_who_is_near_enough(void **state)
{
    (void)state;
    serves_in(GROUP_ASYNC, 1);
    s.engine.position.offset = 2000;
    passes(3000);
    say("further\n");
    s.engine.position.offset = 2001;
    passes(2400);
    assert_string_equal(
        s.story, "further\n"
                 "[ 6800] time -> propose primary 1 in sync {1} serving: it has not kept up;\n");
}

static void a_looser_mode_takes_effect_at_once(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 1);
    s.body.mode = GROUP_ASYNC;
    document();
    assert_string_equal(s.story, "[ 1800] document -> promote async in 6;\n");
}

static void a_stricter_mode_takes_its_members_in_as_they_have_caught_up(void **state)
{
    (void)state;
    serves_in(GROUP_ASYNC, 1);
    s.engine.position.offset = 1400;
    passes(200);
    forget_the_story();
    s.body.mode = GROUP_SYNC;
    life_set_drop(&s.body.in_sync, 2);
    life_set_drop(&s.body.in_sync, 3);
    document();
    done();
    passes(200);
    say("2 has all\n");
    attach(2, 1400);
    passes(200);
    accepted();
    assert_string_equal(
        s.story, "[ 2000] document -> promote sync {2 3} in 6;\n"
                 "2 has all\n"
                 "[ 2400] status -> propose primary 1 in sync {1 2} serving: it has everything;\n"
                 "[ 2400] done -> (joined: it has everything);\n");
}

/* What one of them alone had acknowledged under the laxer mode may be missing from the other. */
static void what_counted_in_a_laxer_mode_is_needed_anew_before_it_joins(void **state)
{
    const struct instant now = {NS_PER_S};
    const struct replica_rules rules = {
        .lag_ms = 3000, .degrade_ms = 2000, .max_lag_bytes = 1 << 20};
    const struct life self = {1, 1}, other = {2, 1};
    struct engine_needs needs = {.mode = GROUP_SEMI_SYNC, .acks = 1};
    struct engine_status status = {.state = ENGINE_RUNNING,
                                   .role = ENGINE_PRIMARY,
                                   .position = {6, 1000},
                                   .follower_count = 1,
                                   .followers = {{2, true, {6, 1000}}}};
    struct group_body body = {.primary = 1, .mode = GROUP_SEMI_SYNC, .min_in_sync = 1, .acks = 1};
    struct life_set lives = {0};
    struct in_sync_advice advice;
    struct in_sync books;

    (void)state;
    life_set_put(&lives, self);
    life_set_put(&lives, other);
    life_set_put(&needs.members, other);
    in_sync_begin(&books, &rules, self, &lives, (struct instant){0});
    in_sync_told(&books, &needs, &status);
    body.in_sync = lives;
    in_sync_heard(&books, &status, now, &body, now);
    body.mode = GROUP_SYNC;
    life_set_drop(&body.in_sync, other.member);
    in_sync_advise(&books, &body, NULL, now, &advice);
    assert_true(advice.ask);
    assert_int_equal(advice.needs.mode, GROUP_SYNC);
    assert_false(advice.propose);
    in_sync_told(&books, &advice.needs, &status);
    in_sync_heard(&books, &status, after_ms(now, 1), &body, after_ms(now, 1));
    in_sync_advise(&books, &body, NULL, after_ms(now, 1), &advice);
    assert_true(advice.propose);
}

static void other_acks_are_asked_for_at_once(void **state)
{
    (void)state;
    serves_in(GROUP_SEMI_SYNC, 1);
    s.body.acks = 2;
    document();
    assert_string_equal(s.story, "[ 1800] document -> promote semi-sync 2 of {2 3} in 6;\n");
}

static void what_is_eligible_stays_needed_until_the_document_lets_it_go(void **state)
{
    (void)state;
    serves_in(GROUP_SYNC, 2);
    detach(2);
    detach(3);
    passes(2400);
    accepted();
    s.body.mode = GROUP_ASYNC;
    document();
    passes(200);
    accepted();
    assert_string_equal(
        s.story,
        "[ 3800] time -> propose primary 1 in sync {1} eligible {2 3} serving: it has not kept "
        "up;\n"
        "[ 4200] done -> (left the set: it has not kept up);\n"
        "[ 4200] document -> propose primary 1 in sync {1} serving: enough are in sync without "
        "those that were eligible;\n"
        "[ 4400] done -> (left the set: enough are in sync without those that were eligible);\n"
        "[ 4400] document -> promote async in 6;\n");
}

/* A reload: the primary that goes on goes by what the file says now. */
static void other_rules_count_at_once(void **state)
{
    struct replica_rules rules = story_rules;

    (void)state;
    serves(&story_rules);
    detach(3);
    rules.lag_ms = 60000;
    replica_configure(&s.replica, &rules);
    passes(10000);
    assert_null(strstr(s.story, "promote"));
    rules.lag_ms = 1000;
    replica_configure(&s.replica, &rules);
    passes(2000);
    assert_non_null(strstr(s.story, "promote")); /* without it, and then the document */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_rules_count_at_once),
        cmocka_unit_test(a_sync_set_shrinks_in_the_document_before_the_engine_needs_less),
        cmocka_unit_test(a_sync_set_grows_in_the_engine_first_and_waits_for_what_was_before),
        cmocka_unit_test(who_leaves_a_small_sync_set_becomes_eligible_and_is_still_needed),
        cmocka_unit_test(who_comes_back_to_a_small_set_empties_the_eligible),
        cmocka_unit_test(a_lone_sync_primary_acknowledges_nothing_below_the_minimum),
        cmocka_unit_test(a_proposal_of_unknown_fate_keeps_both_sets_needed),
        cmocka_unit_test(under_steady_writes_nobody_leaves),
        cmocka_unit_test(who_falls_behind_under_steady_writes_leaves),
        cmocka_unit_test(a_run_that_is_new_is_not_believed_what_the_one_before_had),
        cmocka_unit_test(who_began_again_while_its_joining_was_in_doubt_joins_as_it_is_now),
        cmocka_unit_test(
            a_semi_sync_set_shrinks_in_the_engine_first_and_waits_for_what_only_it_had),
        cmocka_unit_test(a_semi_sync_set_grows_in_the_document_first),
        cmocka_unit_test(semi_sync_degrades_in_the_document_before_it_acknowledges_alone),
        cmocka_unit_test(semi_sync_heals_when_enough_have_everything_again),
        cmocka_unit_test(what_degraded_it_does_not_heal_it_at_once),
        cmocka_unit_test(secondaries_of_which_an_engine_hears_once_a_second_keep_up),
        cmocka_unit_test(semi_sync_that_never_degrades_waits),
        cmocka_unit_test(an_async_set_is_who_is_near_enough),
        cmocka_unit_test(a_looser_mode_takes_effect_at_once),
        cmocka_unit_test(a_stricter_mode_takes_its_members_in_as_they_have_caught_up),
        cmocka_unit_test(what_counted_in_a_laxer_mode_is_needed_anew_before_it_joins),
        cmocka_unit_test(other_acks_are_asked_for_at_once),
        cmocka_unit_test(what_is_eligible_stays_needed_until_the_document_lets_it_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
