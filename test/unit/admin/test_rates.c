#include "shop.h"
#include "unit.h"

static void sample(struct shop *shop, int64_t at_s, uint64_t requests, uint64_t errors)
{
    shop_set(&shop->board->worker[0].services[0].requests, requests);
    shop_set(&shop->board->worker[1].services[0].responses[5], errors);
    rates_sample(shop->rates, &shop->view, shop->board, (struct instant){at_s * NS_PER_S});
}

static double requests(const struct shop *shop)
{
    return rates_requests_per_second(shop->rates, RATES_SERVICE, 0);
}

static void needs_two_samples(void **state)
{
    struct shop shop;

    (void)state;
    shop_open(&shop);
    assert_true(requests(&shop) == 0);
    sample(&shop, 1, 100, 0);
    assert_true(requests(&shop) == 0);
    sample(&shop, 2, 150, 0);
    assert_true(requests(&shop) == 50);
    shop_close(&shop);
}

static void looks_back_shortly_for_requests_and_longer_for_errors(void **state)
{
    struct shop shop;

    (void)state;
    shop_open(&shop);
    for (int64_t s = 1; s <= 30; s++)
        sample(&shop, s, s <= 20 ? 0 : (uint64_t)(s - 20) * 10, s <= 25 ? 0 : 20);
    assert_true(requests(&shop) == 10);
    assert_true(rates_errors_per_second(shop.rates, RATES_SERVICE, 0) == 2);
    shop_close(&shop);
}

static void takes_a_counter_that_went_back_for_no_change(void **state)
{
    struct shop shop;

    (void)state;
    shop_open(&shop);
    sample(&shop, 1, 1000, 5);
    sample(&shop, 2, 10, 0);
    assert_true(requests(&shop) == 0);
    assert_true(rates_errors_per_second(shop.rates, RATES_SERVICE, 0) == 0);
    shop_close(&shop);
}

static void does_not_look_back_over_a_gap(void **state)
{
    struct shop shop;

    (void)state;
    shop_open(&shop);
    sample(&shop, 1, 100, 0);
    shop.view.service_count = 0;
    for (int64_t s = 2; s < 8; s++)
        sample(&shop, s, 100, 0);
    shop.view.service_count = 1;
    sample(&shop, 8, 1000, 0);
    assert_true(requests(&shop) == 0);
    sample(&shop, 9, 1004, 0);
    assert_true(requests(&shop) == 4);
    shop_close(&shop);
}

static void gives_the_latency_of_the_last_seconds_alone(void **state)
{
    struct shop shop;
    struct histogram recent;

    (void)state;
    shop_open(&shop);
    histogram_record(&shop.board->worker[0].services[0].latency, 10 * NS_PER_S);
    for (int64_t s = 1; s <= 12; s++)
        sample(&shop, s, 0, 0);
    histogram_record(&shop.board->worker[0].services[0].latency, 2 * NS_PER_MS);
    sample(&shop, 13, 0, 0);
    rates_latency(shop.rates, RATES_SERVICE, 0, &recent);
    assert_int_equal(counted(&recent.count), 1);
    assert_in_range(histogram_quantile_ns(&recent, 0.99), 1900000, 2100000);
    assert_in_range(counted(&recent.max_ns), 2000000, 2200000);
    shop_close(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_two_samples),
        cmocka_unit_test(looks_back_shortly_for_requests_and_longer_for_errors),
        cmocka_unit_test(takes_a_counter_that_went_back_for_no_change),
        cmocka_unit_test(does_not_look_back_over_a_gap),
        cmocka_unit_test(gives_the_latency_of_the_last_seconds_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
