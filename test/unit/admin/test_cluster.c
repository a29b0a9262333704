/*
 * What an operator is told of the cluster: who is there, what is missing, and what to do.
 */
#include "admin/cluster.h"
#include "admin/metrics.h"
#include "admin/status.h"
#include "shop.h"
#include "unit.h"

#include <jansson.h>

static struct cluster_board board;

/* Three voters, of which `alive` are heard; `a` is this node and leads. */
static void describe(struct shop *shop, uint32_t alive)
{
    static const char *const names[] = {"a", "b", "c"};

    board = (struct cluster_board){.cluster = "shop",
                                   .node = "a",
                                   .leader = "a",
                                   .self = 1,
                                   .leader_member = 1,
                                   .state = BOARD_MEMBER,
                                   .role = BOARD_LEADER,
                                   .term = 4,
                                   .established = 1,
                                   .quorum = alive >= 2,
                                   .survives = alive == 3,
                                   .voters = 3,
                                   .voters_alive = alive,
                                   .voters_needed = 2,
                                   .node_count = 3};
    for (uint32_t i = 0; i < 3; i++) {
        struct board_node *node = &board.nodes[i];

        snprintf(node->name, sizeof node->name, "%s", names[i]);
        node->member = i + 1;
        node->flags = BOARD_VOTER | BOARD_IN_FILE | (i == 0 ? BOARD_SELF : 0);
        node->health = i < alive ? BOARD_ALIVE : BOARD_SUSPECTED;
        node->heard_ms = 100;
    }
    snprintf(board.leases[2].resource, sizeof board.leases[2].resource, "backup");
    snprintf(board.leases[2].holder, sizeof board.leases[2].holder, "a");
    board.leases[2].here = 1;
    board.leases[2].until = 5000 * NS_PER_MS;
    shop->scene.cluster = &board;
    shop->scene.boot_ns = 3500 * NS_PER_MS;
    shop->scene.cluster_age_ms = 20;
}

static json_t *membership(struct shop *shop)
{
    json_error_t error;
    struct buf out;
    json_t *found;

    buf_init(&out, 1 << 20);
    cluster_print(&shop->scene, &out);
    found = json_loadb((const char *)out.at, out.len, JSON_REJECT_DUPLICATES, &error);
    if (!found)
        fail_msg("%s in %.*s", error.text, (int)out.len, out.at);
    buf_fini(&out);
    return found;
}

static const char *text(json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));

    assert_non_null(found);
    return found;
}

/* `front` is on eth0 here by a lease; `back` is nobody's, and its pool is down here. */
static void lists_addresses_by_lease_interface_and_condition(void **state)
{
    static const struct admin_address addresses[] = {
        {.name = "front", .text = "10.0.0.100/24", .node_count = 2, .nodes = {"a", "b"}},
        {.name = "back", .text = "10.0.0.101/24", .spread = true},
    };
    static struct address_board on = {
        .count = 1, .at = {{.name = "front", .interface = "eth0", .held = 1, .taken = 3}}};
    static struct condition_board well = {
        .count = 2, .at = {{.name = "front", .well = 1}, {.name = "back", .why = "it is down"}}};
    struct shop shop;
    json_t *found, *rows;
    struct buf out;

    (void)state;
    shop_open(&shop);
    describe(&shop, 3);
    shop.view.addresses = addresses;
    shop.view.address_count = 2;
    snprintf(board.leases[1].resource, sizeof board.leases[1].resource, "address/front");
    snprintf(board.leases[1].holder, sizeof board.leases[1].holder, "a");
    board_publish(&shop.board->addresses.guard, &shop.board->addresses.board, &on, sizeof on);
    board_publish(&shop.board->conditions.guard, &shop.board->conditions.board, &well, sizeof well);
    found = membership(&shop);
    rows = json_object_get(found, "addresses");
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "holder")), "a");
    assert_true(json_is_true(json_object_get(json_array_get(rows, 0), "here")));
    assert_true(json_is_true(json_object_get(json_array_get(rows, 0), "well_here")));
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "holder")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "why_not")),
                        "it is down");
    json_decref(found);
    buf_init(&out, 1 << 20);
    metrics_print(&shop.scene, &out);
    buf_add_byte(&out, 0);
    assert_non_null(strstr((char *)out.at, "nines_address_held{address=\"front\"} 1\n"));
    assert_non_null(strstr((char *)out.at, "nines_address_held{address=\"back\"} 0\n"));
    assert_non_null(strstr((char *)out.at, "nines_address_taken_total{address=\"front\"} 3\n"));
    buf_fini(&out);
    shop_close(&shop);
}

static void lists_nodes_and_leases(void **state)
{
    struct shop shop;
    json_t *found, *node, *lease;

    (void)state;
    shop_open(&shop);
    describe(&shop, 3);
    found = membership(&shop);
    assert_string_equal(text(found, "state"), "member");
    assert_string_equal(text(found, "sentence"), "");
    assert_true(json_is_true(json_object_get(found, "survives_one_failure")));
    node = json_array_get(json_object_get(found, "nodes"), 1);
    assert_string_equal(text(node, "name"), "b");
    assert_string_equal(text(node, "role"), "voter");
    assert_string_equal(text(node, "state"), "alive");
    assert_int_equal(json_integer_value(json_object_get(node, "heard_ms")), 120);
    lease = json_array_get(json_object_get(found, "leases"), 0);
    assert_string_equal(text(lease, "lease"), "backup");
    assert_true(json_is_true(json_object_get(lease, "here")));
    assert_int_equal(json_integer_value(json_object_get(lease, "remaining_ms")), 1500);
    json_decref(found);
    shop_close(&shop);
}

static void says_who_is_missing_for_a_quorum(void **state)
{
    char sentence[CLUSTER_MISSING_MAX];
    struct shop shop;

    (void)state;
    shop_open(&shop);
    describe(&shop, 1);
    assert_non_null(strstr(cluster_missing(&shop.scene, sentence),
                           "no quorum: 1 of 3 voters are heard, 2 are needed; missing: b, c; "));
    assert_string_equal(cluster_survives_not(&shop.scene), "the cluster has no quorum");
    describe(&shop, 3);
    assert_string_equal(cluster_missing(&shop.scene, sentence), "");
    assert_null(cluster_survives_not(&shop.scene));
    shop_close(&shop);
}

/* A frozen agent leaves a view that looks well. */
static void believes_no_view_that_is_old(void **state)
{
    char sentence[CLUSTER_MISSING_MAX];
    struct shop shop;
    json_t *found;

    (void)state;
    shop_open(&shop);
    describe(&shop, 3);
    shop.scene.cluster_age_ms = 7000;
    assert_non_null(
        strstr(cluster_missing(&shop.scene, sentence), "the agent has said nothing for 7 s"));
    found = membership(&shop);
    assert_true(json_is_false(json_object_get(found, "quorum")));
    json_decref(found);
    shop_close(&shop);
}

static void without_a_cluster_nothing_is_missing(void **state)
{
    char sentence[CLUSTER_MISSING_MAX];
    struct shop shop;
    json_t *found;

    (void)state;
    shop_open(&shop);
    found = membership(&shop);
    assert_string_equal(text(found, "state"), "none");
    assert_string_equal(cluster_missing(&shop.scene, sentence), "");
    json_decref(found);
    shop_close(&shop);
}

static void says_who_is_too_old_for_the_document(void **state)
{
    struct shop shop;
    json_t *found, *nodes;

    (void)state;
    shop_open(&shop);
    describe(&shop, 3);
    board.level = board.level_next = 2;
    board.nodes[0].level = 2;
    board.nodes[1].level = 1;
    found = membership(&shop);
    nodes = json_object_get(found, "nodes");
    assert_int_equal(json_integer_value(json_object_get(found, "level")), 2);
    assert_int_equal(json_integer_value(json_object_get(found, "level_next")), 2);
    assert_true(json_is_false(json_object_get(json_array_get(nodes, 0), "too_old")));
    assert_true(json_is_true(json_object_get(json_array_get(nodes, 1), "too_old")));
    /* One that never spoke. */
    assert_true(json_is_false(json_object_get(json_array_get(nodes, 2), "too_old")));
    json_decref(found);
    shop_close(&shop);
}

static void measures_the_cluster_only_where_there_is_one(void **state)
{
    struct shop shop;
    struct buf out;

    (void)state;
    shop_open(&shop);
    buf_init(&out, 1 << 20);
    metrics_print(&shop.scene, &out);
    buf_add_byte(&out, 0);
    assert_null(strstr((char *)out.at, "\nnines_cluster_term "));
    buf_clear(&out);
    describe(&shop, 2);
    metrics_print(&shop.scene, &out);
    buf_add_byte(&out, 0);
    assert_non_null(strstr((char *)out.at, "\nnines_cluster_term 4\n"));
    assert_non_null(strstr((char *)out.at, "\nnines_cluster_has_quorum 1\n"));
    assert_non_null(strstr((char *)out.at, "\nnines_cluster_voters_alive 2\n"));
    assert_non_null(strstr((char *)out.at, "\nnines_cluster_node_suspected{peer=\"c\"} 1\n"));
    assert_non_null(strstr((char *)out.at, "\nnines_cluster_is_leader 1\n"));
    buf_fini(&out);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_nodes_and_leases),
        cmocka_unit_test(lists_addresses_by_lease_interface_and_condition),
        cmocka_unit_test(says_who_is_missing_for_a_quorum),
        cmocka_unit_test(believes_no_view_that_is_old),
        cmocka_unit_test(without_a_cluster_nothing_is_missing),
        cmocka_unit_test(says_who_is_too_old_for_the_document),
        cmocka_unit_test(measures_the_cluster_only_where_there_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
