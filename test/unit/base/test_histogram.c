#include "base/histogram.h"

#include "base/rng.h"
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void bounds_grow_by_an_eighth_of_a_doubling(void **state)
{
    (void)state;
    assert_int_equal(histogram_bound_ns(0), 1000);
    assert_int_equal(histogram_bound_ns(8), 2000);
    assert_int_equal(histogram_bound_ns(80), 1024000);
    assert_int_equal(histogram_bound_ns(240), 1073741824000);
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
        double growth = (double)histogram_bound_ns(i) / (double)histogram_bound_ns(i - 1);

        assert_true(fabs(growth - 1.0905) < 0.002);
    }
}

static void a_bound_belongs_to_its_own_bucket_and_the_next_value_to_the_next(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        struct histogram h = {0};

        histogram_record(&h, histogram_bound_ns(i));
        histogram_record(&h, histogram_bound_ns(i) + 1);
        assert_int_equal(h.bucket[i], 1);
        assert_int_equal(h.bucket[i + 1], 1);
    }
}

static void what_is_outside_falls_into_the_first_or_last_bucket(void **state)
{
    struct histogram h = {0};

    (void)state;
    histogram_record(&h, -5);
    histogram_record(&h, 0);
    histogram_record(&h, INT64_MAX);
    assert_int_equal(h.bucket[0], 2);
    assert_int_equal(h.bucket[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.max_ns, INT64_MAX);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void a_quantile_is_at_most_4_4_percent_off(void **state)
{
    enum { COUNT = 20000 };
    static const double quantiles[] = {0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999};
    static int64_t values[COUNT];
    struct histogram h = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < COUNT; i++) {
        values[i] = (int64_t)(1001 * exp2(29.9 * rng_unit(&rng)));
        histogram_record(&h, values[i]);
    }
    qsort(values, COUNT, sizeof *values, compare);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double exact = (double)values[(int)ceil(quantiles[i] * COUNT) - 1];
        double found = (double)histogram_quantile_ns(&h, quantiles[i]);

        assert_true(found <= exact * 1.0443);
        assert_true(found >= exact / 1.0443);
    }
}

static void the_whole_is_the_maximum_and_nothing_is_above_it(void **state)
{
    struct histogram h = {0};

    (void)state;
    assert_int_equal(histogram_quantile_ns(&h, 0.5), 0);
    histogram_record(&h, 1001);
    assert_int_equal(histogram_quantile_ns(&h, 0.5), 1001);
    histogram_record(&h, 2000000000000);
    assert_int_equal(histogram_quantile_ns(&h, 1), 2000000000000);
    assert_int_equal(histogram_quantile_ns(&h, 0.99), 2000000000000);
    assert_true(histogram_quantile_ns(&h, 0) < 1100);
}

static void merging_equals_recording_everything(void **state)
{
    struct histogram parts[3] = {0}, merged = {0}, all = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (int i = 0; i < 3000; i++) {
        int64_t ns = (int64_t)rng_below(&rng, 5000000000);

        histogram_record(&parts[i % 3], ns);
        histogram_record(&all, ns);
    }
    for (int i = 0; i < 3; i++)
        histogram_merge(&merged, &parts[i]);
    assert_memory_equal(&merged, &all, sizeof all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_grow_by_an_eighth_of_a_doubling),
        cmocka_unit_test(a_bound_belongs_to_its_own_bucket_and_the_next_value_to_the_next),
        cmocka_unit_test(what_is_outside_falls_into_the_first_or_last_bucket),
        cmocka_unit_test(a_quantile_is_at_most_4_4_percent_off),
        cmocka_unit_test(the_whole_is_the_maximum_and_nothing_is_above_it),
        cmocka_unit_test(merging_equals_recording_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
