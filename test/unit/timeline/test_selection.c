#include "facts.h"
#include "timeline/selection.h"
#include "unit.h"

static void offer(struct selection *selection, uint64_t origin, uint64_t sequence)
{
    struct fact fact = fact_of("a", sequence, (int64_t)sequence);

    fact.origin = origin;
    selection_offer(selection, &fact);
}

static void assert_taken(struct selection *selection, uint64_t first, uint32_t count, bool more)
{
    struct exchange_reply reply = {0};

    assert_true(selection_finish(selection, &reply));
    assert_int_equal(reply.count, count);
    assert_int_equal(reply.more, more);
    for (uint32_t i = 0; i < count; i++) {
        struct fact fact;
        const char *why;
        size_t used;

        assert_int_equal(fact_decode(reply.facts, &fact, &used, &why), FACT_READ);
        assert_int_equal(fact.sequence, first + i);
        reply.facts = bytes_skip(reply.facts, used);
    }
    assert_int_equal(reply.facts.len, 0);
    selection_fini(selection);
}

static struct selection after(uint64_t origin, uint64_t sequence, uint32_t limit)
{
    struct exchange_request request = {.after = {origin, sequence}, .limit = limit};
    struct selection selection;

    selection_init(&selection, &request);
    return selection;
}

static void the_newest_are_the_last_ones(void **state)
{
    struct exchange_request request = {.newest = true, .limit = 3};
    struct selection selection;

    (void)state;
    selection_init(&selection, &request);
    for (uint64_t i = 1; i <= 10; i++)
        offer(&selection, 1, i);
    assert_int_equal(selection.scanned.sequence, 10);
    assert_taken(&selection, 8, 3, true);
}

static void goes_on_after_a_place(void **state)
{
    struct selection selection = after(1, 4, 100);

    (void)state;
    for (uint64_t i = 1; i <= 10; i++)
        offer(&selection, 1, i);
    assert_int_equal(selection.scanned.sequence, 10);
    assert_taken(&selection, 5, 6, false);
}

static void stops_at_the_limit_where_it_will_go_on(void **state)
{
    struct selection selection = after(1, 4, 2);

    (void)state;
    for (uint64_t i = 1; i <= 10; i++)
        offer(&selection, 1, i);
    assert_int_equal(selection.scanned.sequence, 6);
    assert_taken(&selection, 5, 2, true);
}

static void goes_on_in_the_next_origin_though_the_last_facts_of_one_were_lost(void **state)
{
    struct selection selection = after(1, 105, 100);

    (void)state;
    for (uint64_t i = 98; i <= 100; i++)
        offer(&selection, 1, i);
    for (uint64_t i = 101; i <= 108; i++)
        offer(&selection, 2, i);
    assert_taken(&selection, 101, 8, false);
}

static void an_origin_that_left_no_fact_is_known_by_its_beginning(void **state)
{
    struct selection selection = after(2, 103, 100);

    (void)state;
    offer(&selection, 1, 99);
    offer(&selection, 1, 100);
    selection_begin_origin(&selection, 2);
    selection_begin_origin(&selection, 3);
    offer(&selection, 3, 101);
    assert_taken(&selection, 101, 1, false);
}

static void a_place_that_is_gone_is_before_everything(void **state)
{
    struct selection selection = after(9, 5, 100);

    (void)state;
    for (uint64_t i = 50; i <= 52; i++)
        offer(&selection, 1, i);
    assert_false(selection.found);
    assert_taken(&selection, 50, 3, false);
}

static void a_place_that_comes_late_drops_what_was_taken_at_the_limit(void **state)
{
    struct selection selection = after(2, 6, 2);

    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        offer(&selection, 1, i);
    for (uint64_t i = 6; i <= 9; i++)
        offer(&selection, 2, i);
    assert_int_equal(selection.scanned.sequence, 8);
    assert_taken(&selection, 7, 2, true);
}

static void a_fact_that_was_written_twice_is_taken_once(void **state)
{
    struct selection selection = after(0, 0, 100);

    (void)state;
    offer(&selection, 1, 1);
    offer(&selection, 1, 2);
    offer(&selection, 1, 1);
    offer(&selection, 1, 2);
    offer(&selection, 1, 3);
    assert_taken(&selection, 1, 3, false);
}

static void looks_past_what_the_filter_leaves_out(void **state)
{
    struct exchange_request request = {.after = {1, 1}, .limit = 10, .code = FACT_LINK_DOWN};
    struct selection selection;

    (void)state;
    selection_init(&selection, &request);
    for (uint64_t i = 1; i <= 5; i++)
        offer(&selection, 1, i);
    assert_int_equal(selection.scanned.sequence, 5);
    assert_taken(&selection, 0, 0, false);
}

static struct fact large(uint64_t sequence)
{
    struct fact fact = fact_of("a", sequence, 1);

    memset(fact.text, 'x', sizeof fact.text - 1);
    return fact;
}

static void stays_within_a_replys_bytes(void **state)
{
    for (int newest = 0; newest < 2; newest++) {
        struct exchange_request request = {.newest = newest, .limit = EXCHANGE_FACTS_MAX};
        struct exchange_reply reply = {0};
        struct selection selection;

        (void)state;
        selection_init(&selection, &request);
        for (uint64_t i = 1; i <= EXCHANGE_FACTS_MAX; i++) {
            struct fact fact = large(i);

            selection_offer(&selection, &fact);
        }
        assert_true(selection_finish(&selection, &reply));
        assert_true(reply.more);
        assert_in_range(reply.facts.len, EXCHANGE_REPLY_MAX - 2048, EXCHANGE_REPLY_MAX - 1024);
        selection_fini(&selection);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_the_last_ones),
        cmocka_unit_test(goes_on_after_a_place),
        cmocka_unit_test(stops_at_the_limit_where_it_will_go_on),
        cmocka_unit_test(goes_on_in_the_next_origin_though_the_last_facts_of_one_were_lost),
        cmocka_unit_test(an_origin_that_left_no_fact_is_known_by_its_beginning),
        cmocka_unit_test(a_place_that_is_gone_is_before_everything),
        cmocka_unit_test(a_place_that_comes_late_drops_what_was_taken_at_the_limit),
        cmocka_unit_test(a_fact_that_was_written_twice_is_taken_once),
        cmocka_unit_test(looks_past_what_the_filter_leaves_out),
        cmocka_unit_test(stays_within_a_replys_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
