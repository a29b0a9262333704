/*
 * The core of a link, told as stories; and walked at random.
 */
#include "unit.h"

#include "peer/contact.h"

#include <stdio.h>
#include <string.h>

static const struct contact_timing timing = {
    .silence_ms = 1000, .retry_ms = 100, .retry_max_ms = 800};

struct scene {
    struct contact contact;
    struct rng rng;
    struct instant now;
    char story[4096];
};

static void begin(struct scene *scene, bool calls, uint32_t paths)
{
    *scene = (struct scene){0};
    rng_seed(&scene->rng, 1);
    contact_init(&scene->contact, &timing, calls);
    contact_place(&scene->contact, paths, scene->now);
}

static void tell(struct scene *scene, const char *text)
{
    size_t len = strlen(scene->story);

    snprintf(scene->story + len, sizeof scene->story - len, "[%5lld] %s\n",
             (long long)(scene->now.ns / NS_PER_MS), text);
}

/* Until `ms`, doing what is due when it is due; calls and knocks fail at once. */
static void run_until(struct scene *scene, int64_t ms)
{
    const struct instant end = {ms * NS_PER_MS};

    for (;;) {
        struct instant next = contact_next_deadline(&scene->contact);
        struct contact_orders orders;
        char text[64];

        if (next.ns > end.ns)
            break;
        if (next.ns > scene->now.ns)
            scene->now = next;
        contact_tick(&scene->contact, scene->now, &orders);
        if (orders.ping)
            tell(scene, "ping");
        if (orders.silent) {
            tell(scene, "silent");
            contact_lost(&scene->contact, PEER_SILENT, scene->now, &scene->rng);
        }
        if (orders.call || orders.knock) {
            snprintf(text, sizeof text, "%s %u", orders.call ? "call" : "knock",
                     scene->contact.path);
            tell(scene, text);
            contact_failed(&scene->contact, scene->now, &scene->rng);
        }
    }
    scene->now = end;
}

/* The call that is due is answered, and its connection counts. */
static void come_up(struct scene *scene)
{
    struct contact_orders orders;

    contact_tick(&scene->contact, scene->now, &orders);
    assert_true(orders.call);
    assert_int_equal(contact_greeted(&scene->contact, true, false), CONTACT_COMES_UP);
    contact_came_up(&scene->contact, scene->now);
}

static void calls_each_address_once_and_then_pauses(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, true, 3);
    run_until(&scene, 49);
    assert_string_equal(scene.story, "[    0] call 0\n[    0] call 1\n[    0] call 2\n");
}

static void pauses_double_up_to_the_longest(void **state)
{
    struct instant last = {0};
    struct scene scene;
    int64_t longest = 0;

    (void)state;
    begin(&scene, true, 1);
    for (int i = 0; i < 50; i++) {
        struct contact_orders orders;
        int64_t pause_ms;

        scene.now = contact_next_deadline(&scene.contact);
        pause_ms = ns_between(last, scene.now) / NS_PER_MS;
        last = scene.now;
        if (i > 0)
            assert_in_range(pause_ms, 50, 800);
        if (i > 6)
            assert_in_range(pause_ms, 400, 800);
        longest = pause_ms > longest ? pause_ms : longest;
        contact_tick(&scene.contact, scene.now, &orders);
        assert_true(orders.call);
        contact_failed(&scene.contact, scene.now, &scene.rng);
    }
    assert_true(longest > 600);
}

static void who_is_called_does_nothing(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, false, 2);
    run_until(&scene, 100000);
    assert_string_equal(scene.story, "");
}

static void an_idle_link_is_pinged_and_a_silent_one_leaves_its_address(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, true, 2);
    come_up(&scene);
    run_until(&scene, 600);
    contact_heard(&scene.contact, scene.now);
    run_until(&scene, 1600);
    assert_string_equal(scene.story, "[  250] ping\n[  500] ping\n[  750] ping\n[ 1000] ping\n"
                                     "[ 1250] ping\n[ 1500] ping\n[ 1600] silent\n"
                                     "[ 1600] call 1\n[ 1600] call 0\n");
}

static void one_who_was_stopped_himself_believes_no_silence_at_once(void **state)
{
    struct contact_orders orders;
    struct scene scene;

    (void)state;
    begin(&scene, true, 1);
    come_up(&scene);
    scene.now.ns = 5 * NS_PER_S;
    contact_tick(&scene.contact, scene.now, &orders);
    assert_true(orders.ping && !orders.silent);
    run_until(&scene, 5251);
    assert_string_equal(scene.story, "[ 5250] silent\n[ 5250] call 0\n");
}

static void after_a_reset_the_caller_calls_and_the_other_knocks(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, true, 1);
    come_up(&scene);
    scene.now.ns = 100 * NS_PER_MS;
    contact_lost(&scene.contact, PEER_RESET, scene.now, &scene.rng);
    run_until(&scene, 101);
    assert_string_equal(scene.story, "[  100] call 0\n");

    begin(&scene, false, 1);
    assert_int_equal(contact_greeted(&scene.contact, false, false), CONTACT_COMES_UP);
    contact_came_up(&scene.contact, scene.now);
    scene.now.ns = 100 * NS_PER_MS;
    contact_lost(&scene.contact, PEER_CUT, scene.now, &scene.rng);
    run_until(&scene, 101);
    assert_string_equal(scene.story, "[  100] knock 0\n");
}

/* The process that listened may have been on its way out. */
static void a_knock_that_is_answered_is_repeated_until_the_peer_calls(void **state)
{
    struct contact_orders orders;
    struct scene scene;

    (void)state;
    begin(&scene, false, 1);
    (void)contact_greeted(&scene.contact, false, false);
    contact_came_up(&scene.contact, scene.now);
    contact_lost(&scene.contact, PEER_RESET, scene.now, &scene.rng);
    contact_tick(&scene.contact, scene.now, &orders);
    assert_true(orders.knock);
    contact_knocked(&scene.contact, scene.now, &scene.rng);
    run_until(&scene, scene.contact.timing.retry_ms + 1);
    assert_non_null(strstr(scene.story, "knock 0\n"));
    (void)contact_greeted(&scene.contact, false, false);
    contact_came_up(&scene.contact, scene.now);
    scene.story[0] = '\0';
    run_until(&scene, scene.now.ns / NS_PER_MS + 1000);
    assert_null(strstr(scene.story, "knock"));
}

static void one_that_comes_and_goes_is_not_called_in_a_loop(void **state)
{
    struct scene scene;
    unsigned calls = 0;

    (void)state;
    begin(&scene, true, 1);
    while (scene.now.ns < 10 * NS_PER_S) {
        scene.now = contact_next_deadline(&scene.contact);
        come_up(&scene);
        contact_lost(&scene.contact, PEER_RESET, scene.now, &scene.rng);
        calls++;
    }
    assert_in_range(calls, 5, 40);
}

static void one_that_says_goodbye_gets_a_moment(void **state)
{
    struct scene scene;

    (void)state;
    begin(&scene, true, 1);
    come_up(&scene);
    scene.now.ns = 5 * NS_PER_S;
    contact_lost(&scene.contact, PEER_CLOSED, scene.now, &scene.rng);
    assert_true(contact_next_deadline(&scene.contact).ns >= scene.now.ns + 50 * NS_PER_MS);
}

static void a_new_connection_takes_over_or_replaces(void **state)
{
    struct contact_orders orders;
    struct scene scene;

    (void)state;
    begin(&scene, true, 1);
    come_up(&scene);
    contact_move(&scene.contact, scene.now);
    contact_tick(&scene.contact, scene.now, &orders);
    assert_true(orders.call);
    assert_int_equal(contact_greeted(&scene.contact, true, true), CONTACT_HANDS_OVER);
    contact_moved(&scene.contact, scene.now);
    assert_true(scene.contact.up);

    contact_move(&scene.contact, scene.now);
    contact_tick(&scene.contact, scene.now, &orders);
    assert_true(orders.call);
    assert_int_equal(contact_greeted(&scene.contact, true, false), CONTACT_REPLACES);
    contact_lost(&scene.contact, PEER_BROKEN, scene.now, &scene.rng);
    contact_came_up(&scene.contact, scene.now);
    assert_true(scene.contact.next.ns == NEVER.ns);
}

/* Every event that its driver may bring, at random: the claims inside hold, and it never stands still for ever. */
static void step(struct scene *scene, bool *call)
{
    struct contact *contact = &scene->contact;
    struct contact_orders orders;

    scene->now.ns += rng_between(&scene->rng, 0, 200 * NS_PER_MS);
    switch (rng_below(&scene->rng, 7)) {
    case 0:
        contact_place(contact, (uint32_t)rng_below(&scene->rng, PEER_PATHS_MAX + 1), scene->now);
        break;
    case 1:
        if (contact->up)
            contact_lost(contact, (enum peer_why)rng_below(&scene->rng, PEER_BROKEN + 1),
                         scene->now, &scene->rng);
        break;
    case 2:
        contact_move(contact, scene->now);
        break;
    case 3:
        if (contact->handing)
            contact_moved(contact, scene->now);
        break;
    case 4:
        if (contact->busy && !*call)
            contact_knocked(contact, scene->now, &scene->rng);
        else if (contact->busy)
            contact_failed(contact, scene->now, &scene->rng);
        break;
    case 5:
        if ((contact->calls && !(contact->busy && *call)) || contact->handing)
            break;
        switch (contact_greeted(contact, contact->calls, rng_chance(&scene->rng, 0.5))) {
        case CONTACT_REPLACES:
            contact_lost(contact, PEER_BROKEN, scene->now, &scene->rng);
            contact_came_up(contact, scene->now);
            break;
        case CONTACT_COMES_UP:
            contact_came_up(contact, scene->now);
            break;
        case CONTACT_HANDS_OVER:
            break;
        }
        break;
    default:
        contact_tick(contact, scene->now, &orders);
        if (orders.call || orders.knock)
            *call = orders.call;
        if (orders.silent)
            contact_lost(contact, PEER_SILENT, scene->now, &scene->rng);
    }
    if (contact->calls && contact->paths > 0 && !contact->up && !contact->busy)
        assert_true(contact_next_deadline(contact).ns <=
                    after_ms(scene->now, timing.retry_max_ms).ns);
    if (contact->up)
        assert_true(contact_next_deadline(contact).ns < NEVER.ns);
}

static void no_order_of_events_confuses_it(void **state)
{
    struct scene scene;

    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        bool call = false;

        begin(&scene, seed % 2, 2);
        rng_seed(&scene.rng, seed);
        for (int i = 0; i < 100; i++)
            step(&scene, &call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_each_address_once_and_then_pauses),
        cmocka_unit_test(pauses_double_up_to_the_longest),
        cmocka_unit_test(who_is_called_does_nothing),
        cmocka_unit_test(an_idle_link_is_pinged_and_a_silent_one_leaves_its_address),
        cmocka_unit_test(one_who_was_stopped_himself_believes_no_silence_at_once),
        cmocka_unit_test(after_a_reset_the_caller_calls_and_the_other_knocks),
        cmocka_unit_test(a_knock_that_is_answered_is_repeated_until_the_peer_calls),
        cmocka_unit_test(one_that_comes_and_goes_is_not_called_in_a_loop),
        cmocka_unit_test(one_that_says_goodbye_gets_a_moment),
        cmocka_unit_test(a_new_connection_takes_over_or_replaces),
        cmocka_unit_test(no_order_of_events_confuses_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
