/*
 * Leases of whole clusters. What is counted, and from when, is told in test_lease.c; here it meets links, consensus and the loop.
 */
#include "cluster/drive.h"
#include "world.h"

static struct answer ask_lease(struct world *world, uint32_t i, enum cluster_ask_kind kind,
                               int64_t timeout_ms)
{
    struct cluster_ask ask = {.kind = kind, .resource = "address/web", .timeout_ms = timeout_ms};

    return world_ask(world, i, &ask);
}

static bool holds(struct world *world, uint32_t i)
{
    const struct node *node = &world->nodes[i];

    return node->cluster && node->lease[0].ns > loop_read_clock(world->loop, LOOP_BOOT).ns;
}

static void open_three(struct world *world)
{
    world_open(world, 3);
    world_start_all(world);
    world_until(world, world_members(world));
}

static void whoever_takes_a_lease_holds_and_keeps_it(void **state)
{
    struct world world;

    (void)state;
    open_three(&world);
    for (uint32_t i = 0; i < 3; i++) {
        struct instant first;

        assert_done(ask_lease(&world, i, CLUSTER_LEASE_TAKE, 5000));
        assert_true(holds(&world, i));
        first = world.nodes[i].lease[0];
        world_until(&world, world.nodes[i].lease[0].ns > first.ns + 200 * NS_PER_MS);
        assert_true(holds(&world, i));
        assert_done(ask_lease(&world, i, CLUSTER_LEASE_RELEASE, 5000));
        assert_false(holds(&world, i));
    }
    world_close(&world);
}

static void a_lease_that_is_held_is_not_given_to_another(void **state)
{
    struct world world;
    struct answer answer;

    (void)state;
    open_three(&world);
    assert_done(ask_lease(&world, 0, CLUSTER_LEASE_TAKE, 5000));
    answer = ask_lease(&world, 1, CLUSTER_LEASE_TAKE, 1500);
    assert_int_equal(answer.outcome, CLUSTER_REFUSED);
    assert_non_null(strstr(answer.sentence, "a holds the lease"));
    assert_true(holds(&world, 0));
    world_close(&world);
}

static int64_t left_ms(struct world *world, uint32_t i)
{
    struct instant now = loop_read_clock(world->loop, LOOP_BOOT);

    return ns_between(now, world->nodes[i].lease[0]) / NS_PER_MS;
}

static void lead(struct world *world, uint32_t i)
{
    struct cluster_ask ask = {
        .kind = CLUSTER_TRANSFER, .node = world->nodes[i].name, .timeout_ms = 8000};

    if (world_leader(world) != (int)i)
        assert_done(world_ask(world, i, &ask));
    world_until(world, world_leader(world) == (int)i);
}

/* As while a file with a longer lease is brought to one node after the other: c has it already. */
static void a_lease_is_as_long_as_leader_and_holder_both_say(void **state)
{
    struct cluster_ask ask = {
        .kind = CLUSTER_LEASE_TAKE, .resource = "address/web", .timeout_ms = 15000};
    struct answer answer = {0};
    struct world world;
    struct instant end;

    (void)state;
    world_open(&world, 3);
    world.nodes[2].lease_ms = 3000;
    world_start_all(&world);
    world_until(&world, world_members(&world));
    lead(&world, 0);
    assert_done(ask_lease(&world, 2, CLUSTER_LEASE_TAKE, 8000));
    assert_true(left_ms(&world, 2) <= 600);
    lead(&world, 2);
    world_until(&world, left_ms(&world, 2) > 2000);

    /* Whoever leads then counts 600 ms by its own file. */
    end = world.nodes[2].lease[0];
    world_stop(&world, 2, false);
    cluster_ask(world.nodes[0].cluster, &ask, world_answered, &answer);
    world_until(&world, answer.came);
    assert_done(answer);
    assert_true(passed(end, loop_read_clock(world.loop, LOOP_BOOT)));
    world_close(&world);
}

static void a_dead_holders_lease_goes_over_and_never_are_there_two(void **state)
{
    struct cluster_ask ask = {
        .kind = CLUSTER_LEASE_TAKE, .resource = "address/web", .timeout_ms = 15000};
    struct answer answer = {0};
    struct world world;
    uint32_t holder, heir;
    struct instant end;

    (void)state;
    open_three(&world);
    holder = (uint32_t)world_leader(&world);
    heir = (holder + 1) % 3;
    assert_done(ask_lease(&world, holder, CLUSTER_LEASE_TAKE, 5000));
    end = world.nodes[holder].lease[0];
    world_stop(&world, holder, false);
    cluster_ask(world.nodes[heir].cluster, &ask, world_answered, &answer);
    world_until(&world, answer.came);
    assert_done(answer);
    assert_true(holds(&world, heir));
    assert_true(passed(end, loop_read_clock(world.loop, LOOP_BOOT)));
    world_close(&world);
}

static bool follows(const struct world *world, uint32_t i, uint32_t leader)
{
    return cluster_raft(world->nodes[i].cluster)->leader == leader;
}

/* And not from its victory, which is later. */
static void a_new_leader_counts_from_when_its_voters_were_last_led(void **state)
{
    struct world world;
    struct instant noticed;
    uint32_t old, one, two, gone;

    (void)state;
    open_three(&world);
    old = (uint32_t)world_leader(&world);
    one = (old + 1) % 3;
    two = (old + 2) % 3;
    gone = cluster_raft(world.nodes[old].cluster)->options.self;
    world_until(&world, follows(&world, one, gone) && follows(&world, two, gone));
    world_stop(&world, old, false);
    world_until(&world, !follows(&world, one, gone) && !follows(&world, two, gone));
    noticed = loop_read_clock(world.loop, LOOP_BOOT);
    world_until(&world, world.nodes[one].cluster->grantor.leading ||
                            world.nodes[two].cluster->grantor.leading);
    if (!world.nodes[one].cluster->grantor.leading)
        one = two;
    assert_true(world.nodes[one].cluster->grantor.doubt.ns <= noticed.ns);
    world_close(&world);
}

enum { READERS = 200 };

struct readers {
    struct cluster *cluster;
    bool over;
    uint32_t reading;
};

static void on_read(void *context, const struct cluster_answer *answer)
{
    struct cluster_ask ask = {.kind = CLUSTER_READ, .timeout_ms = 10000};
    struct readers *readers = context;

    (void)answer;
    if (readers->over)
        readers->reading--;
    else
        cluster_ask(readers->cluster, &ask, on_read, readers);
}

/* All the time more confirmations are asked for than consensus keeps. */
static void readers_do_not_keep_a_lease_from_being_renewed(void **state)
{
    struct cluster_ask ask = {.kind = CLUSTER_READ, .timeout_ms = 10000};
    struct readers readers = {.reading = READERS};
    struct world world;
    struct instant end;
    uint32_t leader;

    (void)state;
    world_open(&world, 3);
    for (uint32_t i = 0; i < 3; i++)
        world.nodes[i].lease_ms = 2000; /* a busy machine is no reader */
    world_start_all(&world);
    world_until(&world, world_members(&world));
    leader = (uint32_t)world_leader(&world);
    readers.cluster = world.nodes[leader].cluster;
    assert_done(ask_lease(&world, leader, CLUSTER_LEASE_TAKE, 5000));
    end = after_ms(world.nodes[leader].lease[0], 3000);
    for (uint32_t i = 0; i < READERS; i++)
        cluster_ask(readers.cluster, &ask, on_read, &readers);
    world_until(&world, world.nodes[leader].lease[0].ns >= end.ns);
    assert_int_equal(world.nodes[leader].leases_lost, 0);
    readers.over = true;
    world_until(&world, readers.reading == 0);
    world_close(&world);
}

static bool is_vacant(struct world *world, uint32_t i)
{
    const struct document_lease *lease =
        document_lease(cluster_document(world->nodes[i].cluster), "address/web", NULL);

    return !lease || lease->holder.member == 0;
}

/* Given up here, and nobody could be told: it is when there is somebody again. */
static void a_release_that_was_refused_is_done_later(void **state)
{
    struct world world;
    struct answer answer;

    (void)state;
    open_three(&world);
    assert_done(ask_lease(&world, 0, CLUSTER_LEASE_TAKE, 5000));
    world_stop(&world, 1, false);
    world_stop(&world, 2, false);
    answer = ask_lease(&world, 0, CLUSTER_LEASE_RELEASE, 100);
    assert_int_not_equal(answer.outcome, CLUSTER_DONE);
    world_start(&world, 1);
    world_start(&world, 2);
    world_until(&world, is_vacant(&world, 0));
    assert_done(ask_lease(&world, 0, CLUSTER_LEASE_TAKE, 5000));
    assert_true(holds(&world, 0));
    world_close(&world);
}

static void an_orderly_stop_gives_the_lease_up_at_once(void **state)
{
    struct world world;
    uint32_t holder;

    (void)state;
    open_three(&world);
    holder = ((uint32_t)world_leader(&world) + 1) % 3;
    assert_done(ask_lease(&world, holder, CLUSTER_LEASE_TAKE, 5000));
    world_stop(&world, holder, true);
    world_until(&world,
                cluster_document(world.nodes[(holder + 1) % 3].cluster)->leases[0].name[0] == 0);
    world_close(&world);
}

static void without_a_quorum_a_lease_ends_and_with_one_it_comes_back(void **state)
{
    struct world world;

    (void)state;
    open_three(&world);
    assert_done(ask_lease(&world, 0, CLUSTER_LEASE_TAKE, 5000));
    world_stop(&world, 1, false);
    world_stop(&world, 2, false);
    world_until(&world, !holds(&world, 0));
    world_until(&world, world.nodes[0].leases_lost > 0);
    world_start(&world, 1);
    world_until(&world, holds(&world, 0));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_takes_a_lease_holds_and_keeps_it),
        cmocka_unit_test(a_lease_that_is_held_is_not_given_to_another),
        cmocka_unit_test(a_lease_is_as_long_as_leader_and_holder_both_say),
        cmocka_unit_test(a_dead_holders_lease_goes_over_and_never_are_there_two),
        cmocka_unit_test(a_new_leader_counts_from_when_its_voters_were_last_led),
        cmocka_unit_test(readers_do_not_keep_a_lease_from_being_renewed),
        cmocka_unit_test(a_release_that_was_refused_is_done_later),
        cmocka_unit_test(an_orderly_stop_gives_the_lease_up_at_once),
        cmocka_unit_test(without_a_quorum_a_lease_ends_and_with_one_it_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
