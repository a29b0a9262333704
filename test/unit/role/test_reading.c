/*
 * How the supervisor listens to the process that reads a configuration, whatever that process has become.
 */
#include "base/own.h"
#include "role/supervisor.h"
#include "unit.h"

static struct supervisor supervisor;
static struct frame frame;

static void a_reader_that_never_stops_talking_gets_its_share_only(void **state)
{
    struct reading *reading = &supervisor.reading;
    autoclose int theirs = -1;
    struct err err;
    uint32_t sent = 0;

    (void)state;
    reading_init(&supervisor);
    buf_init(&reading->findings, SUPERVISOR_FINDINGS_MAX);
    assert_true(channel_pair(&reading->child.channel, &theirs, &err));
    frame = (struct frame){.type = MESSAGE_FINDINGS, .len = 1, .body = "x"};
    while (channel_send(theirs, &frame, &err))
        sent++;
    assert_true(sent > FRAMES_A_TURN);
    reading_listen(&supervisor);
    assert_int_equal(reading->findings.len, FRAMES_A_TURN);
    while (reading->findings.len < sent)
        reading_listen(&supervisor);
    own_close(&theirs);
    reading_listen(&supervisor);
    assert_int_equal(reading->child.channel, -1);
    buf_fini(&reading->findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_never_stops_talking_gets_its_share_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
