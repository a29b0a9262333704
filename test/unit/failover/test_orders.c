#include "world.h"

static void order(struct world *w, enum failover_order_kind kind, uint32_t to, bool accept_loss)
{
    struct failover_order asked = order_of(kind, to, accept_loss);

    failover_ordered(&w->f, &asked, w->now);
    run(w);
}

static void hands_over(struct world *w)
{
    struct failover_action action = {.body = w->view.body};

    assert_true(w->view.body.target != 0);
    action.body.primary = action.body.target;
    action.body.target = 0;
    action.body.serving = false;
    world_apply(w, &action);
}

static void a_switchover_is_a_target_until_the_other_serves(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    order(&w, ORDER_SWITCHOVER, C, false);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_SWITCHING);
    wait_ms(&w, 300);
    hands_over(&w);
    run(&w);
    wait_ms(&w, 100);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_string_equal(w.story,
                        "[ 2000] update primary a in sync abc target c\n"
                        "[ 2400] answer 1 done: c is primary in epoch 2\n"
                        "[ 2600] switchover-done: c is primary in epoch 2 after a: 400 ms (a "
                        "switchover was ordered)\n");
    assert_true(w.record.planned);
    assert_int_equal(w.record.fence_ms, 300);
    assert_int_equal(w.record.promise_ms, -1);
    assert_int_equal(w.record.lost_bytes, 0);
}

static void to_nobody_in_particular_is_to_the_best(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, GROUP_SYNC, 0, 3);
    member(&w, C)->priority = 200;
    member(&w, A)->priority = 300;
    world_serving(&w, 100);
    order(&w, ORDER_SWITCHOVER, UINT32_MAX, false);
    assert_int_equal(w.view.body.target, C + 1);
}

static void a_switchover_that_takes_too_long_is_given_up(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    order(&w, ORDER_SWITCHOVER, B, false);
    wait_ms(&w, 20000);
    assert_string_equal(w.story,
                        "[ 2000] update primary a in sync ab target b\n"
                        "[12000] update primary a in sync ab\n"
                        "[12000] switchover-failed: a stays primary: b did not take over\n"
                        "[12000] answer 1 refused: a stays primary: b did not take over\n");
}

static void why_it_was_given_up_is_said_where_it_is_known(void **state)
{
    struct world w;
    struct failover_action cleared = {0};

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    order(&w, ORDER_SWITCHOVER, B, false);
    strcpy(member(&w, A)->report.sentence, "its clients did not go");
    cleared.body = w.view.body;
    cleared.body.target = 0;
    world_apply(&w, &cleared);
    run(&w);
    assert_string_equal(w.answer, "a stays primary: b did not take over: its clients did not go");
}

static void a_failure_meanwhile_is_a_failover(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    order(&w, ORDER_SWITCHOVER, B, false);
    dies(&w, A);
    dies(&w, B);
    run(&w);
    promises(&w, C, 100);
    wait_ms(&w, 600);
    serves(&w);
    run(&w);
    wait_ms(&w, 300);
    assert_string_equal(w.answer, "c took over instead: the primary failed meanwhile");
    assert_false(w.done);
    assert_false(w.record.planned);
    assert_int_equal(w.record.cause, CAUSE_NODE);
}

/* ---- refused, with what is wrong ---- */

static void nothing(struct world *w)
{
    (void)w;
}

static void out_of_sync(struct world *w)
{
    life_set_drop(&w->view.body.in_sync, B + 1);
}

static void dead(struct world *w)
{
    dies(w, B);
}

static void in_maintenance(struct world *w)
{
    member(w, B)->maintenance = true;
}

static void unlinked(struct world *w)
{
    member(w, B)->report.linked = false;
}

static void priority_0(struct world *w)
{
    member(w, B)->priority = 0;
}

static void without_primary(struct world *w)
{
    steps_down(w);
    dies(w, B);
}

static void not_leading(struct world *w)
{
    w->view.able = false;
}

static void what_is_refused(void **state)
{
    static const struct {
        void (*make)(struct world *w);
        uint32_t to;
        const char *sentence;
    } rows[] = {
        {nothing, A, "a is the primary"},
        {nothing, 7, "the group has no such member"},
        {out_of_sync, B, "b is not in sync"},
        {dead, B, "b is dead"},
        {in_maintenance, B, "b is in maintenance"},
        {unlinked, B, "b does not receive from the primary"},
        {priority_0, B, "b is never to be primary: its priority is 0"},
        {dead, UINT32_MAX, "nobody can take over: a is the primary; b is dead"},
        {without_primary, B,
         "there is no primary to hand over: a has not promised epoch 2 yet; b is dead"},
        {not_leading, B, "this node does not lead the cluster (any more): ask again"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;

        world_serves(&w, GROUP_SYNC, 0, 2, 100);
        rows[i].make(&w);
        order(&w, ORDER_SWITCHOVER, rows[i].to, false);
        assert_int_equal(w.answers, 1);
        assert_false(w.done);
        assert_string_equal(w.answer, rows[i].sentence);
        assert_int_equal(w.view.body.target, 0);
    }
}

static void one_order_at_a_time(void **state)
{
    struct world w;
    struct failover_order second = order_of(ORDER_SWITCHOVER, B, false);

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    order(&w, ORDER_SWITCHOVER, C, false);
    second.number = 2;
    failover_ordered(&w.f, &second, w.now);
    run(&w);
    assert_string_equal(w.story, "[ 2000] update primary a in sync abc target c\n"
                                 "[ 2000] answer 2 refused: another order is under way\n");
}

/* ---- failover by order ---- */

static void a_failover_of_a_well_primary_is_a_switchover(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    order(&w, ORDER_FAILOVER, UINT32_MAX, false);
    hands_over(&w);
    run(&w);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_true(w.done);
    assert_int_equal(w.record.cause, CAUSE_OPERATOR);
}

static void without_a_follower_it_needs_acceptance_of_loss(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    life_set_drop(&w.view.body.in_sync, B + 1);
    order(&w, ORDER_FAILOVER, UINT32_MAX, false);
    assert_string_equal(w.answer, "a is there, and nobody could follow it without loss: "
                                  "a is the primary; b is not in sync");
    assert_int_equal(w.view.body.primary, A + 1);
}

static void with_it_a_primary_that_lives_keeps_its_lease(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    life_set_drop(&w.view.body.in_sync, B + 1);
    w.held = true;
    order(&w, ORDER_FAILOVER, UINT32_MAX, true);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_ISOLATING);
    wait_ms(&w, 12000);
    assert_string_equal(w.answer, "a is alive and keeps its lease: stop its node first");
    assert_int_equal(w.view.body.primary, A + 1);
}

static void with_it_the_most_advanced_takes_over(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    life_set_drop(&w.view.body.in_sync, B + 1);
    life_set_drop(&w.view.body.in_sync, C + 1);
    dies(&w, A);
    run(&w);
    promises(&w, B, 50);
    promises(&w, C, 60);
    wait_ms(&w, 11000);
    assert_int_equal(failover_phase_of(&w.f), FAILOVER_STRANDED);
    order(&w, ORDER_FAILOVER, UINT32_MAX, false);
    assert_string_equal(w.answer, "nobody can take over without loss: a is dead; b is not in sync; "
                                  "c is not in sync");
    order(&w, ORDER_FAILOVER, UINT32_MAX, true);
    assert_int_equal(w.view.body.primary, C + 1);
    assert_true(w.view.body.unclean);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_true(w.done);
    assert_true(w.record.unclean);
    assert_true(w.record.lost_bytes == 40);
}

static void a_failover_by_order_heeds_no_pause(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    w.view.paused = true;
    dies(&w, A);
    run(&w);
    assert_int_equal(w.view.body.primary, A + 1);
    order(&w, ORDER_FAILOVER, UINT32_MAX, false);
    promises(&w, B, 100);
    run(&w);
    wait_ms(&w, 600);
    assert_int_equal(w.view.body.primary, B + 1);
}

/* ---- an order while something happens already ---- */

/* `a` is dead, and its node is given a minute. */
static void delayed(struct world *w, bool unclean)
{
    struct failover_rules rules = world_rules();

    rules.delay_ms[CAUSE_NODE] = 60000;
    rules.unclean = unclean;
    rules.unclean_after_ms = 90000;
    world_init_with(w, &rules, world_wanted(GROUP_SYNC, 0), 3);
    world_serving(w, 100);
    dies(w, A);
    run(w);
    assert_int_equal(failover_phase_of(&w->f), FAILOVER_DELAYING);
}

static void a_failover_by_order_heeds_no_delay(void **state)
{
    struct world w;

    (void)state;
    delayed(&w, false);
    order(&w, ORDER_FAILOVER, UINT32_MAX, false);
    assert_int_equal(w.view.body.primary, 0);
    promises(&w, B, 100);
    promises(&w, C, 100);
    run(&w);
    serves(&w);
    run(&w);
    assert_string_equal(w.answer, "b is primary in epoch 3");
    assert_true(w.done);
}

static void who_failed_cannot_hand_over(void **state)
{
    struct world w;

    (void)state;
    delayed(&w, false);
    order(&w, ORDER_SWITCHOVER, B, false);
    assert_string_equal(w.answer, "a cannot hand over: its node is dead");
    assert_int_equal(w.view.body.primary, A + 1);
}

/* The agent of `a` began again, and its node died before it could say what its engine has; nobody else is in sync. */
static void reborn_alone(struct world *w, bool unclean)
{
    delayed(w, unclean);
    member(w, A)->life.incarnation = 2;
    member(w, A)->heard = false;
    life_set_drop(&w->view.body.in_sync, B + 1);
    life_set_drop(&w->view.body.in_sync, C + 1);
    run(w);
}

static void who_alone_has_all_is_waited_for_unless_loss_is_accepted(void **state)
{
    struct world w;

    (void)state;
    reborn_alone(&w, false);
    wait_ms(&w, 600000);
    order(&w, ORDER_FAILOVER, UINT32_MAX, false);
    wait_ms(&w, 10000);
    assert_string_equal(w.answer, "a was not replaced in time: its node is dead");
    assert_int_equal(w.view.body.primary, A + 1);
    order(&w, ORDER_FAILOVER, UINT32_MAX, true);
    assert_int_equal(w.view.body.primary, 0);
    promises(&w, B, 90);
    promises(&w, C, 95);
    run(&w);
    assert_int_equal(w.view.body.primary, C + 1);
    assert_true(w.view.body.unclean);
}

static void the_file_may_accept_it_too(void **state)
{
    struct world w;

    (void)state;
    reborn_alone(&w, true);
    wait_ms(&w, 89000);
    assert_int_equal(w.view.body.primary, A + 1);
    wait_ms(&w, 1000);
    assert_int_equal(w.view.body.primary, 0);
}

/* `a` is gone, `b` would be preferred, and `c` may be chosen as well. */
static void either_may(struct world *w)
{
    delayed(w, false);
    member(w, B)->priority = 200;
}

static void an_order_says_who_of_those_that_may(void **state)
{
    struct world w;

    (void)state;
    either_may(&w);
    order(&w, ORDER_FAILOVER, C, false);
    promises(&w, B, 100);
    promises(&w, C, 100);
    run(&w);
    assert_int_equal(w.view.body.primary, C + 1);
    serves(&w);
    run(&w);
    assert_true(w.done);
}

static void whom_it_names_and_who_may_not_is_refused(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        struct world w;

        either_may(&w);
        w.view.paused = paused;
        life_set_drop(&w.view.body.in_sync, C + 1);
        order(&w, ORDER_FAILOVER, C, false);
        promises(&w, B, 100);
        promises(&w, C, 100);
        run(&w);
        assert_string_equal(w.answer, "c is not in sync");
        assert_false(w.done);
        assert_int_equal(w.view.body.primary, 0);
        wait_ms(&w, 60000);
        assert_int_equal(w.view.body.primary, paused ? 0 : B + 1);
    }
}

static void nobody_is_isolated_for_one_who_is_not_there(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    life_set_drop(&w.view.body.in_sync, B + 1);
    life_set_drop(&w.view.body.in_sync, C + 1);
    dies(&w, C);
    order(&w, ORDER_FAILOVER, C, true);
    assert_string_equal(w.answer, "c is not in sync");
    assert_int_equal(w.view.body.primary, A + 1);
}

/* Whoever asks for another primary while one takes over gets that one, and not a third. */
static void who_takes_over_already_is_what_was_asked_for(void **state)
{
    static const struct {
        uint32_t to;
        bool done;
        const char *answer;
    } rows[] = {
        {UINT32_MAX, true, "b is primary in epoch 3"},
        {B, true, "b is primary in epoch 3"},
        {C, false, "b took over instead"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;

        either_may(&w);
        wait_ms(&w, 60000);
        promises(&w, B, 100);
        promises(&w, C, 100);
        run(&w);
        assert_int_equal(failover_phase_of(&w.f), FAILOVER_PROMOTING);
        order(&w, ORDER_FAILOVER, rows[i].to, false);
        serves(&w);
        run(&w);
        assert_string_equal(w.answer, rows[i].answer);
        assert_int_equal(w.done, rows[i].done);
        assert_int_equal(w.view.body.target, 0);
    }
}

/* ---- by itself ---- */

static void a_primary_in_maintenance_is_left(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    member(&w, A)->maintenance = true;
    run(&w);
    assert_int_equal(w.view.body.target, B + 1);
    hands_over(&w);
    run(&w);
    serves(&w);
    run(&w);
    wait_ms(&w, 200);
    assert_int_equal(w.record.cause, CAUSE_MAINTENANCE);
    assert_true(w.record.planned);
}

static void it_is_tried_again_after_a_while(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 2, 100);
    member(&w, A)->maintenance = true;
    wait_ms(&w, 11000);
    assert_int_equal(w.view.body.target, 0);
    wait_ms(&w, 10000);
    assert_int_equal(w.view.body.target, B + 1);
}

static void a_primary_that_left_the_file_is_left(void **state)
{
    struct world w;

    (void)state;
    world_serves(&w, GROUP_SYNC, 0, 3, 100);
    w.view.members[A] = w.view.members[C];
    w.view.count = 2;
    run(&w);
    assert_true(w.view.body.target == B + 1 || w.view.body.target == C + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switchover_is_a_target_until_the_other_serves),
        cmocka_unit_test(to_nobody_in_particular_is_to_the_best),
        cmocka_unit_test(a_switchover_that_takes_too_long_is_given_up),
        cmocka_unit_test(why_it_was_given_up_is_said_where_it_is_known),
        cmocka_unit_test(a_failure_meanwhile_is_a_failover),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(one_order_at_a_time),
        cmocka_unit_test(a_failover_of_a_well_primary_is_a_switchover),
        cmocka_unit_test(without_a_follower_it_needs_acceptance_of_loss),
        cmocka_unit_test(with_it_a_primary_that_lives_keeps_its_lease),
        cmocka_unit_test(with_it_the_most_advanced_takes_over),
        cmocka_unit_test(a_failover_by_order_heeds_no_pause),
        cmocka_unit_test(a_failover_by_order_heeds_no_delay),
        cmocka_unit_test(who_failed_cannot_hand_over),
        cmocka_unit_test(who_alone_has_all_is_waited_for_unless_loss_is_accepted),
        cmocka_unit_test(the_file_may_accept_it_too),
        cmocka_unit_test(an_order_says_who_of_those_that_may),
        cmocka_unit_test(whom_it_names_and_who_may_not_is_refused),
        cmocka_unit_test(nobody_is_isolated_for_one_who_is_not_there),
        cmocka_unit_test(who_takes_over_already_is_what_was_asked_for),
        cmocka_unit_test(a_primary_in_maintenance_is_left),
        cmocka_unit_test(it_is_tried_again_after_a_while),
        cmocka_unit_test(a_primary_that_left_the_file_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
