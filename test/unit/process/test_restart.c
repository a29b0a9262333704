#include "process/process.h"
#include "unit.h"

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void the_wait_doubles_up_to_ten_seconds(void **state)
{
    static const int64_t waits[] = {0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    struct restart restart = {0};
    int64_t now = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        restart_started(&restart, at_ms(now));
        now += 1000;
        assert_int_equal(restart_delay_ms(&restart, at_ms(now)), waits[i]);
        now += waits[i];
    }
}

static void a_long_life_forgives_what_was_before(void **state)
{
    struct restart restart = {.failures = 9};

    (void)state;
    restart_started(&restart, at_ms(500));
    assert_int_equal(restart_delay_ms(&restart, at_ms(30499)), 10000);
    restart_started(&restart, at_ms(500));
    assert_int_equal(restart_delay_ms(&restart, at_ms(30500)), 0);
    restart_started(&restart, at_ms(30500));
    assert_int_equal(restart_delay_ms(&restart, at_ms(30501)), 0);
    restart_started(&restart, at_ms(30501));
    assert_int_equal(restart_delay_ms(&restart, at_ms(30502)), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_doubles_up_to_ten_seconds),
        cmocka_unit_test(a_long_life_forgives_what_was_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
