/*
 * What the supervisor makes of its roles' frames.
 */
#include "base/own.h"
#include "role/role.h"
#include "role/supervisor.h"
#include "unit.h"

static struct supervisor supervisor;
static struct frame frame;

/* How many reloads an operator waits for who asks through the monitor now. */
static uint32_t waits(enum supervise_phase phase, enum supervise_reading reading)
{
    autoclose int theirs = -1;
    struct err err;

    children_init(&supervisor);
    supervisor.event_count = 0;
    supervisor.core.phase = phase;
    supervisor.core.reading = reading;
    assert_true(channel_pair(&supervisor.children[ROLE_MONITOR].channel, &theirs, &err));
    frame = (struct frame){.type = MESSAGE_RELOAD};
    assert_true(channel_send(theirs, &frame, &err));
    children_listen(&supervisor, ROLE_MONITOR);
    child_close(&supervisor.children[ROLE_MONITOR]);
    assert_int_equal(supervisor.event_count, 1);
    assert_int_equal(supervisor.events[0].kind, EVENT_ASKED_TO_RELOAD);
    return supervisor.operator_waits;
}

static void an_operator_waits_for_the_reading_that_began_after_the_question(void **state)
{
    (void)state;
    assert_int_equal(waits(SUPERVISE_SERVING, READING_NOTHING), 1);
    assert_int_equal(waits(SUPERVISE_SERVING, READING_FILE), 2);
    assert_int_equal(waits(SUPERVISE_SERVING, READING_SPREAD), 2);
}

/* The first configuration ends in serving, not in a reload that is reported. */
static void an_operator_who_asks_before_all_serve_waits_for_one(void **state)
{
    (void)state;
    assert_int_equal(waits(SUPERVISE_BEGINNING, READING_SPREAD), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operator_waits_for_the_reading_that_began_after_the_question),
        cmocka_unit_test(an_operator_who_asks_before_all_serve_waits_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
