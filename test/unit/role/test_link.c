/*
 * What agent and monitor say to each other arrives whole, and what was under way when one of them ends is told.
 */
#include "base/clock.h"
#include "role/link.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANG_S = 30, BIG = 3 << 20 };

struct side {
    struct link link;
    uint32_t received, ended, last_id;
    uint16_t last_kind;
    size_t last_len;
    uint64_t sum;
};

static struct loop *loop;

static struct side *of_link(struct link *link)
{
    return container_of(link, struct side, link);
}

static void on_received(struct link *link, uint32_t id, uint16_t kind, struct bytes body)
{
    struct side *side = of_link(link);

    side->received++;
    side->last_id = id;
    side->last_kind = kind;
    side->last_len = body.len;
    for (size_t i = 0; i < body.len; i++)
        side->sum += body.at[i];
}

static void on_ended(struct link *link)
{
    of_link(link)->ended++;
}

static const struct link_events events = {.received = on_received, .ended = on_ended};

#define TURN_UNTIL(claim)                                                                          \
    do {                                                                                           \
        struct instant hang = after_ms(clock_now(), HANG_S * 1000);                                \
                                                                                                   \
        while (!(claim)) {                                                                         \
            assert_false(passed(hang, clock_now()));                                               \
            loop_turn(loop, NS_PER_MS);                                                            \
        }                                                                                          \
    } while (0)

static void open_pair(struct side *a, struct side *b)
{
    struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 64, .chunk_bytes = 16 << 10};
    struct err err;
    int ends[2];

    assert_true(loop_open(&loop, &options, &err));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    link_init(&a->link, loop, &events);
    link_init(&b->link, loop, &events);
    link_open(&a->link, ends[0]);
    link_open(&b->link, ends[1]);
}

static void close_pair(struct side *a, struct side *b)
{
    link_close(&a->link);
    link_close(&b->link);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 0);
    loop_close(loop);
}

static void frames_arrive_whole_and_in_order(void **state)
{
    struct side a = {0}, b = {0};
    uint8_t *big = malloc(BIG);

    (void)state;
    assert_non_null(big);
    memset(big, 1, BIG);
    open_pair(&a, &b);
    assert_true(link_send(&a.link, 1, 7, BYTES("one")));
    assert_true(link_send(&a.link, 2, 8, bytes_of(big, BIG)));
    assert_true(link_send(&a.link, 3, 9, bytes_of(NULL, 0)));
    assert_true(link_send(&b.link, 4, 10, BYTES("back")));
    TURN_UNTIL(b.received == 3 && a.received == 1);
    assert_int_equal(b.last_id, 3);
    assert_int_equal(b.last_kind, 9);
    assert_int_equal(b.last_len, 0);
    assert_int_equal(b.sum, BIG + 'o' + 'n' + 'e');
    assert_int_equal(a.last_id, 4);
    close_pair(&a, &b);
    free(big);
}

static void an_end_is_told_once_and_nothing_is_sent_after_it(void **state)
{
    struct side a = {0}, b = {0};

    (void)state;
    open_pair(&a, &b);
    link_close(&b.link);
    TURN_UNTIL(a.ended == 1);
    assert_int_equal(b.ended, 0);
    assert_false(link_send(&a.link, 1, 1, BYTES("lost")));
    close_pair(&a, &b);
    assert_int_equal(a.ended, 1);
}

static void a_new_link_ends_the_one_before(void **state)
{
    struct side a = {0}, b = {0};
    int ends[2];

    (void)state;
    open_pair(&a, &b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    link_open(&a.link, ends[0]);
    assert_int_equal(a.ended, 1);
    link_open(&b.link, ends[1]);
    assert_true(link_send(&a.link, 5, 1, BYTES("again")));
    TURN_UNTIL(b.received == 1);
    assert_int_equal(b.last_id, 5);
    close_pair(&a, &b);
}

static void a_frame_past_the_bound_ends_the_link(void **state)
{
    static const uint32_t head[3] = {LINK_BODY_MAX + 1, 1, 1};
    struct side a = {0}, b = {0};
    int ends[2];

    (void)state;
    open_pair(&a, &b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    link_open(&a.link, ends[0]);
    assert_int_equal(write(ends[1], head, sizeof head), sizeof head);
    TURN_UNTIL(a.ended == 2);
    assert_int_equal(a.received, 0);
    close(ends[1]);
    close_pair(&a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_and_in_order),
        cmocka_unit_test(an_end_is_told_once_and_nothing_is_sent_after_it),
        cmocka_unit_test(a_new_link_ends_the_one_before),
        cmocka_unit_test(a_frame_past_the_bound_ends_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
