/*
 * What is asked of systemd, as stories and walked at random; and what it answers.
 */
#include "process/unit.h"

#include "base/rng.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const char *const commands[] = {
    [UNIT_SHOW] = " SHOW", [UNIT_START] = " START", [UNIT_STOP] = " STOP", [UNIT_KILL] = " KILL"};
static const char *const news[] = {
    [UNIT_HAS_STARTED] = " started", [UNIT_HAS_FAILED] = " failed", [UNIT_IS_GONE] = " gone"};

static const struct unit_shown inactive = {.found = true, .ended = true};
static const struct unit_shown enqueued = {.found = true, .ended = true, .job = true};
static const struct unit_shown active = {.found = true, .active = true, .main_pid = 7};
static const struct unit_shown unnoticed = {.found = true, .active = true};
static const struct unit_shown ending = {.found = true, .main_pid = 7};

struct story {
    struct unit unit;
    char text[2048];
};

static void add(struct story *s, int64_t now_ms, const char *what, const struct unit_event *event)
{
    struct unit_orders out;
    size_t len = strlen(s->text);

    unit_step(&s->unit, event, (struct instant){now_ms * NS_PER_MS}, &out);
    snprintf(s->text + len, sizeof s->text - len, "[%lld] %s ->%s%s%s%s\n", (long long)now_ms, what,
             out.kill_now ? " kill-now" : "", out.break_off ? " break-off" : "",
             out.run ? commands[out.run] : "", out.news ? news[out.news] : "");
}

static void ask(struct story *s, int64_t now_ms, enum unit_event_kind kind)
{
    static const char *const names[] = {[UNIT_TICK] = "tick",
                                        [UNIT_ASK_START] = "start",
                                        [UNIT_ASK_STOP] = "stop",
                                        [UNIT_ASK_KILL] = "kill"};

    add(s, now_ms, names[kind], &(struct unit_event){.kind = kind});
}

static void shows(struct story *s, int64_t now_ms, const struct unit_shown *shown)
{
    add(s, now_ms, "shown",
        &(struct unit_event){.kind = UNIT_ANSWERED, .good = true, .empty = true, .shown = shown});
}

static void done(struct story *s, int64_t now_ms, bool good)
{
    add(s, now_ms, good ? "done" : "refused",
        &(struct unit_event){.kind = UNIT_ANSWERED, .good = good});
}

static int64_t deadline_ms(const struct story *s)
{
    struct instant deadline = unit_deadline(&s->unit);

    return deadline.ns == NEVER.ns ? -1 : deadline.ns / NS_PER_MS;
}

static void a_unit_is_started_and_followed(void **state)
{
    struct story s = {0};

    (void)state;
    ask(&s, 0, UNIT_ASK_START);
    shows(&s, 1, &inactive);
    done(&s, 2, true);
    shows(&s, 3, &enqueued); /* it waits for what it comes after */
    assert_int_equal(deadline_ms(&s), 13);
    ask(&s, 13, UNIT_TICK);
    shows(&s, 14, &active);
    assert_int_equal(deadline_ms(&s), -1);
    assert_string_equal(s.text, "[0] start -> SHOW\n"
                                "[1] shown -> START\n"
                                "[2] done -> SHOW\n"
                                "[3] shown ->\n"
                                "[13] tick -> SHOW\n"
                                "[14] shown -> started\n");
}

static void one_that_runs_is_taken_over(void **state)
{
    struct story s = {0};

    (void)state;
    ask(&s, 0, UNIT_ASK_START);
    shows(&s, 1, &unnoticed); /* the run before has just ended */
    ask(&s, 11, UNIT_TICK);
    shows(&s, 12, &active);
    assert_string_equal(s.text, "[0] start -> SHOW\n"
                                "[1] shown ->\n"
                                "[11] tick -> SHOW\n"
                                "[12] shown -> started\n");
}

static void what_cannot_be_started_has_failed(void **state)
{
    struct story refused = {0}, died = {0}, endless = {0};

    (void)state;
    ask(&refused, 0, UNIT_ASK_START);
    shows(&refused, 1, &inactive);
    done(&refused, 2, false);
    assert_string_equal(refused.text,
                        "[0] start -> SHOW\n[1] shown -> START\n[2] refused -> failed\n");
    ask(&died, 0, UNIT_ASK_START);
    shows(&died, 1, &inactive);
    done(&died, 2, true);
    shows(&died, 3, &inactive);
    assert_string_equal(died.text, "[0] start -> SHOW\n[1] shown -> START\n[2] done -> SHOW\n"
                                   "[3] shown -> failed\n");
    ask(&endless, 0, UNIT_ASK_START);
    shows(&endless, 1, &unnoticed);
    shows(&endless, UNIT_START_MS, &unnoticed);
    assert_string_equal(endless.text, "[0] start -> SHOW\n[1] shown ->\n[90000] shown -> failed\n");
}

static void a_kill_waits_for_nothing(void **state)
{
    struct story s = {0};

    (void)state;
    ask(&s, 0, UNIT_ASK_START);
    shows(&s, 1, &inactive);
    ask(&s, 2, UNIT_ASK_KILL); /* while the start hangs */
    ask(&s, 4, UNIT_ASK_KILL); /* the one under way may still end */
    ask(&s, 5002, UNIT_TICK);
    ask(&s, 10002, UNIT_TICK);
    assert_int_equal(deadline_ms(&s), -1);
    ask(&s, 11000, UNIT_ASK_KILL);
    done(&s, 11001, false); /* no process is in it */
    shows(&s, 11002, &enqueued);
    ask(&s, 12000, UNIT_ASK_KILL);
    done(&s, 12001, true);
    shows(&s, 12002, &inactive);
    assert_string_equal(s.text, "[0] start -> SHOW\n"
                                "[1] shown -> START\n"
                                "[2] kill -> kill-now break-off KILL\n"
                                "[4] kill -> kill-now\n"
                                "[5002] tick -> break-off SHOW\n"
                                "[10002] tick -> break-off\n"
                                "[11000] kill -> kill-now KILL\n"
                                "[11001] refused -> SHOW\n"
                                "[11002] shown ->\n"
                                "[12000] kill -> kill-now STOP\n"
                                "[12001] done -> SHOW\n"
                                "[12002] shown -> gone\n");
}

static void an_empty_control_group_is_enough(void **state)
{
    struct story s = {0};
    const struct unit_event empty = {.kind = UNIT_ASK_KILL, .empty = true};

    (void)state;
    ask(&s, 0, UNIT_ASK_START);
    shows(&s, 1, &active);
    ask(&s, 2, UNIT_ASK_KILL);
    add(&s, 4, "empty", &empty);
    add(&s, 6, "empty", &empty); /* of a run that never was: a start may be enqueued */
    assert_string_equal(s.text, "[0] start -> SHOW\n"
                                "[1] shown -> started\n"
                                "[2] kill -> kill-now KILL\n"
                                "[4] empty -> break-off gone\n"
                                "[6] empty -> kill-now KILL\n");
}

static void it_is_asked_to_end_until_it_has(void **state)
{
    struct story s = {0};

    (void)state;
    ask(&s, 0, UNIT_ASK_START);
    shows(&s, 1, &active);
    ask(&s, 2, UNIT_ASK_STOP);
    done(&s, 3, true);
    ask(&s, 13, UNIT_TICK);
    shows(&s, 14, &ending);
    ask(&s, 34, UNIT_TICK);
    shows(&s, 35, &inactive);
    assert_string_equal(s.text, "[0] start -> SHOW\n"
                                "[1] shown -> started\n"
                                "[2] stop -> STOP\n"
                                "[3] done ->\n"
                                "[13] tick -> SHOW\n"
                                "[14] shown ->\n"
                                "[34] tick -> SHOW\n"
                                "[35] shown -> gone\n");
}

/* Whatever comes in whatever order: two commands are never under way, a kill always kills, and gone is never said of what may live. */
static void a_walk_keeps_one_command_and_never_lies(void **state)
{
    const struct unit_shown *all[] = {&inactive, &enqueued, &active, &unnoticed, &ending};
    struct rng rng;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct unit unit = {0};
        bool under_way = false;
        int64_t now = 0;

        rng_seed(&rng, seed);
        for (int i = 0; i < 400; i++) {
            struct unit_event event = {.kind =
                                           (enum unit_event_kind)rng_below(&rng, UNIT_ANSWERED + 1),
                                       .good = rng_below(&rng, 4) > 0,
                                       .empty = rng_below(&rng, 2) == 0,
                                       .shown = all[rng_below(&rng, ARRAY_LEN(all))]};
            bool settled = unit.settled;
            struct unit_orders out;

            now += (int64_t)rng_below(&rng, 3000) * NS_PER_MS;
            if ((event.kind == UNIT_ANSWERED && !under_way) ||
                (event.kind == UNIT_ASK_START && unit.phase != UNIT_IDLE))
                event.kind = UNIT_TICK;
            if (event.kind == UNIT_ANSWERED)
                under_way = false;
            unit_step(&unit, &event, (struct instant){now}, &out);
            assert_true(!out.break_off || under_way);
            under_way = under_way && !out.break_off;
            assert_true(out.run == UNIT_NOTHING || !under_way);
            under_way = under_way || out.run != UNIT_NOTHING;
            assert_int_equal(under_way, unit.under_way != UNIT_NOTHING);
            assert_true(!under_way || unit_deadline(&unit).ns != NEVER.ns);
            if (event.kind == UNIT_ASK_KILL)
                assert_true(out.kill_now || (out.news == UNIT_IS_GONE && event.empty && settled));
            if (out.news == UNIT_IS_GONE && event.kind != UNIT_ASK_KILL)
                assert_true(event.good && event.empty && event.shown == &inactive);
            if (out.news == UNIT_HAS_STARTED)
                assert_true(event.good && event.shown == &active);
        }
    }
}

static void what_systemctl_shows_is_read(void **state)
{
    struct unit_shown shown;

    (void)state;
    assert_true(unit_parse(BYTES("Restart=no\nMainPID=4711\nControlGroup=/system.slice/r.service\n"
                                 "LoadState=loaded\nActiveState=active\nJob=\n"),
                           &shown));
    assert_int_equal(shown.main_pid, 4711);
    assert_string_equal(shown.control_group, "/system.slice/r.service");
    assert_true(shown.found && shown.active && !shown.ended && !shown.job && !shown.restarts);
    assert_true(
        unit_parse(BYTES("Warning: something\nRestart=on-failure\nMainPID=0\nControlGroup=\n"
                         "LoadState=not-found\nActiveState=failed\nJob=12"),
                   &shown));
    assert_true(!shown.found && !shown.active && shown.ended && shown.job && shown.restarts);
    assert_string_equal(shown.control_group, "");
    assert_false(unit_parse(BYTES(""), &shown));
    assert_false(unit_parse(BYTES("MainPID=1\n"), &shown));
    assert_false(unit_parse(BYTES("ActiveState=active\n"), &shown));
    assert_false(unit_parse(BYTES("ActiveState=active\nMainPID=-1\n"), &shown));
    assert_false(unit_parse(BYTES("ActiveState=active\nMainPID=\n"), &shown));
    assert_false(unit_parse(BYTES("ActiveState=active\nMainPID=1\nControlGroup=../x\n"), &shown));
}

static void a_name_is_never_an_option(void **state)
{
    const char *words[UNIT_WORDS];

    (void)state;
    for (enum unit_command command = UNIT_SHOW; command <= UNIT_KILL; command++) {
        uint32_t count = 0;

        unit_words(command, "x.service", words);
        while (words[count])
            count++;
        assert_true(count < UNIT_WORDS);
        assert_string_equal(words[0], "systemctl");
        assert_string_equal(words[count - 2], "--");
        assert_string_equal(words[count - 1], "x.service");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_is_started_and_followed),
        cmocka_unit_test(one_that_runs_is_taken_over),
        cmocka_unit_test(what_cannot_be_started_has_failed),
        cmocka_unit_test(a_kill_waits_for_nothing),
        cmocka_unit_test(an_empty_control_group_is_enough),
        cmocka_unit_test(it_is_asked_to_end_until_it_has),
        cmocka_unit_test(a_walk_keeps_one_command_and_never_lies),
        cmocka_unit_test(what_systemctl_shows_is_read),
        cmocka_unit_test(a_name_is_never_an_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
