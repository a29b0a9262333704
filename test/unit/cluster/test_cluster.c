/*
 * Whole clusters of a few nodes: founding, electing, agreeing, losing a node and getting it back.
 */
#include "world.h"

static void three_blank_nodes_found_a_cluster_and_elect_a_leader(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(cluster_view(world.nodes[i].cluster)->cluster_id,
                         cluster_view(world.nodes[0].cluster)->cluster_id);
    world_close(&world);
}

static void a_command_is_applied_everywhere_whoever_was_asked(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    for (uint32_t i = 0; i < 3; i++) {
        char name[] = "node/x";
        struct document_command command;

        name[5] = (char)('a' + (int)i);
        command = world_drain(name);
        assert_done(world_command(&world, i, &command));
    }
    for (uint32_t i = 0; i < 3; i++)
        world_until(&world, cluster_document(world.nodes[i].cluster)->drains.count == 3);
    world_close(&world);
}

static void a_killed_leader_is_replaced_and_comes_back_with_what_it_had(void **state)
{
    struct document_command command = world_drain("before");
    struct world world;
    uint32_t leader, other;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    assert_done(world_command(&world, 0, &command));
    leader = (uint32_t)world_leader(&world);
    other = (leader + 1) % 3;
    world_stop(&world, leader, false);
    command = world_drain("meanwhile");
    assert_done(world_command(&world, other, &command));
    world_start(&world, leader);
    world_until(&world, cluster_document(world.nodes[leader].cluster)->drains.count == 2);
    world_close(&world);
}

static void all_nodes_restarted_at_once_go_on_with_what_was_acknowledged(void **state)
{
    struct document_command command = world_drain("kept");
    struct world world;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    assert_done(world_command(&world, 1, &command));
    for (uint32_t i = 0; i < 3; i++)
        world_stop(&world, i, false);
    world_start_all(&world);
    for (uint32_t i = 0; i < 3; i++)
        world_until(&world, cluster_document(world.nodes[i].cluster)->drains.count == 1);
    world_close(&world);
}

static void without_a_quorum_nothing_is_done_and_the_sentence_says_why(void **state)
{
    struct document_command command = world_drain("never");
    struct cluster_ask ask = {.kind = CLUSTER_COMMAND, .command = &command, .timeout_ms = 800};
    struct world world;
    struct answer answer;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    world_stop(&world, 1, false);
    world_stop(&world, 2, false);
    world_until(&world, !cluster_view(world.nodes[0].cluster)->quorum);
    answer = world_ask(&world, 0, &ask);
    assert_int_equal(answer.outcome, CLUSTER_NO_QUORUM);
    assert_non_null(strstr(answer.sentence, "quorum"));
    assert_false(cluster_view(world.nodes[0].cluster)->survives);
    world_close(&world);
}

static void leadership_goes_where_it_is_asked_to_go(void **state)
{
    struct cluster_ask ask = {.kind = CLUSTER_TRANSFER, .timeout_ms = 5000};
    struct world world;
    uint32_t to;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    to = ((uint32_t)world_leader(&world) + 1) % 3;
    ask.node = world.nodes[to].name;
    assert_done(world_ask(&world, (to + 1) % 3, &ask));
    world_until(&world, world_leader(&world) == (int)to);
    world_close(&world);
}

static void a_read_waits_for_all_that_was_acknowledged(void **state)
{
    struct cluster_ask ask = {.kind = CLUSTER_READ, .timeout_ms = 5000};
    struct document_command command = world_drain("written");
    struct world world;

    (void)state;
    world_open(&world, 3);
    world_start_all(&world);
    world_until(&world, world_members(&world));
    assert_done(world_command(&world, 0, &command));
    for (uint32_t i = 0; i < 3; i++) {
        assert_done(world_ask(&world, i, &ask));
        assert_int_equal(cluster_document(world.nodes[i].cluster)->drains.count, 1);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_blank_nodes_found_a_cluster_and_elect_a_leader),
        cmocka_unit_test(a_command_is_applied_everywhere_whoever_was_asked),
        cmocka_unit_test(a_killed_leader_is_replaced_and_comes_back_with_what_it_had),
        cmocka_unit_test(all_nodes_restarted_at_once_go_on_with_what_was_acknowledged),
        cmocka_unit_test(without_a_quorum_nothing_is_done_and_the_sentence_says_why),
        cmocka_unit_test(leadership_goes_where_it_is_asked_to_go),
        cmocka_unit_test(a_read_waits_for_all_that_was_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
