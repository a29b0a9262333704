#include "base/rng.h"

#include "unit.h"

#include <string.h>

static void a_seed_tells_the_same_story_and_another_seed_another(void **state)
{
    struct rng a, b, c;

    (void)state;
    rng_seed(&a, 7);
    rng_seed(&b, 7);
    rng_seed(&c, 8);
    for (int i = 0; i < 100; i++) {
        uint64_t next = rng_next(&a);

        assert_true(next == rng_next(&b));
        assert_true(next != rng_next(&c));
    }
}

/* xoshiro256** from the state 1, 2, 3, 4, as its authors' reference gives it. */
static void it_is_xoshiro256_starstar(void **state)
{
    struct rng rng = {{1, 2, 3, 4}};

    (void)state;
    assert_true(rng_next(&rng) == 11520);
    assert_true(rng_next(&rng) == 0);
    assert_true(rng_next(&rng) == 1509978240);
    assert_true(rng_next(&rng) == 1215971899390074240);
}

static void every_result_below_the_bound_is_about_as_likely(void **state)
{
    uint32_t seen[6] = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 0);
    for (int i = 0; i < 60000; i++)
        seen[rng_below(&rng, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(rng_below(&rng, 1), 0);
}

static void both_ends_of_a_range_are_reached(void **state)
{
    struct rng rng;
    uint32_t seen = 0;

    (void)state;
    rng_seed(&rng, 3);
    for (int i = 0; i < 1000; i++)
        seen |= 1U << (rng_between(&rng, -1, 1) + 1);
    assert_int_equal(seen, 7);
    assert_true(rng_between(&rng, 5, 5) == 5);
    rng_between(&rng, INT64_MIN, INT64_MAX);
}

static void chance_keeps_its_ends(void **state)
{
    struct rng rng;
    uint32_t won = 0;

    (void)state;
    rng_seed(&rng, 4);
    for (int i = 0; i < 10000; i++) {
        assert_false(rng_chance(&rng, 0));
        assert_true(rng_chance(&rng, 1));
        won += rng_chance(&rng, 0.25);
    }
    assert_in_range(won, 2300, 2700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_tells_the_same_story_and_another_seed_another),
        cmocka_unit_test(it_is_xoshiro256_starstar),
        cmocka_unit_test(every_result_below_the_bound_is_about_as_likely),
        cmocka_unit_test(both_ends_of_a_range_are_reached),
        cmocka_unit_test(chance_keeps_its_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
