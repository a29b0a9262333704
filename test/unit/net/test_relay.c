#include "world.h"

static void receives_again(struct end *end)
{
    stream_receive(&end->stream, true);
}

/* A source and a destination; receiving on the source is off, as before a relay. */
struct way {
    struct end from, to;
    struct flow in, out;
};

static void begin_way(struct world *world, struct way *way, int buffer)
{
    *way = (struct way){0};
    way->in.fd = begin(world, &way->from, buffer);
    way->out.fd = begin(world, &way->to, buffer);
    no_block(way->in.fd);
    stream_receive(&way->from.stream, false);
    way->from.other = &way->to;
    way->to.other = &way->from;
}

static void finish_way(struct world *world, struct way *way)
{
    finish(world, &way->from);
    finish(world, &way->to);
    assert_int_equal(loop_chunks_free(world->loop), world->options.chunks_max);
    close(way->in.fd);
    close(way->out.fd);
}

static bool carried(struct way *way, uint64_t total)
{
    if (way->in.at < total)
        flow_send(&way->in, total);
    flow_take(&way->out, 60000);
    return way->out.at == total;
}

static void a_counted_relay_is_followed_by_ordinary_bytes(void **state)
{
    enum { COUNT = 300000, AFTER = 20 };
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 0);
    way.from.on_relayed = receives_again;
    send_text(&way.to, "head");
    stream_relay(&way.from.stream, &way.to.stream, COUNT);
    TURN_UNTIL(world, strcmp(take(way.out.fd), "head") == 0);
    TURN_UNTIL(world, (flow_send(&way.in, COUNT + AFTER), flow_take(&way.out, 60000),
                       way.from.received == AFTER));
    assert_true(way.from.relayed);
    assert_int_equal(way.from.moved, COUNT);
    assert_int_equal(way.from.relay_error, 0);
    TURN_UNTIL(world, carried(&way, COUNT));
    assert_int_equal(way.out.errors, 0);
    send_text(&way.to, "tail");
    TURN_UNTIL(world, strcmp(take(way.out.fd), "tail") == 0);
    finish_way(world, &way);
}

static void stops(struct end *end, struct chunk *chunk, struct bytes bytes)
{
    assert_true(stream_send(&end->other->stream, chunk, bytes));
    stream_receive(&end->stream, false);
    stream_relay(&end->stream, &end->other->stream, UINT64_MAX);
}

static void a_relay_continues_exactly_where_receiving_stopped(void **state)
{
    enum { TOTAL = 1 << 20 };
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 16384);
    way.from.on_received = stops;
    flow_send(&way.in, TOTAL);
    stream_receive(&way.from.stream, true);
    TURN_UNTIL(world, carried(&way, TOTAL));
    assert_int_equal(way.out.errors, 0);
    shutdown(way.in.fd, SHUT_WR);
    TURN_UNTIL(world, way.from.ended);
    assert_int_equal(way.from.moved + way.from.received, TOTAL);
    finish_way(world, &way);
}

static void finishes_the_other(struct end *end)
{
    stream_finish(&end->other->stream);
}

static void a_relay_lasts_until_the_source_ends(void **state)
{
    enum { TOTAL = 3 << 20 };
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 16384);
    way.from.on_ended = finishes_the_other;
    stream_relay(&way.from.stream, &way.to.stream, UINT64_MAX);
    while (!way.out.ended) {
        flow_send(&way.in, TOTAL);
        if (way.in.at == TOTAL)
            shutdown(way.in.fd, SHUT_WR);
        flow_take(&way.out, 7000);
        loop_turn(world->loop, 0);
    }
    assert_int_equal(way.out.at, TOTAL);
    assert_int_equal(way.out.errors, 0);
    assert_true(way.from.relayed && way.from.ended);
    assert_int_equal(way.from.moved, TOTAL);
    finish_way(world, &way);
}

static void without_a_pipe_a_relay_copies(void **state)
{
    struct world *world = world_of(state);

    reopen(world, CHUNKS, 0);
    a_relay_lasts_until_the_source_ends(state);
    a_counted_relay_is_followed_by_ordinary_bytes(state);
}

static void more_relays_than_pipes_share_them(void **state)
{
    enum { WAYS = 5, TOTAL = 200000 };
    struct world *world = world_of(state);
    struct way ways[WAYS];
    bool all = false;

    reopen(world, CHUNKS, 1);
    for (size_t i = 0; i < WAYS; i++) {
        begin_way(world, &ways[i], 16384);
        stream_relay(&ways[i].from.stream, &ways[i].to.stream, UINT64_MAX);
    }
    while (!all) {
        all = true;
        for (size_t i = 0; i < WAYS; i++)
            if (!carried(&ways[i], TOTAL))
                all = false;
        loop_turn(world->loop, 0);
    }
    for (size_t i = 0; i < WAYS; i++) {
        assert_int_equal(ways[i].out.errors, 0);
        finish_way(world, &ways[i]);
    }
}

static void two_relays_make_a_tunnel(void **state)
{
    enum { TOTAL = 500000 };
    struct world *world = world_of(state);
    struct way there;
    struct flow in, out;

    begin_way(world, &there, 16384);
    stream_receive(&there.to.stream, false);
    in = (struct flow){.fd = there.out.fd};
    out = (struct flow){.fd = there.in.fd};
    no_block(in.fd);
    stream_relay(&there.from.stream, &there.to.stream, UINT64_MAX);
    stream_relay(&there.to.stream, &there.from.stream, UINT64_MAX);
    TURN_UNTIL(world, (carried(&there, TOTAL), flow_send(&in, TOTAL), flow_take(&out, 9000),
                       there.out.at == TOTAL && out.at == TOTAL));
    assert_int_equal(there.out.errors + out.errors, 0);
    finish_way(world, &there);
}

static void a_tunnel_that_copies_lives_on_one_chunk(void **state)
{
    struct world *world = world_of(state);

    /* io_uring has one more, lent to the kernel. */
    reopen(world, world->options.kind == LOOP_URING ? 2 : 1, 0);
    two_relays_make_a_tunnel(state);
}

static bool sleeps_through(struct world *world, int64_t ns)
{
    struct instant begun = clock_now();

    loop_turn(world->loop, ns);
    return ns_between(begun, clock_now()) >= ns;
}

static void a_full_destination_is_waited_for_without_turning(void **state)
{
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 16384);
    stream_relay(&way.from.stream, &way.to.stream, UINT64_MAX);
    for (uint64_t before = 1; before != way.in.at;) {
        before = way.in.at;
        flow_send(&way.in, 64 << 20);
        settle(world);
    }
    /* Once nothing moves any more, a turn lasts as long as it may. */
    TURN_UNTIL(world, sleeps_through(world, 50 * NS_PER_MS));
    TURN_UNTIL(world, carried(&way, way.in.at));
    assert_int_equal(way.out.errors, 0);
    finish_way(world, &way);
}

static void the_failure_of_the_source_comes_after_its_bytes(void **state)
{
    struct world *world = world_of(state);
    struct linger linger = {1, 0};
    struct way way;

    begin_way(world, &way, 0);
    stream_relay(&way.from.stream, &way.to.stream, UINT64_MAX);
    TURN_UNTIL(world, carried(&way, 100000));
    assert_int_equal(setsockopt(way.in.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(way.in.fd);
    way.in.fd = -1;
    TURN_UNTIL(world, way.from.failed);
    assert_int_equal(way.from.relay_error, ECONNRESET);
    assert_int_equal(way.from.moved, 100000);
    assert_int_equal(way.from.failed, ECONNRESET);
    assert_false(way.from.ended);
    send_text(&way.to, "the destination lives");
    TURN_UNTIL(world, way.to.drained);
    finish_way(world, &way);
}

static void the_failure_of_the_destination_ends_a_relay_without_relayed(void **state)
{
    struct world *world = world_of(state);
    struct linger linger = {1, 0};
    struct way way, next;

    reopen(world, CHUNKS, 1);
    begin_way(world, &way, 16384);
    stream_relay(&way.from.stream, &way.to.stream, UINT64_MAX);
    TURN_UNTIL(world, carried(&way, 100000));
    flow_send(&way.in, 400000);
    settle(world);
    assert_int_equal(setsockopt(way.out.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(way.out.fd);
    way.out.fd = -1;
    TURN_UNTIL(world, way.to.failed);
    assert_false(way.from.relayed);
    finish_way(world, &way);
    /* The one pipe held bytes: they must not come out of the next relay. */
    begin_way(world, &next, 16384);
    stream_relay(&next.from.stream, &next.to.stream, UINT64_MAX);
    TURN_UNTIL(world, carried(&next, 50000));
    assert_int_equal(next.out.errors, 0);
    finish_way(world, &next);
}

static void closing_either_end_ends_a_relay(void **state)
{
    struct world *world = world_of(state);

    reopen(world, CHUNKS, 1);
    for (int i = 0; i < 4; i++) {
        struct way way;
        struct end *first;

        begin_way(world, &way, 16384);
        stream_relay(&way.from.stream, &way.to.stream, UINT64_MAX);
        flow_send(&way.in, 1 << 20);
        if (i >= 2)
            settle(world);
        first = i % 2 ? &way.from : &way.to;
        finish(world, first);
        settle(world);
        assert_false(way.from.relayed);
        finish_way(world, &way);
    }
}

static void closes_both(struct end *end)
{
    stream_close(&end->stream, false);
    stream_close(&end->other->stream, false);
}

static void both_may_be_closed_in_relayed(void **state)
{
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 0);
    way.from.on_relayed = closes_both;
    stream_relay(&way.from.stream, &way.to.stream, 1000);
    TURN_UNTIL(world, (carried(&way, 1000), way.from.closed && way.to.closed));
    assert_int_equal(way.from.moved, 1000);
    finish_way(world, &way);
}

static void a_relay_of_nothing_is_done_at_once(void **state)
{
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 0);
    stream_relay(&way.from.stream, &way.to.stream, 0);
    assert_false(way.from.relayed);
    TURN_UNTIL(world, way.from.relayed);
    assert_int_equal(way.from.moved, 0);
    finish_way(world, &way);
}

static void a_source_that_ends_early_tells_how_much_it_gave(void **state)
{
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 0);
    stream_relay(&way.from.stream, &way.to.stream, 1000);
    flow_send(&way.in, 600);
    shutdown(way.in.fd, SHUT_WR);
    TURN_UNTIL(world, way.from.ended);
    assert_true(way.from.relayed);
    assert_int_equal(way.from.moved, 600);
    TURN_UNTIL(world, carried(&way, 600));
    finish_way(world, &way);
}

/* A server says more than its answer's length, and ends. */
static void the_end_comes_after_the_bytes_that_a_counted_relay_left(void **state)
{
    struct world *world = world_of(state);
    struct way way;

    begin_way(world, &way, 0);
    stream_receive(&way.from.stream, true);
    settle(world); /* with io_uring the receive that this began takes the bytes, which are kept */
    stream_receive(&way.from.stream, false);
    put(way.in.fd, "0123456789");
    close(way.in.fd);
    settle(world);
    stream_relay(&way.from.stream, &way.to.stream, 4);
    TURN_UNTIL(world, way.from.relayed && strcmp(take(way.out.fd), "0123") == 0);
    stream_receive(&way.from.stream, true);
    TURN_UNTIL(world, way.from.ended);
    assert_string_equal(way.from.text, "456789");
    way.in.fd = -1;
    finish_way(world, &way);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_counted_relay_is_followed_by_ordinary_bytes),
        BOTH(a_relay_continues_exactly_where_receiving_stopped),
        BOTH(a_relay_lasts_until_the_source_ends),
        BOTH(without_a_pipe_a_relay_copies),
        BOTH(more_relays_than_pipes_share_them),
        BOTH(two_relays_make_a_tunnel),
        BOTH(a_tunnel_that_copies_lives_on_one_chunk),
        BOTH(a_full_destination_is_waited_for_without_turning),
        BOTH(the_failure_of_the_source_comes_after_its_bytes),
        BOTH(the_failure_of_the_destination_ends_a_relay_without_relayed),
        BOTH(closing_either_end_ends_a_relay),
        BOTH(both_may_be_closed_in_relayed),
        BOTH(a_relay_of_nothing_is_done_at_once),
        BOTH(a_source_that_ends_early_tells_how_much_it_gave),
        BOTH(the_end_comes_after_the_bytes_that_a_counted_relay_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
