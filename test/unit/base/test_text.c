#include "base/text.h"

#include "unit.h"

struct quantity {
    const char *text;
    int64_t value;
};

typedef bool parser(struct bytes text, int64_t *value);
typedef char *printer(int64_t value, char *text);

static void assert_both_ways(parser *parse, printer *print, const struct quantity *q, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[TEXT_QUANTITY_MAX];
        int64_t value;

        assert_true(parse(bytes_of_string(q[i].text), &value));
        assert_true(value == q[i].value);
        assert_string_equal(print(value, text), q[i].text);
    }
}

static void quantities_print_as_they_were_written(void **state)
{
    static const struct quantity durations[] = {
        {"0s", 0},        {"250ms", 250},
        {"5s", 5000},     {"10m", 600000},
        {"2h", 7200000},  {"90d", 7776000000},
        {"1500ms", 1500}, {"9223372036854775807ms", INT64_MAX}};
    static const struct quantity sizes[] = {{"0", 0},
                                            {"512", 512},
                                            {"16KiB", 16384},
                                            {"64MiB", 64 << 20},
                                            {"2GiB", 2LL << 30},
                                            {"3TiB", 3LL << 40}};
    static const struct quantity percents[] = {
        {"0%", 0}, {"20%", 2000}, {"99.9%", 9990}, {"99.99%", 9999}, {"0.05%", 5}};

    (void)state;
    assert_both_ways(text_parse_duration, text_print_duration, durations, ARRAY_LEN(durations));
    assert_both_ways(text_parse_size, text_print_size, sizes, ARRAY_LEN(sizes));
    assert_both_ways(text_parse_percent, text_print_percent, percents, ARRAY_LEN(percents));
}

static void what_is_not_exactly_a_quantity_is_refused(void **state)
{
    static const char *const durations[] = {"",
                                            "5",
                                            "s",
                                            "-5s",
                                            "5 s",
                                            "5sec",
                                            "1.5s",
                                            "5S",
                                            "+5s",
                                            "0x5s",
                                            "5s ",
                                            "1h5m",
                                            "9223372036854775808ms",
                                            "9223372036854775807s"};
    static const char *const sizes[] = {
        "", "KiB", "1KB", "1kib", "-1", "1.5MiB", "9007199254740992TiB"};
    static const char *const percents[] = {"",    "20",  "%",   "99.999%",
                                           ".5%", "5.%", "-1%", "92233720368547758.08%"};
    int64_t value = 42;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(durations); i++)
        assert_false(text_parse_duration(bytes_of_string(durations[i]), &value));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        assert_false(text_parse_size(bytes_of_string(sizes[i]), &value));
    for (size_t i = 0; i < ARRAY_LEN(percents); i++)
        assert_false(text_parse_percent(bytes_of_string(percents[i]), &value));
    assert_int_equal(value, 42);
}

static void numbers_are_decimal_and_bounded(void **state)
{
    int64_t value;

    (void)state;
    assert_true(text_parse_number(BYTES("-9223372036854775807"), &value));
    assert_true(value == -INT64_MAX);
    assert_true(text_parse_number(BYTES("007"), &value));
    assert_int_equal(value, 7);
    assert_false(text_parse_number(BYTES("9223372036854775808"), &value));
    assert_false(text_parse_number(BYTES("-"), &value));
    assert_false(text_parse_number(BYTES("1e3"), &value));
}

static void elapsed_time_has_three_digits_and_the_unit_that_suits(void **state)
{
    static const struct quantity elapsed[] = {{"0 ns", 0},
                                              {"999 ns", 999},
                                              {"1.00 us", 1000},
                                              {"12.3 us", 12345},
                                              {"1.00 ms", 999600},
                                              {"250 ms", 250000000},
                                              {"1.00 s", 999600000},
                                              {"12.5 s", 12500000000},
                                              {"3m 12s", 192000000000},
                                              {"4h 5m", 14700000000000},
                                              {"9d 2h", 784800000000000}};
    char text[TEXT_QUANTITY_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(elapsed); i++)
        assert_string_equal(text_print_elapsed(elapsed[i].value, text), elapsed[i].text);
    assert_string_equal(text_print_amount(512, text), "512 B");
    assert_string_equal(text_print_amount(1536, text), "1.50 KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_print_as_they_were_written),
        cmocka_unit_test(what_is_not_exactly_a_quantity_is_refused),
        cmocka_unit_test(numbers_are_decimal_and_bounded),
        cmocka_unit_test(elapsed_time_has_three_digits_and_the_unit_that_suits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
