/*
 * A client's write, against servers that answer, answer wrongly, or do not.
 */
#include "base/clock.h"
#include "engine/engine.h"
#include "net/net.h"
#include "unit.h"

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

/* "PUT {epoch}\r\n" at 8, "+OK" at 24. */
static const char texts[32] = "\0\0\0\0\0\0\0\0PUT {epoch}\\r\\n\0+OK";
static const struct image image = {(const uint8_t *)texts, sizeof texts};

static struct loop *loop;
static struct listener listener;
static int listening = -1, client = -1;
static uint16_t bound, peer_port;
static uint32_t dones;
static bool good;
static char why[GROUP_SENTENCE_MAX];

static void on_accepted(struct listener *l, int fd, const struct address *peer)
{
    (void)l;
    client = fd;
    peer_port = peer->port;
}

static void on_starved(struct listener *l, int error)
{
    (void)l;
    fail_msg("errno %d", error);
}

static void on_bound(void *context, uint16_t port)
{
    (void)context;
    bound = port;
}

static void on_done(void *context, bool answered, const char *sentence)
{
    (void)context;
    dones++;
    good = answered;
    snprintf(why, sizeof why, "%s", sentence);
}

static struct probe *begin(int64_t timeout_ms)
{
    static const struct probe_events events = {on_bound, on_done};
    static struct engine_probe what;
    struct loop_options wishes = {.kind = LOOP_EPOLL, .chunks_max = 64, .chunk_bytes = 16 << 10};
    struct probe_options options = {.what = &what, .image = image, .epoch = 12, .events = &events};
    struct address any = {.family = 4, .ip = {127, 0, 0, 1}};
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    struct probe *probe;
    struct err err;

    what = (struct engine_probe){.send = {8, 15}, .expect = {24, 3}, .timeout_ms = timeout_ms};
    dones = 0;
    bound = 0;
    assert_true(loop_open(&loop, &wishes, &err));
    assert_true(listener_open_fd(&listening, &any, &err));
    assert_int_equal(getsockname(listening, (struct sockaddr *)&name, &len), 0);
    any.port = (uint16_t)(((uint8_t *)&name)[2] << 8 | ((uint8_t *)&name)[3]);
    listener = (struct listener){.accepted = on_accepted, .starved = on_starved};
    listener_start(loop, &listener, listening);
    options.loop = loop;
    options.address = any;
    assert_true(probe_begin(&probe, &options, &err));
    TURN_UNTIL(client >= 0 && bound != 0);
    assert_int_equal(bound, peer_port);
    assert_int_equal(dones, 0);
    return probe;
}

static void finish(void)
{
    listener_stop(&listener, false);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 0);
    loop_close(loop);
    close(listening);
    if (client >= 0)
        close(client);
    client = -1;
}

static void hear_the_write(void)
{
    char text[64] = {0};

    TURN_UNTIL(recv(client, text, sizeof text, MSG_DONTWAIT | MSG_PEEK) == 8);
    assert_string_equal(text, "PUT 12\r\n");
}

static void a_write_that_is_answered_is_good(void **state)
{
    (void)state;
    (void)begin(10000);
    hear_the_write();
    assert_int_equal(write(client, "+O", 2), 2);
    loop_turn(loop, 0);
    assert_int_equal(dones, 0);
    assert_int_equal(write(client, "K and more", 10), 10);
    TURN_UNTIL(dones == 1);
    assert_true(good);
    assert_string_equal(why, "");
    finish();
}

static void another_answer_is_quoted(void **state)
{
    (void)state;
    (void)begin(10000);
    hear_the_write();
    assert_int_equal(write(client, "-READONLY\r\n", 11), 11);
    TURN_UNTIL(dones == 1);
    assert_false(good);
    assert_string_equal(why, "a write was answered with `-RE`");
    finish();
}

static void silence_is_no_answer(void **state)
{
    (void)state;
    (void)begin(50);
    TURN_UNTIL(dones == 1);
    assert_false(good);
    assert_string_equal(why, "a write was not answered in time");
    finish();
}

static void an_end_is_no_answer(void **state)
{
    (void)state;
    (void)begin(10000);
    hear_the_write();
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    TURN_UNTIL(dones == 1);
    assert_string_equal(why, "the connection was closed before a write was answered");
    finish();
}

static void what_is_cancelled_is_not_told(void **state)
{
    (void)state;
    probe_cancel(begin(10000));
    for (int i = 0; i < 5; i++)
        loop_turn(loop, NS_PER_MS);
    assert_int_equal(dones, 0);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_is_answered_is_good),
        cmocka_unit_test(another_answer_is_quoted),
        cmocka_unit_test(silence_is_no_answer),
        cmocka_unit_test(an_end_is_no_answer),
        cmocka_unit_test(what_is_cancelled_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
