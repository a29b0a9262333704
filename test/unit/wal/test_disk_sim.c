/*
 * The simulated disk: it keeps what was synced, loses and tears what was not, and says when it is full.
 */
#include "disk_sim.h"
#include "unit.h"

#include <errno.h>

static struct disk_sim sim;
static struct err err;

static int init(void **state)
{
    (void)state;
    disk_sim_init(&sim, 1, 1 << 20);
    return 0;
}

static int fini(void **state)
{
    (void)state;
    disk_sim_fini(&sim);
    return 0;
}

static int make(const char *name, struct bytes bytes)
{
    int file;

    assert_true(sim.disk.ops->open(&sim.disk, name, true, &file, &err));
    assert_true(sim.disk.ops->write(&sim.disk, file, 0, bytes, &err));
    return file;
}

static void what_was_synced_survives_a_crash(void **state)
{
    int file = make("a", BYTES("kept"));

    (void)state;
    assert_true(sim.disk.ops->sync(&sim.disk, file, &err));
    assert_true(sim.disk.ops->sync_names(&sim.disk, &err));
    disk_sim_crash(&sim);
    assert_true(bytes_equal(disk_sim_bytes(&sim, "a"), BYTES("kept")));
}

static void the_last_two_writes_to_files_of_a_kind_are_recent(void **state)
{
    int first = make("log-1", BYTES("old one")), second = make("log-2", BYTES("a"));

    (void)state;
    assert_true(disk_sim_is_recent(&sim, "log-", "log-1", 0, 0));
    assert_true(sim.disk.ops->write(&sim.disk, second, 1, BYTES("b"), &err));
    assert_false(disk_sim_is_recent(&sim, "log-", "log-1", 0, 0));
    assert_true(disk_sim_is_recent(&sim, "log-", "log-2", 0, 0));
    assert_true(sim.disk.ops->write(&sim.disk, second, 2, BYTES("c"), &err));
    assert_false(disk_sim_is_recent(&sim, "log-", "log-2", 0, 0));
    assert_true(disk_sim_is_recent(&sim, "log-", "log-2", 1, 0));
    assert_true(disk_sim_is_recent(&sim, "log-", "log-2", 100, 0));
    (void)make("meta", BYTES("other"));
    assert_true(disk_sim_is_recent(&sim, "log-", "log-2", 1, 0));
    assert_int_equal(disk_sim_synced(&sim, "meta"), 0);
    assert_true(sim.disk.ops->sync(&sim.disk, second, &err));
    assert_false(disk_sim_is_recent(&sim, "log-", "log-2", 2, disk_sim_synced(&sim, "log-2")));
    assert_true(sim.disk.ops->write(&sim.disk, first, 0, BYTES("new"), &err));
    assert_true(disk_sim_is_recent(&sim, "log-", "log-1", 0, 0));
    assert_true(disk_sim_is_recent(&sim, "log-", "log-2", 2, 0));
    assert_false(disk_sim_is_recent(&sim, "log-", "log-2", 1, 0));
}

static void what_was_not_synced_is_old_or_new_or_in_between(void **state)
{
    unsigned olds = 0, news = 0, others = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        static uint8_t old[4096], new[4096];
        struct bytes found;
        int file;

        memset(old, 'o', sizeof old);
        memset(new, 'n', sizeof new);
        disk_sim_put(&sim, "a", bytes_of(old, sizeof old));
        file = make("a", bytes_of(new, sizeof new));
        disk_sim_crash(&sim);
        found = disk_sim_bytes(&sim, "a");
        assert_int_equal(found.len, sizeof old);
        if (bytes_equal(found, bytes_of(old, sizeof old)))
            olds++;
        else if (bytes_equal(found, bytes_of(new, sizeof new)))
            news++;
        else
            others++;
        (void)file;
    }
    assert_true(olds > 20 && news > 20 && others > 20);
}

static void a_name_is_there_or_not_until_names_are_synced(void **state)
{
    unsigned there = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        int file = make("a", BYTES("x"));

        assert_true(sim.disk.ops->sync(&sim.disk, file, &err));
        disk_sim_crash(&sim);
        there += disk_sim_exists(&sim, "a");
        if (disk_sim_exists(&sim, "a"))
            assert_true(sim.disk.ops->remove(&sim.disk, "a", &err));
        assert_true(sim.disk.ops->sync_names(&sim.disk, &err));
    }
    assert_true(there > 20 && there < 80);
}

static void a_failed_sync_loses_what_it_calls_clean(void **state)
{
    unsigned lost = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        int file;

        disk_sim_put(&sim, "a", BYTES("old"));
        file = make("a", BYTES("new"));
        disk_sim_fail(&sim, DISK_SIM_SYNC, 1, EIO);
        assert_false(sim.disk.ops->sync(&sim.disk, file, &err));
        assert_int_equal(err.number, EIO);
        assert_true(sim.disk.ops->sync(&sim.disk, file, &err));
        disk_sim_crash(&sim);
        lost += bytes_equal(disk_sim_bytes(&sim, "a"), BYTES("old"));
    }
    assert_true(lost > 10);
}

static void a_full_disk_says_so_and_has_room_again(void **state)
{
    int file, other;

    (void)state;
    assert_true(sim.disk.ops->open(&sim.disk, "a", true, &file, &err));
    assert_true(sim.disk.ops->allocate(&sim.disk, file, 1 << 20, &err));
    assert_true(sim.disk.ops->open(&sim.disk, "b", true, &other, &err));
    assert_false(sim.disk.ops->write(&sim.disk, other, 0, BYTES("x"), &err));
    assert_int_equal(err.number, ENOSPC);
    assert_true(sim.disk.ops->write(&sim.disk, file, 9, BYTES("x"), &err));
    sim.disk.ops->close(&sim.disk, file);
    assert_true(sim.disk.ops->remove(&sim.disk, "a", &err));
    assert_true(sim.disk.ops->sync_names(&sim.disk, &err));
    assert_true(sim.disk.ops->write(&sim.disk, other, 0, BYTES("x"), &err));
}

static void the_power_goes_in_the_middle(void **state)
{
    int file = make("a", BYTES("x"));

    (void)state;
    disk_sim_crash_after(&sim, 2);
    assert_true(sim.disk.ops->write(&sim.disk, file, 0, BYTES("y"), &err));
    assert_false(sim.disk.ops->sync(&sim.disk, file, &err));
    assert_true(disk_sim_is_dead(&sim));
    assert_false(sim.disk.ops->write(&sim.disk, file, 0, BYTES("z"), &err));
    disk_sim_crash(&sim);
    assert_false(disk_sim_is_dead(&sim));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_synced_survives_a_crash, init, fini),
        cmocka_unit_test_setup_teardown(the_last_two_writes_to_files_of_a_kind_are_recent, init,
                                        fini),
        cmocka_unit_test_setup_teardown(what_was_not_synced_is_old_or_new_or_in_between, init,
                                        fini),
        cmocka_unit_test_setup_teardown(a_name_is_there_or_not_until_names_are_synced, init, fini),
        cmocka_unit_test_setup_teardown(a_failed_sync_loses_what_it_calls_clean, init, fini),
        cmocka_unit_test_setup_teardown(a_full_disk_says_so_and_has_room_again, init, fini),
        cmocka_unit_test_setup_teardown(the_power_goes_in_the_middle, init, fini),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
