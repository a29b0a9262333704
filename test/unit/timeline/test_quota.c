#include "timeline/quota.h"
#include "unit.h"

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static uint32_t take(struct quota *quota, uint16_t code, uint32_t count, int64_t ms)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < count; i++)
        taken += quota_take(quota, code, at_ms(ms));
    return taken;
}

static void a_flood_is_cut_off_at_the_burst(void **state)
{
    struct quota quota = {0};

    (void)state;
    assert_int_equal(take(&quota, FACT_STRANGER_REFUSED, 1000, 1), QUOTA_BURST);
}

static void one_flood_takes_nothing_from_other_codes(void **state)
{
    struct quota quota = {0};

    (void)state;
    take(&quota, FACT_STRANGER_REFUSED, 1000, 1);
    assert_int_equal(take(&quota, FACT_QUORUM_LOST, 5, 1), 5);
}

static void tokens_come_back_one_by_one(void **state)
{
    struct quota quota = {0};

    (void)state;
    take(&quota, FACT_LINK_UP, 1000, 0);
    assert_int_equal(take(&quota, FACT_LINK_UP, 10, QUOTA_REFILL_MS - 1), 0);
    assert_int_equal(take(&quota, FACT_LINK_UP, 10, QUOTA_REFILL_MS), 1);
    assert_int_equal(take(&quota, FACT_LINK_UP, 10, 3 * QUOTA_REFILL_MS), 2);
    assert_int_equal(take(&quota, FACT_LINK_UP, 1000, 1000LL * QUOTA_REFILL_MS), QUOTA_BURST);
}

static void a_steady_flood_is_never_let_through_faster_than_tokens_come(void **state)
{
    struct quota quota = {0};
    uint32_t taken = 0;

    (void)state;
    for (int64_t ms = 0; ms < 1000000; ms += 10)
        taken += take(&quota, FACT_LINK_UP, 1, ms);
    assert_in_range(taken, QUOTA_BURST + 98, QUOTA_BURST + 100);
}

static void what_was_left_out_is_told_once(void **state)
{
    struct quota quota = {0};
    uint64_t count;
    uint16_t code;

    (void)state;
    take(&quota, FACT_LINK_UP, QUOTA_BURST + 7, 1);
    take(&quota, 9999, QUOTA_BURST + 1, 1);
    assert_true(quota_left_out(&quota, &code, &count));
    assert_int_equal(code, FACT_LINK_UP);
    assert_int_equal(count, 7);
    assert_true(quota_left_out(&quota, &code, &count));
    assert_int_equal(code, 0);
    assert_int_equal(count, 1);
    assert_false(quota_left_out(&quota, &code, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_cut_off_at_the_burst),
        cmocka_unit_test(one_flood_takes_nothing_from_other_codes),
        cmocka_unit_test(tokens_come_back_one_by_one),
        cmocka_unit_test(a_steady_flood_is_never_let_through_faster_than_tokens_come),
        cmocka_unit_test(what_was_left_out_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
