#include "base/must.h"
#include "health/name.h"
#include "unit.h"

static struct address ip(uint8_t last)
{
    return (struct address){.ip = {10, 0, 0, last}, .family = 4};
}

/* The last part of the address that is chosen. */
static int chosen(struct address in_use, const struct address *answers, uint32_t count)
{
    struct address address = name_choose(&in_use, answers, count, 8080);

    assert_int_equal(address.port, 8080);
    return address.ip[3];
}

static void an_address_stays_while_it_is_one_of_the_answers(void **state)
{
    const struct address turned[][3] = {{ip(1), ip(2), ip(3)}, {ip(2), ip(3), ip(1)}};
    struct address in_use = ip(1);

    (void)state;
    in_use.port = 8080;
    for (size_t i = 0; i < ARRAY_LEN(turned); i++)
        assert_int_equal(chosen(in_use, turned[i], 3), 1);
}

static void an_address_that_is_gone_gives_way_to_the_first(void **state)
{
    const struct address answers[] = {ip(5), ip(6)};

    (void)state;
    assert_int_equal(chosen(ip(1), answers, 2), 5);
    assert_int_equal(chosen((struct address){0}, answers, 2), 5);
}

static void the_same_bytes_of_another_family_are_another_address(void **state)
{
    struct address six = ip(1);
    const struct address answers[] = {ip(5), ip(1)};

    (void)state;
    six.family = 6;
    assert_int_equal(chosen(six, answers, 2), 5);
}

static void an_answer_is_asked_for_again_when_it_has_run_out(void **state)
{
    static const struct {
        int64_t ttl_s, earliest_ms;
    } rows[] = {{0, 5000}, {1, 5000}, {5, 5000}, {60, 60000}, {86400, 3600000}};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int round = 0; round < 1000; round++)
            assert_in_range(name_again_ms(rows[i].ttl_s, &rng), rows[i].earliest_ms,
                            rows[i].earliest_ms * 11 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_stays_while_it_is_one_of_the_answers),
        cmocka_unit_test(an_address_that_is_gone_gives_way_to_the_first),
        cmocka_unit_test(the_same_bytes_of_another_family_are_another_address),
        cmocka_unit_test(an_answer_is_asked_for_again_when_it_has_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
