#include "unit.h"

#include "base/list.h"
#include "net/wheel.h"

#include <stdlib.h>

enum { TIMERS = 400, STEPS = 20000 };

static struct wheel wheel;
static int64_t clock_ns;
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void begin(int64_t ns)
{
    clock_ns = ns;
    random_state = 0x9E3779B97F4A7C15;
    wheel_init(&wheel, (struct instant){ns});
}

static void arm(struct timer *timer, int64_t ns)
{
    list_remove(&timer->node);
    timer->at = (struct instant){ns};
    wheel_add(&wheel, timer);
}

static struct timer *due(void)
{
    struct list *node = list_pop_front(&wheel.due);

    return node ? container_of(node, struct timer, node) : NULL;
}

static struct timer *at(int64_t ns)
{
    clock_ns = ns;
    wheel_advance(&wheel, (struct instant){ns});
    return due();
}

static void a_timer_is_never_early_and_due_within_a_millisecond(void **state)
{
    struct timer timer;

    (void)state;
    begin(5 * NS_PER_S + 123);
    timer_init(&timer, NULL);
    for (int64_t ahead = 1; ahead < INT64_C(1) << 50; ahead = ahead * 3 + 7) {
        int64_t moment = clock_ns + ahead;

        arm(&timer, moment);
        assert_null(at(moment - 1));
        assert_ptr_equal(at(moment + NS_PER_MS), &timer);
        assert_null(due());
    }
}

static void a_moment_that_has_passed_is_due_at_once(void **state)
{
    struct timer timer;

    (void)state;
    begin(NS_PER_S);
    timer_init(&timer, NULL);
    arm(&timer, NS_PER_S);
    assert_int_equal(wheel_next(&wheel).ns, 0);
    assert_ptr_equal(due(), &timer);
    arm(&timer, -1);
    assert_ptr_equal(due(), &timer);
}

static void never_is_never(void **state)
{
    struct timer timer;

    (void)state;
    begin(NS_PER_S);
    timer_init(&timer, NULL);
    arm(&timer, NEVER.ns);
    assert_null(at(INT64_MAX / 2));
    list_remove(&timer.node);
    assert_int_equal(wheel_next(&wheel).ns, NEVER.ns);
}

static void timers_of_one_tick_keep_the_order_in_which_they_were_armed(void **state)
{
    struct timer timers[3];

    (void)state;
    begin(0);
    for (size_t i = 0; i < 3; i++)
        timer_init(&timers[i], NULL);
    arm(&timers[0], 1000 * NS_PER_MS);
    assert_null(at(990 * NS_PER_MS));
    arm(&timers[1], 1000 * NS_PER_MS);
    arm(&timers[2], 1000 * NS_PER_MS - 5);
    assert_ptr_equal(at(1000 * NS_PER_MS), &timers[0]);
    assert_ptr_equal(due(), &timers[1]);
    assert_ptr_equal(due(), &timers[2]);
}

/* The model is the bare list of moments: after each step, exactly those that have passed are due. */
static void any_mixture_of_arming_cancelling_and_waiting_agrees_with_a_list(void **state)
{
    static const int64_t reach[] = {3, 70, 5000, 300000, 20000000, 2000000000};
    static struct timer timers[TIMERS];
    struct timer *found;

    (void)state;
    begin(7 * NS_PER_S + 1);
    for (size_t i = 0; i < TIMERS; i++)
        timer_init(&timers[i], NULL);
    for (int step = 0; step < STEPS; step++) {
        struct timer *timer = &timers[random_below(TIMERS)];
        int64_t range = reach[random_below(ARRAY_LEN(reach))] * NS_PER_MS, first = INT64_MAX,
                last = 0;
        uint64_t what = random_below(8);

        if (what < 5)
            arm(timer, clock_ns + (int64_t)random_below((uint64_t)range));
        else if (what == 5)
            list_remove(&timer->node);
        else
            clock_ns += (int64_t)random_below((uint64_t)(what == 6 ? range / 50 + 1 : NS_PER_MS));
        for (size_t i = 0; i < TIMERS; i++)
            if (timer_armed(&timers[i]) && timers[i].at.ns < first)
                first = timers[i].at.ns;
        if (first != INT64_MAX)
            assert_true(wheel_next(&wheel).ns <= (first + NS_PER_MS - 1) / NS_PER_MS * NS_PER_MS);
        wheel_advance(&wheel, (struct instant){clock_ns});
        while ((found = due())) {
            assert_true(found->at.ns <= clock_ns);
            assert_true(found->at.ns / NS_PER_MS >= last / NS_PER_MS - 1);
            last = found->at.ns;
        }
        for (size_t i = 0; i < TIMERS; i++)
            if (timer_armed(&timers[i]))
                assert_true(timers[i].at.ns > clock_ns / NS_PER_MS * NS_PER_MS);
    }
}

static void waiting_as_long_as_it_says_reaches_a_timer_in_a_few_steps(void **state)
{
    struct timer timer;
    int steps = 0;

    (void)state;
    begin(NS_PER_S);
    timer_init(&timer, NULL);
    arm(&timer, NS_PER_S + 86400 * NS_PER_S + 1);
    while (!at(wheel_next(&wheel).ns))
        steps++;
    assert_true(steps < WHEEL_LEVELS);
    assert_true(clock_ns >= timer.at.ns && clock_ns < timer.at.ns + NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_is_never_early_and_due_within_a_millisecond),
        cmocka_unit_test(a_moment_that_has_passed_is_due_at_once),
        cmocka_unit_test(never_is_never),
        cmocka_unit_test(timers_of_one_tick_keep_the_order_in_which_they_were_armed),
        cmocka_unit_test(any_mixture_of_arming_cancelling_and_waiting_agrees_with_a_list),
        cmocka_unit_test(waiting_as_long_as_it_says_reaches_a_timer_in_a_few_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
