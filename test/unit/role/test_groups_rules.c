/*
 * The times that the cores of a group go by, from the file.
 */
#include "role/agent_groups.h"
#include "unit.h"

static const struct config settings = {
    .failover = {.heartbeat_ms = 200,
                 .election_timeout_ms = 600,
                 .lease_ms = 2000,
                 .groups = {.timeout_ms = 10000}},
};
static const struct config_group group = {
    .replication = {.durable = true, .lag_ms = 5000},
    .engine = {.timeout_ms = 5000, .probed = true, .probe = {.timeout_ms = 1000}},
};

static void a_primary_has_time_to_stop_writes_before_its_lease_ends(void **state)
{
    struct config tight = settings;

    (void)state;
    assert_int_equal(agent_groups_replica_rules(&settings, &group).demote_ms, 500);
    tight.failover.heartbeat_ms = 50;
    tight.failover.election_timeout_ms = 300;
    tight.failover.lease_ms = 500;
    assert_int_equal(agent_groups_replica_rules(&tight, &group).demote_ms, 75);
    tight.failover.lease_ms = 351;
    assert_int_equal(agent_groups_replica_rules(&tight, &group).demote_ms, 35);
}

static void a_late_answer_is_not_yet_silence(void **state)
{
    struct config slow = settings;
    struct config_group plain = group;

    (void)state;
    assert_int_equal(agent_groups_replica_rules(&settings, &group).stuck_ms, 1000);
    slow.failover.heartbeat_ms = 1000;
    assert_int_equal(agent_groups_replica_rules(&slow, &group).stuck_ms, 4000);
    plain.engine.probed = false;
    assert_int_equal(agent_groups_replica_rules(&settings, &plain).stuck_ms, 5000);
}

static void a_member_judges_its_promotion_before_the_leader_does(void **state)
{
    (void)state;
    assert_true(agent_groups_replica_rules(&settings, &group).verify_ms <
                agent_groups_failover_rules(&settings, &group).timeout_ms);
    assert_true(agent_groups_replica_rules(&settings, &group).durable);
}

static void an_agent_that_begins_again_says_so_only_when_all_is_as_it_was(void **state)
{
    struct config_group groups[2] = {
        {.replication = {.durable = true}, .member_count = 1, .members = {{.node = 1}}},
        {.slot = 1, .member_count = 1, .members = {{.node = 1}}},
    };
    struct config here = {.node = 1, .groups = {0, 2}};
    struct process_record processes[2] = {0};

    (void)state;
    assert_false(agent_groups_kept(&here, groups, processes));
    processes[1].pid = 4711;
    processes[1].starts = 1;
    assert_true(agent_groups_kept(&here, groups, processes));
    processes[1].starts = 2;
    assert_false(agent_groups_kept(&here, groups, processes));
    groups[1].replication.durable = true;
    assert_true(agent_groups_kept(&here, groups, processes));
    here.node = 2;
    assert_false(agent_groups_kept(&here, groups, processes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_primary_has_time_to_stop_writes_before_its_lease_ends),
        cmocka_unit_test(a_late_answer_is_not_yet_silence),
        cmocka_unit_test(an_agent_that_begins_again_says_so_only_when_all_is_as_it_was),
        cmocka_unit_test(a_member_judges_its_promotion_before_the_leader_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
