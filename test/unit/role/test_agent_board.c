/*
 * What workers read of leases: never an end that belongs to another name, never one of an agent that is gone.
 */
#include "role/agent_cluster.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static struct scoreboard *board;

static const char *name_in(uint32_t slot)
{
    static char name[BOARD_RESOURCE_MAX];
    const struct lease_record *record = &board->leases[slot];

    return board_read(&record->guard, name, record->resource, sizeof name) ? name : "";
}

static int begins(void **state)
{
    (void)state;
    board = calloc(1, sizeof *board);
    return board ? 0 : -1;
}

static int ends(void **state)
{
    (void)state;
    free(board);
    return 0;
}

static void a_lease_is_seen_until_it_ends(void **state)
{
    (void)state;
    assert_string_equal(name_in(3), "");
    agent_show_lease(board, 3, "backup", (struct instant){1000});
    assert_string_equal(name_in(3), "backup");
    assert_int_equal(counted(&board->leases[3].until), 1000);
    agent_show_lease(board, 3, "backup", (struct instant){2000});
    assert_int_equal(counted(&board->leases[3].until), 2000);
    assert_int_equal(counted(&board->leases[3].epoch), 1);
    agent_show_lease(board, 3, "backup", (struct instant){0});
    assert_int_equal(counted(&board->leases[3].until), 0);
    agent_show_lease(board, 3, "backup", (struct instant){5000});
    assert_int_equal(counted(&board->leases[3].epoch), 2);
}

static void another_name_begins_with_its_own_end(void **state)
{
    (void)state;
    agent_show_lease(board, 0, "group/shop", (struct instant){9000});
    agent_show_lease(board, 0, "backup", (struct instant){0});
    assert_string_equal(name_in(0), "backup");
    assert_int_equal(counted(&board->leases[0].until), 0);
    agent_show_lease(board, 0, "backup", (struct instant){3000});
    assert_int_equal(counted(&board->leases[0].until), 3000);
}

static void an_agent_that_begins_holds_nothing(void **state)
{
    (void)state;
    agent_show_lease(board, 0, "one", (struct instant){9000});
    agent_show_lease(board, BOARD_LEASES_MAX - 1, "two", (struct instant){9000});
    agent_show_no_leases(board);
    assert_int_equal(counted(&board->leases[0].until), 0);
    assert_int_equal(counted(&board->leases[BOARD_LEASES_MAX - 1].until), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lease_is_seen_until_it_ends, begins, ends),
        cmocka_unit_test_setup_teardown(another_name_begins_with_its_own_end, begins, ends),
        cmocka_unit_test_setup_teardown(an_agent_that_begins_holds_nothing, begins, ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
