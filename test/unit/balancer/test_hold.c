/*
 * Who may go to a group's primary and who waits: told as stories, then every view there is.
 */
#include "unit.h"

#include "balancer/hold.h"
#include "base/buf.h"

#include <string.h>

static struct hold_view serving(uint64_t epoch, uint64_t primary)
{
    return (struct hold_view){BOARD_GROUP_SERVING, epoch, primary, true};
}

static struct instant at(int64_t ms)
{
    return (struct instant){ms * NS_PER_MS};
}

/* ---- where to ---- */

static void only_a_serving_primary_within_its_lease_is_gone_to(void **state)
{
    struct hold_view view = serving(7, 2);

    (void)state;
    assert_int_equal(hold_primary(&view, 3, false), 2);
    view.leased = false;
    assert_int_equal(hold_primary(&view, 3, false), 0);
    assert_int_equal(hold_primary(&view, 3, true), 0);
    view.leased = true;
    view.phase = BOARD_GROUP_SWITCHING;
    assert_int_equal(hold_primary(&view, 3, true), 0);
    view = serving(7, 4);
    assert_int_equal(hold_primary(&view, 3, false), 0); /* a member that this file does not have */
    view = serving(7, 0);
    assert_int_equal(hold_primary(&view, 3, false), 0);
}

static void a_probe_alone_goes_to_who_is_being_promoted(void **state)
{
    struct hold_view view = serving(8, 3);

    (void)state;
    view.phase = BOARD_GROUP_PROMOTING;
    assert_int_equal(hold_primary(&view, 3, false), 0);
    assert_int_equal(hold_primary(&view, 3, true), 3);
    view.leased = false;
    assert_int_equal(hold_primary(&view, 3, true), 0);
}

/* Whatever is known, who goes goes to the primary that it names, within a lease, and what was begun there has not to end. */
static void every_view_keeps_the_rules(void **state)
{
    (void)state;
    for (uint64_t phase = BOARD_GROUP_UNKNOWN; phase <= BOARD_GROUP_SERVING; phase++)
        for (uint64_t epoch = 6; epoch <= 8; epoch++)
            for (uint64_t primary = 0; primary <= 4; primary++)
                for (int bits = 0; bits < 4; bits++) {
                    const struct hold_view view = {phase, epoch, primary, bits & 1};
                    uint32_t place = hold_primary(&view, 3, bits & 2);

                    if (place == 0)
                        continue;
                    assert_int_equal(place, primary);
                    assert_true(place <= 3 && view.leased);
                    assert_true(phase == BOARD_GROUP_SERVING ||
                                (phase == BOARD_GROUP_PROMOTING && (bits & 2)));
                    assert_false(hold_deposed(&view, epoch, primary));
                    assert_true(hold_deposed(&view, epoch - 1, primary));
                    assert_true(hold_deposed(&view, epoch, primary % 3 + 1));
                }
}

static void sessions_end_with_their_epoch_place_or_lease(void **state)
{
    struct hold_view view = serving(7, 2);

    (void)state;
    view.phase = BOARD_GROUP_SWITCHING;
    assert_false(hold_deposed(&view, 7, 2)); /* it still finishes what it has */
    view = (struct hold_view){BOARD_GROUP_RECOVERING, 8, 0, true};
    assert_true(hold_deposed(&view, 7, 2));
    view = serving(8, 2);
    assert_true(hold_deposed(&view, 7, 2)); /* the same member, promoted anew */
    view = (struct hold_view){.phase = BOARD_GROUP_UNKNOWN, .leased = true};
    assert_false(hold_deposed(&view, 7, 2)); /* an agent that has just begun knows nothing */
    view.leased = false;
    assert_true(hold_deposed(&view, 7, 2));
}

/* ---- reads ---- */

static void reads_go_to_those_near_the_primary(void **state)
{
    struct hold_view view = serving(7, 1);
    counter lag[GROUP_BACKENDS_MAX] = {0, 200, 4900, 5100, UINT64_MAX};

    (void)state;
    assert_int_equal(hold_readable(&view, lag, 5, 5000), 1 << 1);
    lag[2] = 1400; /* not much further behind than the best */
    assert_int_equal(hold_readable(&view, lag, 5, 5000), 1 << 1 | 1 << 2);
    lag[1] = UINT64_MAX;
    lag[2] = 4900;
    assert_int_equal(hold_readable(&view, lag, 5, 5000), 1 << 2);
    lag[2] = 5001;
    assert_int_equal(hold_readable(&view, lag, 5, 5000), 0);
    lag[1] = 0;
    assert_int_equal(hold_readable(&view, lag, 5, 0), 1 << 1);
    view.phase = BOARD_GROUP_UNKNOWN; /* zeros that nobody wrote */
    assert_int_equal(hold_readable(&view, lag, 5, 5000), 0);
}

/* ---- how many ---- */

static void number_and_bytes_are_bounded(void **state)
{
    const struct hold_limits limits = {.time_ms = 1, .count = 2, .bytes = 100}, off = {0, 2, 100};
    struct hold_load load = {1, 60};

    (void)state;
    assert_true(hold_room(&limits, &load, 40));
    assert_false(hold_room(&limits, &load, 41));
    assert_false(hold_room(&limits, &load, UINT64_MAX));
    assert_false(hold_room(&off, &load, 0));
    load.bytes = 101; /* it may grow while it waits */
    assert_false(hold_room(&limits, &load, 0));
    load = (struct hold_load){2, 0};
    assert_false(hold_room(&limits, &load, 0));
}

/* ---- the slope ---- */

struct story {
    char text[2048];
    struct buf out;
    struct hold_slope slope;
};

static void look(struct story *s, int64_t ms)
{
    uint32_t due = hold_due(&s->slope, at(ms));

    if (due)
        buf_print(&s->out, "[%3lld] %u go\n", (long long)ms, due);
}

static void story_begin(struct story *s)
{
    *s = (struct story){0};
    buf_over(&s->out, s->text, sizeof s->text - 1);
}

static void twice_as_many_go_while_they_get_through(void **state)
{
    struct story s;

    (void)state;
    story_begin(&s);
    for (int64_t ms = 100; ms < 110; ms++) {
        look(&s, ms);
        if (ms != 104 && ms != 105)
            hold_succeeded(&s.slope);
    }
    assert_string_equal(s.text, "[100] 1 go\n"
                                "[102] 2 go\n"
                                "[104] 4 go\n"
                                "[106] 4 go\n"
                                "[108] 8 go\n");
}

static void a_primary_that_cannot_be_reached_is_asked_by_one_ever_less_often(void **state)
{
    struct story s;

    (void)state;
    story_begin(&s);
    s.slope.step = 64;
    for (int64_t ms = 0; ms < 700; ms++) {
        look(&s, ms);
        if (ms == 0 || s.slope.step == 1) {
            hold_failed(&s.slope, at(ms));
            hold_failed(&s.slope, at(ms)); /* both that went together: once */
        }
        if (ms == 600)
            hold_succeeded(&s.slope);
    }
    assert_string_equal(s.text, "[  0] 64 go\n"
                                "[ 20] 1 go\n"
                                "[ 60] 1 go\n"
                                "[140] 1 go\n"
                                "[300] 1 go\n"
                                "[550] 1 go\n");
}

static void a_new_primary_is_asked_at_once_by_one(void **state)
{
    struct story s;

    (void)state;
    story_begin(&s);
    s.slope.step = 64;
    hold_failed(&s.slope, at(5));
    look(&s, 6);
    hold_begin(&s.slope);
    look(&s, 7);
    assert_string_equal(s.text, "[  7] 1 go\n");
}

/* Whatever happens, somebody may go within the longest pause, and never more than twice as many as before. */
static void no_history_stops_the_slope(void **state)
{
    (void)state;
    for (uint32_t history = 0; history < 1U << 18; history++) {
        struct hold_slope slope = {0};
        uint32_t last = 1;
        int64_t ms = 0;

        for (int i = 0; i < 18; i += 2) {
            uint32_t due = hold_due(&slope, at(ms));

            assert_true(due <= 2 * last);
            last = due ? due : last;
            switch (history >> i & 3) {
            case 1:
                hold_succeeded(&slope);
                break;
            case 2:
                hold_failed(&slope, at(ms));
                last = 1;
                break;
            case 3:
                ms += 21;
                break;
            default:
                ms += 1;
            }
        }
        assert_true(hold_due(&slope, at(ms + HOLD_AGAIN_MAX_MS)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_serving_primary_within_its_lease_is_gone_to),
        cmocka_unit_test(a_probe_alone_goes_to_who_is_being_promoted),
        cmocka_unit_test(every_view_keeps_the_rules),
        cmocka_unit_test(sessions_end_with_their_epoch_place_or_lease),
        cmocka_unit_test(reads_go_to_those_near_the_primary),
        cmocka_unit_test(number_and_bytes_are_bounded),
        cmocka_unit_test(twice_as_many_go_while_they_get_through),
        cmocka_unit_test(a_primary_that_cannot_be_reached_is_asked_by_one_ever_less_often),
        cmocka_unit_test(a_new_primary_is_asked_at_once_by_one),
        cmocka_unit_test(no_history_stops_the_slope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
