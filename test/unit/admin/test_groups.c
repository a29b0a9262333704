/*
 * What the status and the API say of groups, from a scoreboard that is written by hand.
 */
#include "admin/groups.h"
#include "admin/status.h"
#include "shop.h"
#include "unit.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct admin_group groups[] = {{"db", 3}, {"cache", 5}};

static struct board_group a_group(const char *name)
{
    struct board_group board = {.engine = "redis",
                                .mode = 1,
                                .acks = 1,
                                .min_in_sync = 2,
                                .phase = BOARD_GROUP_SERVING,
                                .epoch = 7,
                                .version = 40,
                                .primary = 1,
                                .expected_ms = 900,
                                .loss_bytes = 17,
                                .member_count = 2};

    snprintf(board.name, sizeof board.name, "%s", name);
    board.members[0] = (struct board_group_member){.name = "a",
                                                   .member = 1,
                                                   .state = 3,
                                                   .role = 1,
                                                   .in_sync = 1,
                                                   .heard = 1,
                                                   .lag_bytes = UINT64_MAX};
    board.members[1] = (struct board_group_member){.name = "b",
                                                   .member = 2,
                                                   .state = 3,
                                                   .role = 2,
                                                   .in_sync = 1,
                                                   .heard = 1,
                                                   .linked = 1,
                                                   .chosen = 1,
                                                   .position_epoch = 7,
                                                   .position_offset = 1000,
                                                   .lag_bytes = 12};
    return board;
}

static void show(struct shop *shop, uint32_t slot, const struct board_group *board)
{
    struct group_record *record = &shop->board->groups[slot];

    board_publish(&record->guard, &record->board, board, sizeof *board);
    shop_set(&record->phase, board->phase);
}

static void open_with_groups(struct shop *shop)
{
    struct board_group board;

    shop_open(shop);
    shop->view.pool_count = 1; /* the one that survives */
    shop->view.groups = groups;
    shop->view.group_count = ARRAY_LEN(groups);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        board = a_group(groups[i].name);
        show(shop, groups[i].slot, &board);
    }
}

static json_t *page_of(struct shop *shop, void (*print)(const struct admin_scene *, struct buf *))
{
    json_error_t error;
    struct buf out;
    json_t *page;

    buf_init(&out, 1 << 20);
    print(&shop->scene, &out);
    assert_false(out.full);
    page = json_loadb((const char *)out.at, out.len, JSON_REJECT_DUPLICATES, &error);
    if (!page)
        fail_msg("%s at %d in %.*s", error.text, error.position, (int)out.len, out.at);
    buf_fini(&out);
    return page;
}

static json_t *group_at(json_t *page, size_t at)
{
    return json_array_get(json_object_get(page, "groups"), at);
}

static void assert_text(json_t *object, const char *key, const char *expected)
{
    json_t *found = json_object_get(object, key);

    assert_non_null(found);
    if (expected)
        assert_string_equal(json_string_value(found), expected);
    else
        assert_true(json_is_null(found));
}

static void assert_number(json_t *object, const char *key, int64_t expected)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    assert_int_equal(json_integer_value(json_object_get(object, key)), expected);
}

static void tells_the_whole_group(void **state)
{
    struct shop shop;
    json_t *page, *group, *member;

    (void)state;
    open_with_groups(&shop);
    shop_set(&shop.board->groups[3].lag_ms[1], 25);
    shop_set(&shop.board->worker[0].groups[3].waiting, 2);
    shop_set(&shop.board->worker[1].groups[3].waiting, 3);
    page = page_of(&shop, groups_print);
    assert_int_equal(json_array_size(json_object_get(page, "groups")), 2);
    group = group_at(page, 0);
    assert_text(group, "name", "db");
    assert_text(group, "engine", "redis");
    assert_text(group, "mode", "semi-sync");
    assert_text(group, "phase", "serving");
    assert_text(group, "primary", "a");
    assert_text(group, "target", NULL);
    assert_text(group, "state", NULL);
    assert_number(group, "epoch", 7);
    assert_text(json_object_get(group, "next"), "primary", "b");
    assert_number(json_object_get(group, "next"), "loss_bytes", 17);
    assert_number(json_object_get(group, "next"), "expected_ms", 900);
    assert_number(json_object_get(group, "clients"), "waiting", 5);
    member = json_array_get(json_object_get(group, "members"), 1);
    assert_text(member, "node", "b");
    assert_text(member, "role", "secondary");
    assert_text(member, "state", "running");
    assert_number(member, "lag_ms", 25);
    assert_number(member, "lag_bytes", 12);
    assert_number(json_object_get(member, "position"), "offset", 1000);
    member = json_array_get(json_object_get(group, "members"), 0);
    assert_true(json_is_null(json_object_get(member, "lag_bytes")));
    assert_text(group_at(page, 1), "name", "cache");
    json_decref(page);
    page = page_of(&shop, status_print);
    assert_text(group_at(page, 0), "primary", "a");
    json_decref(page);
    shop_close(&shop);
}

static void what_is_not_known_is_null_or_unknown(void **state)
{
    struct board_group board = a_group("db");
    struct shop shop;
    json_t *page, *member;

    (void)state;
    open_with_groups(&shop);
    board.expected_ms = -1;
    board.loss_bytes = UINT64_MAX;
    board.members[1].heard = board.members[1].chosen = 0;
    board.mode = 200;
    show(&shop, 3, &board);
    page = page_of(&shop, groups_print);
    assert_text(group_at(page, 0), "mode", "unknown");
    assert_text(json_object_get(group_at(page, 0), "next"), "primary", NULL);
    assert_true(
        json_is_null(json_object_get(json_object_get(group_at(page, 0), "next"), "expected_ms")));
    member = json_array_get(json_object_get(group_at(page, 0), "members"), 1);
    assert_text(member, "role", "unheard");
    assert_text(member, "state", "unknown");
    json_decref(page);
    shop_close(&shop);
}

/* A slot is given to another group after a reload, and the agent has not looked yet. */
static void what_a_slot_held_before_is_not_shown_under_another_name(void **state)
{
    struct board_group board = a_group("gone");
    struct shop shop;
    json_t *page;

    (void)state;
    open_with_groups(&shop);
    show(&shop, 3, &board);
    page = page_of(&shop, groups_print);
    assert_text(group_at(page, 0), "name", "db");
    assert_text(group_at(page, 0), "phase", "unknown");
    assert_text(group_at(page, 0), "sentence", "the agent has not begun");
    assert_null(json_object_get(group_at(page, 0), "primary"));
    json_decref(page);
    shop_close(&shop);
}

static void the_summary_counts_groups_as_it_does_pools(void **state)
{
    struct board_group board = a_group("db");
    struct shop shop;

    (void)state;
    open_with_groups(&shop);
    assert_summary(&shop, SERVING_YES, true, "");
    snprintf(board.why_nobody, sizeof board.why_nobody, "b is not heard");
    show(&shop, 3, &board);
    assert_summary(&shop, SERVING_YES, false, "group db has no second primary: b is not heard");
    board.phase = BOARD_GROUP_SWITCHING;
    show(&shop, 3, &board);
    assert_summary(&shop, SERVING_YES, false, "group db has no second primary: b is not heard");
    board.phase = BOARD_GROUP_RECOVERING;
    show(&shop, 3, &board);
    assert_summary(&shop, SERVING_PARTLY, false,
                   "group db has no primary that serves: it is recovering");
    shop.view.pool_count = 0;
    assert_summary(&shop, SERVING_PARTLY, false,
                   "group db has no primary that serves: it is recovering");
    shop.view.group_count = 1;
    assert_summary(&shop, SERVING_NO, false,
                   "group db has no primary that serves: it is recovering");
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_whole_group),
        cmocka_unit_test(what_is_not_known_is_null_or_unknown),
        cmocka_unit_test(what_a_slot_held_before_is_not_shown_under_another_name),
        cmocka_unit_test(the_summary_counts_groups_as_it_does_pools),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
