/*
 * A script engine against programs that are this test itself, at the other end of a socket: good ones, and each way to be bad.
 */
#include "base/clock.h"
#include "engine/script.h"
#include "net/net.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANG_S = 30 };

#define TURN_UNTIL(claim)                                                                          \
    do {                                                                                           \
        struct instant hang = after_ms(clock_now(), HANG_S * 1000);                                \
                                                                                                   \
        while (!(claim)) {                                                                         \
            assert_false(passed(hang, clock_now()));                                               \
            loop_turn(loop, NS_PER_MS);                                                            \
        }                                                                                          \
    } while (0)

static struct loop *loop;
static struct engine *engine;
static struct engine_answer last;
static uint32_t answers, wanted, killed;
static int program = -1; /* the program's end */

static void on_answered(void *context, const struct engine_answer *answer)
{
    (void)context;
    last = *answer;
    answers++;
}

static void on_wanted(void *context)
{
    (void)context;
    wanted++;
}

static void on_kill(void *context)
{
    (void)context;
    killed++;
}

static void begin(void)
{
    static const struct engine_events events = {on_answered, on_wanted, on_kill};
    static const struct engine_config config = {.kind = ENGINE_SCRIPT};
    static const struct engine_member members[] = {{.member = 1, .name = "a"},
                                                   {.member = 2, .name = "b"}};
    struct loop_options wishes = {.kind = LOOP_EPOLL, .chunks_max = 64, .chunk_bytes = 16 << 10};
    struct engine_options options = {
        .group = "g", .self = "a", .config = &config, .events = &events};
    struct err err;

    assert_true(loop_open(&loop, &wishes, &err));
    options.loop = loop;
    answers = wanted = killed = 0;
    assert_true(engine_open(&engine, &options, &err));
    engine_members(engine, members, 2);
    assert_int_equal(wanted, 0); /* never from inside */
    TURN_UNTIL(wanted == 1);
}

static void finish(void)
{
    engine_close(engine);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 0);
    loop_close(loop);
    if (program >= 0)
        close(program);
    program = -1;
}

static void connect_program(void)
{
    int ends[2];

    if (program >= 0)
        close(program);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    program = ends[1];
    engine_connect(engine, ends[0]);
}

static void ask(enum engine_verb verb, int64_t timeout_ms)
{
    struct engine_order order = {.verb = verb, .epoch = 12, .timeout_ms = timeout_ms};

    engine_ask(engine, &order);
}

/* Reads the order's line; the id in it. */
static unsigned long long hear(void)
{
    static char line[4096];
    unsigned long long id = 0;
    size_t len = 0;

    while (len == 0 || line[len - 1] != '\n') {
        ssize_t got = read(program, line + len, sizeof line - len);

        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        if (got > 0)
            len += (size_t)got;
        else
            loop_turn(loop, NS_PER_MS);
    }
    line[len - 1] = '\0';
    assert_int_equal(sscanf(line, "{\"id\":%llu,", &id), 1);
    return id;
}

static void say_text(const char *text)
{
    assert_int_equal(write(program, text, strlen(text)), strlen(text));
}

#define say(...)                                                                                   \
    do {                                                                                           \
        char said[512];                                                                            \
                                                                                                   \
        snprintf(said, sizeof said, __VA_ARGS__);                                                  \
        say_text(said);                                                                            \
    } while (0)

#define GOOD "{\"id\":%llu,\"outcome\":\"done\",\"status\":{\"state\":\"running\"}}\n"

static void orders_are_answered_one_after_the_other(void **state)
{
    (void)state;
    begin();
    ask(ENGINE_STATUS, 10000); /* before there is a program */
    connect_program();
    for (uint32_t i = 1; i <= 3; i++) {
        unsigned long long id = hear();

        assert_int_equal(id, i);
        say("{\"id\":%llu,\"outcome\":", id); /* in two pieces */
        loop_turn(loop, 0);
        assert_int_equal(answers, i - 1);
        say_text("\"done\",\"status\":{\"state\":\"running\"}}\n");
        TURN_UNTIL(answers == i);
        assert_int_equal(last.outcome, ENGINE_DONE);
        ask(ENGINE_STATUS, 10000);
    }
    assert_int_equal(killed, 0);
    finish();
}

static void expect_broken(const char *sentence)
{
    TURN_UNTIL(answers == 1);
    assert_int_equal(last.outcome, ENGINE_BROKEN);
    if (!strstr(last.sentence, sentence))
        fail_msg("'%s' instead of '%s'", last.sentence, sentence);
    TURN_UNTIL(wanted == 2); /* another program */
    connect_program();
    ask(ENGINE_STATUS, 10000);
    say(GOOD, hear());
    TURN_UNTIL(answers == 2);
    assert_int_equal(last.outcome, ENGINE_DONE);
    finish();
}

static void a_program_that_hangs_is_killed(void **state)
{
    (void)state;
    begin();
    connect_program();
    ask(ENGINE_PROMISE, 30);
    (void)hear();
    TURN_UNTIL(killed == 1);
    expect_broken("did not answer promise within 30 ms");
}

static void a_program_that_never_comes_is_said(void **state)
{
    (void)state;
    begin();
    ask(ENGINE_PROMISE, 30);
    TURN_UNTIL(answers == 1);
    assert_string_equal(last.sentence, "there was no program for promise within 30 ms");
    ask(ENGINE_PROMISE, 10000);
    engine_lost(engine, "it exited with 127");
    TURN_UNTIL(answers == 2);
    assert_string_equal(last.sentence, "the program is not there: it exited with 127");
    assert_int_equal(killed, 0);
    TURN_UNTIL(wanted == 2);
    finish();
}

static void garbage_is_quoted_and_its_program_killed(void **state)
{
    (void)state;
    begin();
    connect_program();
    ask(ENGINE_STATUS, 10000);
    (void)hear();
    say_text("Traceback (most recent call last):\n");
    TURN_UNTIL(killed == 1);
    expect_broken("is no JSON object: `Traceback (most recent call last):`");
}

static void two_answers_are_none(void **state)
{
    unsigned long long id;

    (void)state;
    begin();
    connect_program();
    ask(ENGINE_STATUS, 10000);
    id = hear();
    say(GOOD GOOD, id, id);
    TURN_UNTIL(killed == 1);
    expect_broken("more than one line");
}

static void speaking_unasked_ends_a_program(void **state)
{
    (void)state;
    begin();
    connect_program();
    say_text("hello\n");
    TURN_UNTIL(killed == 1);
    assert_int_equal(answers, 0);
    TURN_UNTIL(wanted == 2);
    finish();
}

static void an_answer_for_another_order_is_none(void **state)
{
    (void)state;
    begin();
    connect_program();
    ask(ENGINE_STATUS, 10000);
    say(GOOD, hear() + 1);
    TURN_UNTIL(killed == 1);
    expect_broken("\"id\" is 2, not 1, the order's");
}

static void a_program_that_ends_breaks_its_order(void **state)
{
    (void)state;
    begin();
    connect_program();
    ask(ENGINE_STATUS, 10000);
    (void)hear();
    close(program);
    program = -1;
    expect_broken("the program closed its output, or ended");
}

static void a_flood_is_cut_off_at_a_line(void **state)
{
    static char flood[1 << 20];
    size_t written = 0;
    struct instant hang;

    (void)state;
    begin();
    connect_program();
    ask(ENGINE_STATUS, 10000);
    (void)hear();
    memset(flood, 'x', sizeof flood);
    hang = after_ms(clock_now(), HANG_S * 1000);
    while (killed == 0) {
        ssize_t got = send(program, flood, sizeof flood, MSG_NOSIGNAL);

        written += got > 0 ? (size_t)got : 0;
        loop_turn(loop, NS_PER_MS);
        assert_false(passed(hang, clock_now()));
    }
    assert_true(written >= SCRIPT_LINE_MAX);
    expect_broken("a line of more than 64 KiB");
}

/* Its answers are good, but it cannot know what was asked. */
static void a_program_that_never_reads_is_found(void **state)
{
    (void)state;
    begin();
    connect_program();
    for (uint32_t i = 1; killed == 0; i++) {
        assert_true(i < 100000);
        ask(ENGINE_STATUS, 10000);
        if (killed)
            break;
        loop_turn(loop, 0);
        say(GOOD, (unsigned long long)i);
        TURN_UNTIL(answers == i);
        assert_int_equal(last.outcome, ENGINE_DONE);
    }
    answers = 0;
    expect_broken("an order that it has not read");
}

static void breaking_off_kills_what_may_still_act(void **state)
{
    (void)state;
    begin();
    connect_program();
    ask(ENGINE_COPY, 1000000);
    (void)hear();
    engine_cancel(engine);
    engine_cancel(engine); /* twice: nothing */
    assert_int_equal(answers, 0);
    assert_int_equal(killed, 1);
    expect_broken("the order was broken off");
}

static void ends_that_come_soon_are_followed_by_growing_waits(void **state)
{
    int64_t waits[4];

    (void)state;
    begin();
    for (uint32_t i = 0; i < 4; i++) {
        struct instant ended;

        connect_program();
        close(program);
        program = -1;
        loop_turn(loop, NS_PER_S);
        ended = clock_now();
        TURN_UNTIL(wanted == i + 2);
        waits[i] = ns_between(ended, clock_now()) / NS_PER_MS;
    }
    /* Never early; how late depends on the machine. */
    assert_true(waits[1] >= 90);
    assert_true(waits[2] >= 190);
    assert_true(waits[3] >= 390);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_answered_one_after_the_other),
        cmocka_unit_test(a_program_that_hangs_is_killed),
        cmocka_unit_test(a_program_that_never_comes_is_said),
        cmocka_unit_test(garbage_is_quoted_and_its_program_killed),
        cmocka_unit_test(two_answers_are_none),
        cmocka_unit_test(speaking_unasked_ends_a_program),
        cmocka_unit_test(an_answer_for_another_order_is_none),
        cmocka_unit_test(a_program_that_ends_breaks_its_order),
        cmocka_unit_test(a_flood_is_cut_off_at_a_line),
        cmocka_unit_test(a_program_that_never_reads_is_found),
        cmocka_unit_test(breaking_off_kills_what_may_still_act),
        cmocka_unit_test(ends_that_come_soon_are_followed_by_growing_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
