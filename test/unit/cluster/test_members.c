/*
 * Members that come, go, lose their disks; snapshots; and what an operator may do when most are gone for good.
 */
#include "world.h"

static struct answer ask_node(struct world *world, uint32_t i, enum cluster_ask_kind kind,
                              const char *node)
{
    struct cluster_ask ask = {.kind = kind, .node = node, .timeout_ms = 8000};

    return world_ask(world, i, &ask);
}

static uint32_t voters_at(struct world *world, uint32_t i)
{
    return document_voters(cluster_document(world->nodes[i].cluster));
}

/* Founded by the first `count`; the file then names all. */
static void open_some(struct world *world, uint32_t nodes, uint32_t count)
{
    world_open(world, nodes);
    world->in_file = count;
    for (uint32_t i = 0; i < count; i++)
        world_start(world, i);
    world_until(world, world_leader(world) >= 0);
    world_until(world, world_members(world));
    world->in_file = nodes;
    for (uint32_t i = 0; i < count; i++)
        cluster_configure(world->nodes[i].cluster, world->file, nodes, 2);
}

static void an_added_node_catches_up_and_votes(void **state)
{
    struct document_command command = world_drain("before");
    struct world world;

    (void)state;
    open_some(&world, 3, 2);
    assert_done(world_command(&world, 0, &command));
    world_start(&world, 2);
    assert_done(ask_node(&world, 1, CLUSTER_NODE_ADD, "c"));
    world_until(&world, voters_at(&world, 0) == 3);
    world_until(&world, cluster_view(world.nodes[2].cluster)->state == CLUSTER_MEMBER);
    world_until(&world, cluster_document(world.nodes[2].cluster)->drains.count == 1);
    world_until(&world, voters_at(&world, 2) == 3);
    world_close(&world);
}

static void a_node_that_does_not_vote_learns_and_never_leads(void **state)
{
    struct document_command command = world_drain("all");
    struct world world;
    uint32_t leader;

    (void)state;
    world_open(&world, 4);
    world.file[0].learner = true;
    world_start_all(&world);
    world_until(&world, world_members(&world));
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(voters_at(&world, i), 3);
    assert_done(world_command(&world, 0, &command));
    world_until(&world, cluster_document(world.nodes[0].cluster)->drains.count == 1);
    leader = (uint32_t)world_leader(&world);
    world_stop(&world, leader, false);
    world_until(&world, world_leader(&world) > 0);
    world_stop(&world, (uint32_t)world_leader(&world), false);
    world_until(&world, !cluster_view(world.nodes[0].cluster)->quorum);
    world_close(&world);
}

/* The charter is on its way to the disk: what the file says meanwhile counts when it is there. */
static void a_reload_while_it_founds_is_followed(void **state)
{
    struct world world;

    (void)state;
    world_open(&world, 4);
    world.in_file = 3;
    for (uint32_t i = 0; i < 3; i++)
        world_start(&world, i);
    world_until(&world, cluster_view(world.nodes[0].cluster)->state == CLUSTER_FOUNDING);
    world.in_file = 4;
    cluster_configure(world.nodes[0].cluster, world.file, 4, 2);
    world_until(&world, world_members(&world));
    for (uint32_t i = 1; i < 3; i++)
        cluster_configure(world.nodes[i].cluster, world.file, 4, 2);
    world_start(&world, 3);
    assert_done(ask_node(&world, 0, CLUSTER_NODE_ADD, "d"));
    world_until(&world, voters_at(&world, 3) == 4);
    world_close(&world);
}

static void a_removed_node_is_told(void **state)
{
    struct world world;

    (void)state;
    open_some(&world, 3, 3);
    assert_done(ask_node(&world, 0, CLUSTER_NODE_REMOVE, "c"));
    world_until(&world, cluster_view(world.nodes[2].cluster)->state == CLUSTER_REMOVED);
    assert_int_equal(voters_at(&world, 0), 2);
    world_close(&world);
}

static void a_removed_leader_hands_over_first(void **state)
{
    struct world world;
    uint32_t leader;

    (void)state;
    open_some(&world, 3, 3);
    leader = (uint32_t)world_leader(&world);
    assert_done(ask_node(&world, (leader + 1) % 3, CLUSTER_NODE_REMOVE, world.nodes[leader].name));
    world_until(&world, cluster_view(world.nodes[leader].cluster)->state == CLUSTER_REMOVED);
    world_until(&world, world_leader(&world) >= 0 && world_leader(&world) != (int)leader);
    world_close(&world);
}

static void who_lost_its_disk_comes_back_as_a_new_member(void **state)
{
    struct world world;
    uint32_t lost, other;

    (void)state;
    open_some(&world, 3, 3);
    lost = ((uint32_t)world_leader(&world) + 1) % 3;
    other = (lost + 1) % 3;
    world_stop(&world, lost, false);
    world_wipe(&world, lost);
    world_start(&world, lost);
    world_until(&world, cluster_view(world.nodes[lost].cluster)->state == CLUSTER_MEMBER);
    world_until(&world, voters_at(&world, lost) == 3);
    world_until(&world, voters_at(&world, other) == 3);
    assert_true(cluster_view(world.nodes[lost].cluster)->self > 3);
    world_close(&world);
}

static void two_of_three_empty_disks_wait_for_an_operator(void **state)
{
    struct document_command command = world_drain("precious");
    struct answer answer;
    struct world world;

    (void)state;
    open_some(&world, 3, 3);
    answer = world_command(&world, 0, &command);
    assert_done(answer);
    /* Two disks are enough for what is applied: the one that is left has to be one of them. */
    world_until(&world, cluster_raft(world.nodes[0].cluster)->stored >= answer.index);
    for (uint32_t i = 0; i < 3; i++)
        world_stop(&world, i, false);
    world_wipe(&world, 1);
    world_wipe(&world, 2);
    for (uint32_t i = 0; i < 3; i++)
        world_start(&world, i);
    world_until(&world, cluster_view(world.nodes[1].cluster)->sentence[0]);
    world_until(&world, cluster_view(world.nodes[0].cluster)->members[1].blank);
    assert_int_equal(world_leader(&world), -1);
    assert_done(ask_node(&world, 0, CLUSTER_RECOVER, NULL));
    world_until(&world, world_leader(&world) == 0);
    assert_int_equal(cluster_document(world.nodes[0].cluster)->drains.count, 1);
    assert_done(ask_node(&world, 0, CLUSTER_NODE_ADD, "b"));
    assert_done(ask_node(&world, 0, CLUSTER_NODE_ADD, "c"));
    world_until(&world, voters_at(&world, 0) == 3);
    world_until(&world, cluster_document(world.nodes[2].cluster)->drains.count == 1);
    world_close(&world);
}

static void a_survivor_of_a_recovery_restarts_and_the_others_are_refused(void **state)
{
    struct world world;

    (void)state;
    open_some(&world, 3, 3);
    world_stop(&world, 1, false);
    world_stop(&world, 2, false);
    world_until(&world, !cluster_view(world.nodes[0].cluster)->quorum);
    assert_done(ask_node(&world, 0, CLUSTER_RECOVER, NULL));
    world_until(&world, world_leader(&world) == 0);
    world_stop(&world, 0, false);
    world_start(&world, 0);
    world_until(&world, world_leader(&world) == 0);
    world_start(&world, 1);
    world_until(&world, strstr(world.nodes[0].story, "b is a member of another cluster"));
    assert_int_equal(voters_at(&world, 0), 1);
    world_close(&world);
}

enum { FLOOD_KEYS = 200 };

struct flood {
    uint32_t done;
    uint64_t version; /* of the key, as it was last set */
};

static void on_flood(void *context, const struct cluster_answer *answer)
{
    struct flood *flood = context;

    assert_int_equal(answer->outcome, CLUSTER_DONE);
    flood->version = answer->version;
    flood->done++;
}

static bool all_done(const struct flood *floods, uint32_t round)
{
    for (uint32_t key = 0; key < FLOOD_KEYS; key++)
        if (floods[key].done != round)
            return false;
    return true;
}

static void flood(struct world *world, uint32_t i, uint32_t rounds)
{
    struct flood floods[FLOOD_KEYS] = {0};

    for (uint32_t round = 1; round <= rounds; round++) {
        for (uint32_t key = 0; key < FLOOD_KEYS; key++) {
            struct document_command command = {.kind = COMMAND_OVERRIDE_SET,
                                               .based_on = floods[key].version};
            struct cluster_ask ask = {
                .kind = CLUSTER_COMMAND, .command = &command, .timeout_ms = 10000};

            snprintf(command.override.key, sizeof command.override.key, "key-%u", key);
            snprintf(command.override.value, sizeof command.override.value, "%u", round);
            cluster_ask(world->nodes[i].cluster, &ask, on_flood, &floods[key]);
        }
        world_until(world, all_done(floods, round));
    }
}

static void who_was_away_for_long_gets_a_snapshot(void **state)
{
    struct world world;
    uint32_t away, here;

    (void)state;
    open_some(&world, 3, 3);
    here = (uint32_t)world_leader(&world);
    away = (here + 1) % 3;
    world_stop(&world, away, false);
    flood(&world, here, 45);
    assert_non_null(strstr(world.nodes[here].story, "snapshot at index"));
    world_start(&world, away);
    world_until(&world, strstr(world.nodes[away].story, "took over a snapshot"));
    world_until(&world, cluster_document(world.nodes[away].cluster)->hash ==
                            cluster_document(world.nodes[here].cluster)->hash);
    world_stop(&world, away, false);
    world_start(&world, away);
    world_until(&world, cluster_document(world.nodes[away].cluster)->hash ==
                            cluster_document(world.nodes[here].cluster)->hash);
    world_close(&world);
}

static void on_bytes(void *context, const char *sentence, struct bytes bytes)
{
    char *text = context;

    if (sentence)
        snprintf(text, 256, "%s", sentence);
    else
        (void)bytes_to_string(bytes, text, 256);
}

static void other_rooms_ask_other_nodes(void **state)
{
    struct world world;
    char text[256] = "";

    (void)state;
    open_some(&world, 3, 3);
    world_until(&world, cluster_view(world.nodes[0].cluster)->members[1].linked);
    cluster_request(world.nodes[0].cluster, "b", BYTES("what happened"), 5000, on_bytes, text);
    world_until(&world, text[0]);
    assert_string_equal(text, "what happened");
    text[0] = 0;
    cluster_request(world.nodes[0].cluster, "z", BYTES("what happened"), 5000, on_bytes, text);
    world_until(&world, text[0]);
    assert_string_equal(text, "there is no such node");
    world_close(&world);
}

/* It waits for a node that has nothing to say, and then is none. */
static void what_is_asked_of_who_leaves_the_file_is_answered(void **state)
{
    struct world world;
    char text[256] = "";

    (void)state;
    open_some(&world, 3, 2);
    world_start(&world, 2);
    world_until(&world, cluster_view(world.nodes[0].cluster)->members[2].linked);
    cluster_request(world.nodes[0].cluster, "c", BYTES("what happened"), 3600000, on_bytes, text);
    cluster_configure(world.nodes[0].cluster, world.file, 2, 3);
    assert_string_equal(text, "");
    world_until(&world, text[0]);
    assert_string_equal(text, "it is no node of this cluster any more");
    world_close(&world);
}

static bool addressed(struct world *world, uint32_t i, const struct address *address)
{
    const struct member *member =
        document_member_named(cluster_document(world->nodes[i].cluster), "c");

    return member && address_equal(&member->addresses[0], address);
}

static void a_new_address_comes_into_the_document_when_all_know_it(void **state)
{
    struct world world;
    struct address before;

    (void)state;
    open_some(&world, 3, 3);
    world_until(&world, voters_at(&world, 2) == 3);
    before = world.file[2].addresses[0];
    world.file[2].addresses[1] = before;
    world.file[2].addresses[0].ip[1] ^= 1;
    world.file[2].count = 2;
    cluster_configure(world.nodes[0].cluster, world.file, 3, 3);
    cluster_configure(world.nodes[1].cluster, world.file, 3, 3);
    world_until(&world, cluster_view(world.nodes[0].cluster)->members[2].config_differs);
    world_until(&world, cluster_view(world.nodes[1].cluster)->members[2].config_differs);
    assert_true(addressed(&world, 0, &before));
    cluster_configure(world.nodes[2].cluster, world.file, 3, 3);
    for (uint32_t i = 0; i < 3; i++)
        world_until(&world, addressed(&world, i, &world.file[2].addresses[0]));
    world_close(&world);
}

static void a_single_node_is_a_cluster(void **state)
{
    struct document_command command = world_drain("alone");
    struct world world;

    (void)state;
    open_some(&world, 1, 1);
    assert_done(world_command(&world, 0, &command));
    assert_false(cluster_view(world.nodes[0].cluster)->survives);
    world_close(&world);
}

/* ---- what a start says of data ---- */

static const struct group_body *body_at(struct world *world, uint32_t i)
{
    return &document_group(cluster_document(world->nodes[i].cluster), "g")->body;
}

/* Of the group `g`, whose primary this node is; all three are in sync. */
static void create_group(struct world *world, uint32_t primary)
{
    const struct document *document = cluster_document(world->nodes[primary].cluster);
    struct document_command command = {.kind = COMMAND_GROUP_CREATE, .group = {.name = "g"}};

    world_until(world, document->member_count == 3);
    for (uint32_t i = 0; i < 3; i++) {
        world_until(world, document->members[i].incarnation == 1);
        life_set_put(&command.group.body.in_sync, (struct life){document->members[i].id, 1});
    }
    command.group.body.primary = cluster_view(world->nodes[primary].cluster)->self;
    command.group.body.mode = GROUP_SYNC;
    command.group.body.min_in_sync = 1;
    assert_done(world_command(world, primary, &command));
    for (uint32_t i = 0; i < 3; i++)
        world_until(world, document_group(cluster_document(world->nodes[i].cluster), "g") != NULL);
}

static bool runs_as(struct world *world, uint32_t at, uint32_t member, uint64_t incarnation)
{
    const struct member *found =
        document_member(cluster_document(world->nodes[at].cluster), member);

    return found && found->incarnation == incarnation;
}

static void who_says_that_it_kept_all_stays_in_sync(void **state)
{
    struct world world;
    uint32_t leader, other, self;

    (void)state;
    open_some(&world, 3, 3);
    leader = (uint32_t)world_leader(&world);
    other = (leader + 1) % 3;
    self = cluster_view(world.nodes[other].cluster)->self;
    create_group(&world, leader);
    world.nodes[other].kept = true;
    world_stop(&world, other, false);
    world_start(&world, other);
    world_until(&world, runs_as(&world, leader, self, 2));
    assert_true(life_set_has(&body_at(&world, leader)->in_sync, (struct life){self, 2}));
    world.nodes[other].kept = false;
    world_stop(&world, other, false);
    world_start(&world, other);
    world_until(&world, runs_as(&world, leader, self, 3));
    assert_int_equal(life_set_find(&body_at(&world, leader)->in_sync, self), -1);
    world_close(&world);
}

/* It crashed, came back while it could tell nobody, and was stopped in order: what the crash took is still gone. */
static void a_loss_that_nobody_heard_of_is_told_by_a_later_run(void **state)
{
    struct world world;
    uint32_t leader, self, others[2];

    (void)state;
    open_some(&world, 3, 3);
    leader = (uint32_t)world_leader(&world);
    others[0] = (leader + 1) % 3;
    others[1] = (leader + 2) % 3;
    self = cluster_view(world.nodes[others[0]].cluster)->self;
    create_group(&world, leader);
    world_stop(&world, others[0], false);
    world_stop(&world, others[1], true);
    world_stop(&world, leader, true);
    world_start(&world, others[0]);
    world_until(&world, cluster_view(world.nodes[others[0]].cluster)->state == CLUSTER_MEMBER);
    world_stop(&world, others[0], true);
    world.nodes[others[0]].kept = true;
    world_start_all(&world);
    world_until(&world, runs_as(&world, leader, self, 3));
    assert_int_equal(life_set_find(&body_at(&world, leader)->in_sync, self), -1);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_that_it_kept_all_stays_in_sync),
        cmocka_unit_test(a_loss_that_nobody_heard_of_is_told_by_a_later_run),
        cmocka_unit_test(an_added_node_catches_up_and_votes),
        cmocka_unit_test(a_node_that_does_not_vote_learns_and_never_leads),
        cmocka_unit_test(a_reload_while_it_founds_is_followed),
        cmocka_unit_test(a_removed_node_is_told),
        cmocka_unit_test(a_removed_leader_hands_over_first),
        cmocka_unit_test(who_lost_its_disk_comes_back_as_a_new_member),
        cmocka_unit_test(two_of_three_empty_disks_wait_for_an_operator),
        cmocka_unit_test(a_survivor_of_a_recovery_restarts_and_the_others_are_refused),
        cmocka_unit_test(who_was_away_for_long_gets_a_snapshot),
        cmocka_unit_test(other_rooms_ask_other_nodes),
        cmocka_unit_test(what_is_asked_of_who_leaves_the_file_is_answered),
        cmocka_unit_test(a_new_address_comes_into_the_document_when_all_know_it),
        cmocka_unit_test(a_single_node_is_a_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
