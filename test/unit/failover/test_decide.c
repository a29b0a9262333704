#include "world.h"

/* Detect, isolate, promise, choose, promote, record. */
static void a_dead_process_is_replaced_by_the_longest_in_sync(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    world_serving(&w, 100);
    says(&w, A, ENGINE_STOPPED);
    w.held = true;
    run(&w);
    wait_ms(&w, 300);
    w.held = false;
    wait_ms(&w, 100);
    promises(&w, B, 100);
    run(&w);
    promises(&w, C, 110);
    wait_ms(&w, 300);
    serves(&w);
    run(&w);
    wait_ms(&w, 1000);
    assert_string_equal(
        w.story,
        "[ 2000] update primary 0 in sync abc\n"
        "[ 2400] failover-began: a is primary no more: its process ended\n"
        "[ 2500] update primary c in sync bc\n"
        "[ 2900] failover-done: c is primary in epoch 3 after a: 700 ms (its process ended)\n");
    assert_int_equal(w.record.fence_ms, 400);
    assert_int_equal(w.record.promise_ms, 100);
    assert_int_equal(w.record.promote_ms, 200);
    assert_int_equal(w.record.total_ms, 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_process_is_replaced_by_the_longest_in_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
