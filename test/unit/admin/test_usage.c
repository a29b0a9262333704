#include "admin/drive_usage.h"
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

static const struct usage machine = {
    .proc = -1, .ticks_per_s = 100, .page_bytes = 4096, .boot_ms = 1000000};

static void reads_what_the_kernel_writes(void **state)
{
    struct admin_usage found = {0};

    (void)state;
    assert_true(usage_parse(&machine,
                            "4321 (nines: worker 0) S 1 2 3 0 -1 4194560 99 0 0 0 150 25 0 0 20 0 "
                            "1 0 500 8192000 300 18446744073709551615 1 1 0 0 0 0 0\n",
                            &found));
    assert_int_equal(found.cpu_ns, 1750000000);
    assert_int_equal(found.started_ms, 1005000);
    assert_int_equal(found.virtual_bytes, 8192000);
    assert_int_equal(found.resident_bytes, 300 * 4096);
}

static void is_not_misled_by_a_name(void **state)
{
    struct admin_usage found = {0};

    (void)state;
    assert_true(usage_parse(
        &machine, "1 (a) R 9 (b c) S 1 2 3 0 -1 4 9 0 0 0 1 1 0 0 20 0 1 0 5 6 7 8\n", &found));
    assert_int_equal(found.virtual_bytes, 6);
}

static void refuses_what_is_cut(void **state)
{
    struct admin_usage found;

    (void)state;
    assert_false(usage_parse(&machine, "", &found));
    assert_false(usage_parse(&machine, "1 (a", &found));
    assert_false(usage_parse(&machine, "1 (a) S 1 2 3", &found));
}

static void looks_at_the_processes_of_the_roles(void **state)
{
    struct scoreboard *board = calloc(1, sizeof *board);
    struct usage usage;

    (void)state;
    assert_non_null(board);
    atomic_store(&board->workers, 1);
    atomic_store(&board->roles[ADMIN_WORKER_SLOT].pid, (uint64_t)getpid());
    atomic_store(&board->roles[0].pid, 1U << 30); /* nobody's */
    usage_open(&usage);
    usage_sample(&usage, board);
    assert_true(usage.roles[ADMIN_WORKER_SLOT].resident_bytes > 0);
    assert_int_equal(usage.roles[ADMIN_WORKER_SLOT].pid, getpid());
    assert_int_equal(usage.roles[0].pid, 0);
    usage_close(&usage);
    free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_kernel_writes),
        cmocka_unit_test(is_not_misled_by_a_name),
        cmocka_unit_test(refuses_what_is_cut),
        cmocka_unit_test(looks_at_the_processes_of_the_roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
