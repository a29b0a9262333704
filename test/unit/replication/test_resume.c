/*
 * An agent that begins again beside an engine that went on, told as stories.
 */
#include "story.h"

/* The document's primary is an earlier run of this member's agent; the engine went on. */
static void begins_again(const struct replica_rules *rules)
{
    begins(rules);
    s.body.primary = SELF;
    s.body.serving = true;
    s.body.in_sync.lives[0].incarnation = RUN - 1;
    s.engine.role = ENGINE_PRIMARY;
    s.engine.writable = true;
    s.engine.epoch = 5;
    s.engine.position.epoch = 5;
    attach(2, 1000);
}

static void an_agent_that_begins_again_goes_on_without_a_pause(void **state)
{
    (void)state;
    begins_again(&story_rules);
    process(true);
    document();
    passes(100);
    accepted();
    passes(100);
    lease(4000);
    done();
    assert_int_equal(state_now(), REPLICA_SERVING);
    assert_string_equal(s.story,
                        "[ 1000] document -> propose primary 1 in sync {1 2 3} serving kept: its "
                        "agent began again beside its engine, which has everything;\n"
                        "[ 1200] lease -> fence 4000; promote semi-sync 1 of {2 3} in 6;\n");
}

static void an_engine_that_nobody_can_kill_stops_first(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.managed = false;
    begins_again(&rules);
    document();
    done();
    accepted();
    lease(4000);
    assert_string_equal(s.story,
                        "[ 1000] status -> demote in 5;\n"
                        "[ 1000] done -> fence never; propose primary 1 in sync {1 2 3} serving "
                        "kept: its agent began again beside its engine, which has everything;\n"
                        "[ 1000] lease -> fence 4000; promote semi-sync 1 of {2 3} in 6;\n");
}

static void without_an_answer_of_the_cluster_it_demotes_and_steps_down(void **state)
{
    (void)state;
    begins_again(&story_rules);
    process(true);
    document();
    proposed(PROPOSAL_UNKNOWN);
    passes(1200);
    done();
    assert_string_equal(s.story,
                        "[ 1000] document -> propose primary 1 in sync {1 2 3} serving kept: its "
                        "agent began again beside its engine, which has everything;\n"
                        "[ 1200] time -> propose primary 1 in sync {1 2 3} serving kept: its agent "
                        "began again beside its engine, which has everything;\n"
                        "[ 2000] time -> demote in 5;\n"
                        "[ 2200] done -> fence never;\n");
}

static void without_a_lease_in_time_it_demotes(void **state)
{
    (void)state;
    begins_again(&story_rules);
    process(true);
    document();
    accepted();
    passes(1100);
    done();
    assert_string_equal(
        s.story, "[ 1000] document -> propose primary 1 in sync {1 2 3} serving kept: its agent "
                 "began again beside its engine, which has everything;\n"
                 "[ 2000] time -> (fenced: its lease ends: it takes no more writes); demote in 6;\n"
                 "[ 2100] done -> fence never;\n");
}

static void an_engine_that_died_meanwhile_steps_down(void **state)
{
    (void)state;
    begins_again(&story_rules);
    process(false);
    document();
    assert_string_equal(s.story, "[ 1000] ended -> fence never; start;\n"
                                 "[ 1000] document -> propose primary 0 in sync {1 2 3} kept: its "
                                 "process ended while its agent did not run;\n");
}

static void an_engine_that_died_and_is_not_durable_leaves_the_set(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.durable = false;
    begins_again(&rules);
    process(false);
    document();
    assert_string_equal(s.story,
                        "[ 1000] ended -> fence never; start;\n"
                        "[ 1000] document -> propose primary 0 in sync {2 3} degraded: its process "
                        "ended while its agent did not run;\n");
}

static void after_it_had_acknowledged_alone_nobody_is_left_who_is_known_to_have_all(void **state)
{
    (void)state;
    struct replica_rules rules = story_rules;

    rules.durable = false;
    begins_again(&rules);
    s.body.degraded = true;
    process(false);
    document();
    assert_string_equal(s.story, "[ 1000] ended -> fence never; start;\n"
                                 "[ 1000] document -> propose primary 0 in sync {} degraded: its "
                                 "process ended while its agent did not run;\n");
}

static void an_engine_that_dies_while_it_asks_steps_down(void **state)
{
    (void)state;
    begins_again(&story_rules);
    process(true);
    document();
    process(false);
    proposed(PROPOSAL_REFUSED);
    passes(300);
    assert_string_equal(
        s.story, "[ 1000] document -> propose primary 1 in sync {1 2 3} serving kept: its agent "
                 "began again beside its engine, which has everything;\n"
                 "[ 1000] ended -> (engine died: killed by signal 9); fence never; start;\n"
                 "[ 1200] time -> propose primary 0 in sync {1 2 3} kept: killed by signal 9;\n");
}

static void the_fence_of_the_run_before_is_left_alone(void **state)
{
    (void)state;
    begins_again(&story_rules);
    process(true);
    passes(500);
    assert_int_equal(state_now(), REPLICA_IDLE);
    assert_string_equal(s.story, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_that_begins_again_goes_on_without_a_pause),
        cmocka_unit_test(an_engine_that_nobody_can_kill_stops_first),
        cmocka_unit_test(without_an_answer_of_the_cluster_it_demotes_and_steps_down),
        cmocka_unit_test(without_a_lease_in_time_it_demotes),
        cmocka_unit_test(an_engine_that_died_meanwhile_steps_down),
        cmocka_unit_test(an_engine_that_died_and_is_not_durable_leaves_the_set),
        cmocka_unit_test(after_it_had_acknowledged_alone_nobody_is_left_who_is_known_to_have_all),
        cmocka_unit_test(an_engine_that_dies_while_it_asks_steps_down),
        cmocka_unit_test(the_fence_of_the_run_before_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
