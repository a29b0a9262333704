#include "cluster/level.h"
#include "unit.h"

static struct level_verdict judged(uint16_t level, const struct level_member *members,
                                   uint32_t count)
{
    struct level_verdict verdict;

    level_judge(level, members, count, &verdict);
    return verdict;
}

static void rises_when_all_are_heard_and_understand_more(void **state)
{
    static const struct level_member members[] = {{true, 2}, {true, 2}, {true, 2}};
    struct level_verdict verdict = judged(1, members, 3);

    (void)state;
    assert_int_equal(verdict.raise_to, 2);
    assert_int_equal(verdict.next, 2);
}

static void rises_no_further_than_the_one_that_understands_least(void **state)
{
    static const struct level_member members[] = {{true, 4}, {true, 3}, {true, 5}};
    struct level_verdict verdict = judged(1, members, 3);

    (void)state;
    assert_int_equal(verdict.raise_to, 3);
    assert_int_equal(verdict.next, 5);
}

static void one_older_member_holds_it_back(void **state)
{
    static const struct level_member members[] = {{true, 2}, {true, 1}, {true, 2}};
    struct level_verdict verdict = judged(1, members, 3);

    (void)state;
    assert_int_equal(verdict.raise_to, 0);
    assert_int_equal(verdict.next, 2);
}

/* It may come back as what it was before. */
static void one_that_is_not_heard_holds_it_back_whatever_it_said(void **state)
{
    static const struct level_member members[] = {{true, 2}, {false, 2}, {true, 2}};
    struct level_verdict verdict = judged(1, members, 3);

    (void)state;
    assert_int_equal(verdict.raise_to, 0);
    assert_int_equal(verdict.next, 2);
}

static void never_falls_and_is_not_raised_to_what_it_is(void **state)
{
    static const struct level_member members[] = {{true, 2}, {true, 1}, {false, 0}};
    struct level_verdict verdict = judged(2, members, 3);

    (void)state;
    assert_int_equal(verdict.raise_to, 0);
    assert_int_equal(verdict.next, 2);
    assert_int_equal(judged(2, members, 1).raise_to, 0);
    assert_int_equal(judged(0, members, 0).raise_to, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rises_when_all_are_heard_and_understand_more),
        cmocka_unit_test(rises_no_further_than_the_one_that_understands_least),
        cmocka_unit_test(one_older_member_holds_it_back),
        cmocka_unit_test(one_that_is_not_heard_holds_it_back_whatever_it_said),
        cmocka_unit_test(never_falls_and_is_not_raised_to_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
