/*
 * What the supervisor decides, told as stories: events and what they lead to, with the milliseconds at which they happened.
 */
#include "base/rng.h"
#include "process/supervise.h"
#include "unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 2, DRAIN_MS = 30000, FIRST_MS = 1000 };

struct tale {
    struct supervise supervise;
    int64_t now_ms;
    char story[4096];
};

static struct tale t;

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

static void say(const char *format, ...) PRINTF(1, 2);

static void say(const char *format, ...)
{
    size_t len = strlen(t.story);
    va_list args;

    va_start(args, format);
    vsnprintf(t.story + len, sizeof t.story - len, format, args);
    va_end(args);
}

static const char *const slots[] = {"agent", "monitor", "worker 0", "worker 1"};
static const char *const reasons[] = {
    [REASON_HUNG] = "hung",
    [REASON_LATE] = "late",
    [REASON_UNREACHABLE] = "unreachable",
    [REASON_STOP] = "stop",
};

static void say_action(const struct supervise_action *action)
{
    const char *who = action->slot < ARRAY_LEN(slots) ? slots[action->slot] : "nobody";

    switch (action->kind) {
    case ACTION_READ:
        say(" read");
        break;
    case ACTION_KILL_READER:
        say(" kill reader");
        break;
    case ACTION_START:
        say(" start %s", who);
        break;
    case ACTION_SPREAD:
        say(" tell %s of %u", who, (unsigned)action->number);
        break;
    case ACTION_KILL:
        say(" kill %s (%s)", who, reasons[action->number]);
        break;
    case ACTION_DRAIN:
        say(" drain %s %u", who, (unsigned)action->number);
        break;
    case ACTION_SERVING:
        say(" serving");
        break;
    case ACTION_RELOADED:
        say(action->number ? " reloaded" : " refused");
        break;
    case ACTION_GIVE_UP:
        say(" give up on %s", who);
        break;
    case ACTION_STOPPING:
        say(" stopping");
        break;
    case ACTION_END:
        say(" end");
        break;
    }
    say(";");
}

static void say_actions(const char *what, const struct supervise_actions *actions)
{
    if (!actions->count)
        return;
    say("[%6u] %s ->", (unsigned)t.now_ms, what);
    for (uint32_t i = 0; i < actions->count; i++)
        say_action(&actions->at[i]);
    say("\n");
}

static void happens(const char *what, enum supervise_event_kind kind, uint32_t slot,
                    uint64_t number)
{
    const struct supervise_event event = {kind, slot, number};
    struct supervise_actions actions;

    supervise_step(&t.supervise, &event, at_ms(t.now_ms), &actions);
    say_actions(what, &actions);
}

/* Ticks every half second; everybody's loop turns, but the one's that is named. */
static void passes(int64_t ms, uint32_t stuck)
{
    int64_t until = t.now_ms + ms;

    while (t.now_ms < until) {
        t.now_ms = t.now_ms + 500 < until ? t.now_ms + 500 : until;
        for (uint32_t i = 0; i < t.supervise.roles_count; i++)
            if (i != stuck)
                happens("beat", EVENT_BEAT, i, 0);
        happens("time", EVENT_TICK, 0, 0);
    }
}

static void begins(void)
{
    struct supervise_actions actions;

    t = (struct tale){.now_ms = FIRST_MS};
    supervise_init(&t.supervise, at_ms(t.now_ms), &actions);
    say_actions("begin", &actions);
}

static void becomes_ready(uint64_t generation)
{
    for (uint32_t i = 0; i < t.supervise.roles_count; i++)
        happens("ready", EVENT_READY, i, generation);
}

static void serves(void)
{
    begins();
    supervise_set_workers(&t.supervise, WORKERS);
    t.supervise.drain_ms = DRAIN_MS;
    happens("read", EVENT_READ, 0, 1);
    becomes_ready(1);
    assert_int_equal(t.supervise.phase, SUPERVISE_SERVING);
    t.story[0] = '\0';
}

static void everybody_is_started_with_the_first_generation(void **state)
{
    (void)state;
    begins();
    supervise_set_workers(&t.supervise, WORKERS);
    t.now_ms += 50;
    happens("read", EVENT_READ, 0, 1);
    t.now_ms += 50;
    becomes_ready(1);
    assert_string_equal(
        t.story, "[  1000] begin -> read;\n"
                 "[  1050] read -> start agent; start monitor; start worker 0; start worker 1;\n"
                 "[  1100] ready -> serving;\n");
}

static void a_first_configuration_that_is_refused_ends_the_start(void **state)
{
    (void)state;
    begins();
    happens("refused", EVENT_REFUSED, 0, 0);
    assert_string_equal(t.story, "[  1000] begin -> read;\n"
                                 "[  1000] refused -> give up on nobody; end;\n");
}

static void a_reader_that_hangs_is_killed(void **state)
{
    (void)state;
    begins();
    passes(31000, SUPERVISE_NOBODY);
    happens("refused", EVENT_REFUSED, 0, 0);
    assert_string_equal(t.story, "[  1000] begin -> read;\n"
                                 "[ 31000] time -> kill reader;\n"
                                 "[ 32000] refused -> give up on nobody; end;\n");
}

static void a_role_that_never_becomes_ready_ends_the_start(void **state)
{
    (void)state;
    begins();
    supervise_set_workers(&t.supervise, 1);
    happens("read", EVENT_READ, 0, 1);
    for (int i = 0; i < SUPERVISE_FIRST_FAILURES; i++) {
        passes(1000, SUPERVISE_NOBODY);
        happens("worker ends", EVENT_ENDED, 2, 0);
    }
    happens("agent ends", EVENT_ENDED, 0, 0);
    happens("monitor ends", EVENT_ENDED, 1, 0);
    assert_string_equal(t.story,
                        "[  1000] begin -> read;\n"
                        "[  1000] read -> start agent; start monitor; start worker 0;\n"
                        "[  2000] worker ends -> start worker 0;\n"
                        "[  3500] beat -> start worker 0;\n"
                        "[  4500] beat -> start worker 0;\n"
                        "[  5500] beat -> start worker 0;\n"
                        "[  6000] worker ends -> give up on worker 0; kill agent (stop); kill "
                        "monitor (stop);\n"
                        "[  6000] monitor ends -> end;\n");
}

static void a_dead_role_is_started_again_and_nobody_else_is_touched(void **state)
{
    (void)state;
    serves();
    passes(60000, SUPERVISE_NOBODY);
    happens("agent ends", EVENT_ENDED, 0, 0);
    happens("agent ends", EVENT_ENDED, 0, 0);
    happens("agent ends", EVENT_ENDED, 0, 0);
    passes(1000, SUPERVISE_NOBODY);
    happens("ready", EVENT_READY, 0, 1);
    assert_string_equal(t.story, "[ 61000] agent ends -> start agent;\n"
                                 "[ 61000] agent ends -> start agent;\n"
                                 "[ 61500] beat -> start agent;\n");
}

static void a_role_whose_loop_stands_still_is_killed_and_started_again(void **state)
{
    (void)state;
    serves();
    passes(12000, 2);
    happens("worker ends", EVENT_ENDED, 2, 0);
    assert_string_equal(t.story, "[ 11000] beat -> kill worker 0 (hung);\n"
                                 "[ 13000] worker ends -> start worker 0;\n");
}

static void a_pause_of_the_machine_is_nobodys_fault(void **state)
{
    (void)state;
    serves();
    t.now_ms += 3600 * 1000;
    happens("time", EVENT_TICK, 0, 0);
    passes(9000, 2);
    assert_string_equal(t.story, "");
    passes(2000, 2);
    assert_string_equal(t.story, "[3611000] beat -> kill worker 0 (hung);\n");
}

static void a_reload_is_done_when_everybody_has_it(void **state)
{
    (void)state;
    serves();
    happens("HUP", EVENT_ASKED_TO_RELOAD, 0, 0);
    happens("read", EVENT_READ, 0, 2);
    becomes_ready(2);
    assert_string_equal(t.story, "[  1000] HUP -> read;\n"
                                 "[  1000] read -> tell agent of 2; tell monitor of 2; tell worker "
                                 "0 of 2; tell worker 1 of 2;\n"
                                 "[  1000] ready -> reloaded;\n");
}

static void wishes_to_reload_while_one_is_under_way_are_one_more(void **state)
{
    (void)state;
    serves();
    for (int i = 0; i < 20; i++)
        happens("HUP", EVENT_ASKED_TO_RELOAD, 0, 0);
    happens("refused", EVENT_REFUSED, 0, 0);
    happens("refused", EVENT_REFUSED, 0, 0);
    assert_string_equal(t.story, "[  1000] HUP -> read;\n"
                                 "[  1000] refused -> refused; read;\n"
                                 "[  1000] refused -> refused;\n");
}

static void a_role_that_does_not_take_a_generation_is_started_with_it(void **state)
{
    (void)state;
    serves();
    happens("HUP", EVENT_ASKED_TO_RELOAD, 0, 0);
    happens("read", EVENT_READ, 0, 2);
    happens("ready", EVENT_READY, 0, 2);
    happens("ready", EVENT_READY, 1, 2);
    happens("ready", EVENT_READY, 2, 2);
    t.story[0] = '\0';
    passes(10000, SUPERVISE_NOBODY);
    happens("worker ends", EVENT_ENDED, 3, 0);
    happens("ready", EVENT_READY, 3, 2);
    assert_string_equal(t.story, "[ 11000] beat -> kill worker 1 (late);\n"
                                 "[ 11000] worker ends -> start worker 1;\n"
                                 "[ 11000] ready -> reloaded;\n");
}

static void a_role_that_waits_for_its_restart_does_not_hold_up_a_reload(void **state)
{
    (void)state;
    serves();
    for (int i = 0; i < 3; i++)
        happens("agent ends", EVENT_ENDED, 0, 0);
    assert_int_equal(t.supervise.roles[0].state, ROLE_BACKING_OFF);
    t.story[0] = '\0';
    happens("HUP", EVENT_ASKED_TO_RELOAD, 0, 0);
    happens("read", EVENT_READ, 0, 2);
    becomes_ready(2);
    assert_string_equal(
        t.story, "[  1000] HUP -> read;\n"
                 "[  1000] read -> tell monitor of 2; tell worker 0 of 2; tell worker 1 of 2;\n"
                 "[  1000] ready -> reloaded;\n");
}

static void a_role_that_cannot_be_told_is_killed(void **state)
{
    (void)state;
    serves();
    happens("full", EVENT_UNREACHABLE, 1, 0);
    happens("full", EVENT_UNREACHABLE, 1, 0);
    happens("nonsense", EVENT_READY, 0, 77);
    assert_string_equal(t.story, "[  1000] full -> kill monitor (unreachable);\n"
                                 "[  1000] nonsense -> kill agent (unreachable);\n");
}

static void workers_drain_first_and_the_others_end_after_them(void **state)
{
    (void)state;
    serves();
    happens("TERM", EVENT_ASKED_TO_STOP, 0, 0);
    passes(1000, SUPERVISE_NOBODY);
    happens("worker ends", EVENT_ENDED, 2, 0);
    happens("worker ends", EVENT_ENDED, 3, 0);
    happens("agent ends", EVENT_ENDED, 0, 0);
    happens("monitor ends", EVENT_ENDED, 1, 0);
    assert_string_equal(t.story,
                        "[  1000] TERM -> stopping; drain worker 0 30000; drain worker 1 30000;\n"
                        "[  2000] worker ends -> drain agent 0; drain monitor 0;\n"
                        "[  2000] monitor ends -> end;\n");
}

static void a_second_wish_to_stop_is_obeyed_at_once(void **state)
{
    (void)state;
    serves();
    happens("TERM", EVENT_ASKED_TO_STOP, 0, 0);
    t.story[0] = '\0';
    happens("INT", EVENT_ASKED_TO_STOP, 0, 0);
    assert_string_equal(t.story, "[  1000] INT -> kill agent (stop); kill monitor (stop); kill "
                                 "worker 0 (stop); kill worker 1 (stop);\n");
}

static void who_does_not_drain_in_time_is_killed(void **state)
{
    (void)state;
    serves();
    happens("TERM", EVENT_ASKED_TO_STOP, 0, 0);
    happens("worker ends", EVENT_ENDED, 2, 0);
    t.story[0] = '\0';
    passes(33000, SUPERVISE_NOBODY);
    happens("worker ends", EVENT_ENDED, 3, 0);
    assert_string_equal(t.story, "[ 33000] beat -> kill agent (stop); kill monitor (stop); kill "
                                 "worker 1 (stop);\n");
}

static void a_stop_while_a_file_is_being_read_waits_for_the_reader_alone(void **state)
{
    (void)state;
    begins();
    happens("TERM", EVENT_ASKED_TO_STOP, 0, 0);
    happens("refused", EVENT_REFUSED, 0, 0);
    assert_string_equal(t.story, "[  1000] begin -> read;\n"
                                 "[  1000] TERM -> kill reader; stopping;\n"
                                 "[  1000] refused -> end;\n");
}

/* ---- explored: any event at any time; afterwards a stop always comes to its end ---- */

struct world {
    bool alive[ROLES_MAX];
    bool reading, over;
};

static void obey(struct world *world, const struct supervise_actions *actions)
{
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct supervise_action *action = &actions->at[i];

        assert_false(world->over);
        if (action->kind == ACTION_START) {
            assert_false(world->alive[action->slot]); /* never two in one slot */
            world->alive[action->slot] = true;
        } else if (action->kind == ACTION_READ) {
            assert_false(world->reading); /* never two readers */
            world->reading = true;
        } else if (action->kind == ACTION_END) {
            for (uint32_t slot = 0; slot < ROLES_MAX; slot++)
                assert_false(world->alive[slot]); /* nobody is left behind */
            assert_false(world->reading);
            world->over = true;
        }
    }
}

/* An event that the world may really bring about. */
static bool may_happen(struct world *world, struct supervise_event *event)
{
    switch (event->kind) {
    case EVENT_NOT_STARTED:
    case EVENT_ENDED:
        if (!world->alive[event->slot])
            return false;
        world->alive[event->slot] = false;
        return true;
    case EVENT_BEAT:
    case EVENT_READY:
    case EVENT_UNREACHABLE:
        return world->alive[event->slot];
    case EVENT_READ:
    case EVENT_REFUSED:
        if (!world->reading)
            return false;
        world->reading = false;
        return true;
    case EVENT_TICK:
    case EVENT_ASKED_TO_RELOAD:
        return true;
    case EVENT_ASKED_TO_STOP:
        break;
    }
    return event->number % 50 == 0;
}

static void walk(uint64_t seed)
{
    struct supervise_actions actions;
    struct supervise s;
    struct world world = {0};
    struct rng rng;
    int64_t now_ms = FIRST_MS;

    rng_seed(&rng, seed);
    supervise_init(&s, at_ms(now_ms), &actions);
    obey(&world, &actions);
    for (int i = 0; i < 400 && !world.over; i++) {
        struct supervise_event event = {
            .kind = (enum supervise_event_kind)rng_below(&rng, EVENT_ASKED_TO_STOP + 1),
            .slot = (uint32_t)rng_below(&rng, 4),
            .number = rng_below(&rng, 100),
        };

        now_ms += (int64_t)rng_below(&rng, rng_below(&rng, 10) ? 500 : 20000);
        if (!may_happen(&world, &event))
            continue;
        if (event.kind == EVENT_READY && event.number > 5)
            event.number = s.generation;
        if (event.kind == EVENT_READ) {
            if (s.generation == 0)
                supervise_set_workers(&s, WORKERS);
            event.number = s.generation + 1;
        }
        supervise_step(&s, &event, at_ms(now_ms), &actions);
        obey(&world, &actions);
    }
    for (uint32_t i = 0; i < 10 && !world.over;
         i++) { /* twice asked to stop, then everybody ends */
        struct supervise_event event = {.kind = EVENT_ASKED_TO_STOP};

        if (i >= 2)
            event.kind = EVENT_TICK;
        if (i == 2 && world.reading)
            event.kind = EVENT_REFUSED;
        if (i >= 4 && world.alive[i % 4])
            event = (struct supervise_event){.kind = EVENT_ENDED, .slot = i % 4};
        world.reading = world.reading && event.kind != EVENT_REFUSED;
        world.alive[i % 4] = world.alive[i % 4] && event.kind != EVENT_ENDED;
        supervise_step(&s, &event, at_ms(now_ms), &actions);
        obey(&world, &actions);
    }
    assert_true(world.over);
}

static void every_walk_keeps_one_process_a_slot_and_comes_to_an_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++)
        walk(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_started_with_the_first_generation),
        cmocka_unit_test(a_first_configuration_that_is_refused_ends_the_start),
        cmocka_unit_test(a_reader_that_hangs_is_killed),
        cmocka_unit_test(a_role_that_never_becomes_ready_ends_the_start),
        cmocka_unit_test(a_dead_role_is_started_again_and_nobody_else_is_touched),
        cmocka_unit_test(a_role_whose_loop_stands_still_is_killed_and_started_again),
        cmocka_unit_test(a_pause_of_the_machine_is_nobodys_fault),
        cmocka_unit_test(a_reload_is_done_when_everybody_has_it),
        cmocka_unit_test(wishes_to_reload_while_one_is_under_way_are_one_more),
        cmocka_unit_test(a_role_that_does_not_take_a_generation_is_started_with_it),
        cmocka_unit_test(a_role_that_waits_for_its_restart_does_not_hold_up_a_reload),
        cmocka_unit_test(a_role_that_cannot_be_told_is_killed),
        cmocka_unit_test(workers_drain_first_and_the_others_end_after_them),
        cmocka_unit_test(a_second_wish_to_stop_is_obeyed_at_once),
        cmocka_unit_test(who_does_not_drain_in_time_is_killed),
        cmocka_unit_test(a_stop_while_a_file_is_being_read_waits_for_the_reader_alone),
        cmocka_unit_test(every_walk_keeps_one_process_a_slot_and_comes_to_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
