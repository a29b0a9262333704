#include "unit.h"

#include "peer/quiet.h"

static struct instant at(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void says_anything_once_a_second(void **state)
{
    struct quiet quiet = {0};
    uint32_t unsaid = 9;

    (void)state;
    assert_true(quiet_may_say(&quiet, "one", at(0), &unsaid));
    assert_int_equal(unsaid, 0);
    assert_false(quiet_may_say(&quiet, "two", at(10), &unsaid));
    assert_false(quiet_may_say(&quiet, "three", at(999), &unsaid));
    assert_true(quiet_may_say(&quiet, "four", at(1000), &unsaid));
    assert_int_equal(unsaid, 2);
}

static void says_the_same_once_a_minute(void **state)
{
    struct quiet quiet = {0};
    uint32_t unsaid, said = 0;

    (void)state;
    for (int64_t ms = 0; ms < 180000; ms += 1500)
        said += quiet_may_say(&quiet, ms % 3000 ? "odd" : "even", at(ms), &unsaid);
    assert_int_equal(said, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_anything_once_a_second),
        cmocka_unit_test(says_the_same_once_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
